# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
cimport cython
from libc.stdint cimport int64_t

cdef Py_ssize_t LARGE
cdef Py_ssize_t _FIRST_ROOM
cdef Py_ssize_t _LARGEST_ROOM


@cython.final
cdef class Cursor:
    cdef readonly object fragment
    cdef const unsigned char[::1] data
    cdef readonly Py_ssize_t end
    cdef public Py_ssize_t start
    cdef public int64_t offset
    cdef public bint muted
    cdef object _output
    cdef int64_t _sent
    cdef bytearray _buffer
    cdef unsigned char[::1] _room
    cdef Py_ssize_t _first
    cdef Py_ssize_t _used

    cpdef redirect(self, output)
    cpdef take(self, fragment)
    cpdef leave(self, Py_ssize_t carried)
    cpdef drop(self)
    cdef int64_t u16(self, Py_ssize_t position, bint little_endian) except -1
    @cython.locals(first=int64_t, second=int64_t, third=int64_t, fourth=int64_t)
    cdef int64_t u32(self, Py_ssize_t position, bint little_endian) except -1
    cpdef int64_t place(self, Py_ssize_t position) except -1
    cpdef int64_t written(self) except -1
    @cython.locals(start=Py_ssize_t, length=Py_ssize_t, used=Py_ssize_t)
    cpdef flush(self, Py_ssize_t position)
    @cython.locals(length=Py_ssize_t, used=Py_ssize_t)
    cpdef write(self, piece)
    @cython.locals(length=Py_ssize_t)
    cpdef write_zeros(self, int64_t count)
    @cython.locals(used=Py_ssize_t)
    cpdef put8(self, unsigned char value)
    @cython.locals(used=Py_ssize_t)
    cpdef put16(self, int64_t value, bint little_endian)
    @cython.locals(used=Py_ssize_t)
    cpdef put32(self, int64_t value, bint little_endian)
    @cython.locals(here=int64_t)
    cpdef patch32(self, int64_t place, int64_t value, bint little_endian)
    cpdef pass_on(self, piece)
    cpdef pass_all(self, fragments, Py_ssize_t length)
    @cython.locals(first=Py_ssize_t, used=Py_ssize_t)
    cpdef send(self)
    @cython.locals(here=int64_t)
    cpdef patch(self, int64_t place, bytes data)
    @cython.locals(size=Py_ssize_t)
    cdef Py_ssize_t _reserve(self, Py_ssize_t length) except -1
    cdef _store32(self, Py_ssize_t here, int64_t value, bint little_endian)

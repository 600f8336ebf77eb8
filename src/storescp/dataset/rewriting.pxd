# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
cimport cython
from libc.stdint cimport int64_t

from storescp.dataset.cursor cimport Cursor
from storescp.dataset.header cimport HeaderWriter
from storescp.dataset.plan cimport Plan

cdef bytes FLAGS
cdef int BINARY
cdef int KIND
cdef int TEXT
cdef int UNIT
cdef int UNIT_SHIFT
cdef int64_t UNDEFINED_LENGTH
cdef Py_ssize_t LONGEST_SEEN_WHOLE
cdef Py_ssize_t _LONGEST_SWAPPED_HERE


@cython.final
cdef class Rewriting:
    cdef Cursor _cursor
    cdef HeaderWriter _headers
    cdef Plan _plan
    cdef bint _little_endian
    cdef object _remarks
    cdef object _look_up
    cdef readonly dict cuts
    cdef readonly int64_t left
    cdef readonly int64_t value_offset
    cdef readonly object sink
    cdef bint _pad

    @cython.locals(cursor=Cursor, value=Py_ssize_t, after=Py_ssize_t, kept=Py_ssize_t, pad="unsigned char", odd=int)
    cdef Py_ssize_t text(self, Py_ssize_t position, Py_ssize_t size, int64_t tag, int vr, int64_t length, bint clean, const unsigned char[::1] data) except -1
    @cython.locals(flags=int, odd=bint, written=int64_t, value=Py_ssize_t, written_vr=int, to_little_endian=bint)
    cpdef Py_ssize_t binary(self, Py_ssize_t position, Py_ssize_t size, int64_t tag, int vr, int64_t length, bint clean, bint little_endian) except -1
    @cython.locals(odd=int)
    cpdef Py_ssize_t through(self, Py_ssize_t position, Py_ssize_t size, int64_t tag, int vr, int64_t length, bint clean, sink) except -1
    cpdef Py_ssize_t discard(self, Py_ssize_t position, Py_ssize_t size, int64_t length) except -1
    cpdef Py_ssize_t begin_value(self, Py_ssize_t position, int64_t length, sink, bint pad) except -1
    @cython.locals(cursor=Cursor, taken=Py_ssize_t, stop=Py_ssize_t)
    cpdef Py_ssize_t take_value(self, Py_ssize_t position) except -1
    cpdef pass_on(self, int64_t length)
    @cython.locals(written_vr=int)
    cdef int _header(self, Py_ssize_t position, Py_ssize_t size, int64_t tag, int vr, int64_t length, int64_t written, bint clean) except -1
    @cython.locals(byte="unsigned char")
    cdef bint _has_white_space(self, Py_ssize_t position, Py_ssize_t end, const unsigned char[::1] data) except -1
    @cython.locals(value=Py_ssize_t)
    cdef Py_ssize_t _uid(self, Py_ssize_t position, Py_ssize_t size, int64_t tag, int vr, int64_t length) except -1
    cdef Py_ssize_t _long_text(self, Py_ssize_t position, Py_ssize_t size, int64_t tag, int vr, int64_t length) except -1
    @cython.locals(cursor=Cursor, after=Py_ssize_t, position=Py_ssize_t, place=int, data="const unsigned char[::1]")
    cdef Py_ssize_t _swapped(self, Py_ssize_t value, int64_t length, int unit, bint odd) except -1

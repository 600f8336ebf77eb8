# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
cimport cython
from libc.stdint cimport int64_t

from storescp.dataset.cursor cimport Cursor
from storescp.dataset.plan cimport Plan

cdef bytes FLAGS
cdef int64_t DATA_SET_TRAILING_PADDING
cdef int64_t LARGEST_SHORT_LENGTH
cdef int LONG
cdef int RECENT
cdef int OB
cdef int UN


@cython.final
cdef class HeaderWriter:
    cdef Cursor _cursor
    cdef bint _implicit
    cdef bint _little_endian
    cdef bint _new_vr

    @cython.locals(cursor=Cursor, little_endian=bint)
    cpdef element(self, int64_t tag, int vr, int64_t length)
    @cython.locals(cursor=Cursor, little_endian=bint)
    cpdef delimiter(self, int64_t tag, int64_t length)
    cpdef length(self, int64_t place, int64_t length)
    @cython.locals(missing=int64_t, size=int64_t)
    cpdef padding(self, int64_t length, int64_t multiple)
    @cython.locals(flags=int)
    cpdef int written_vr(self, int vr, int64_t length) except -1

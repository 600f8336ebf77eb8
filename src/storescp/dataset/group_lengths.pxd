# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
cimport cython
from libc.stdint cimport int64_t

from storescp.dataset.cursor cimport Cursor
from storescp.dataset.header cimport HeaderWriter
from storescp.dataset.level cimport Level
from storescp.dataset.plan cimport Plan
from storescp.dataset.rewriting cimport Rewriting

cdef int UL
cdef int64_t UNDEFINED_LENGTH
cdef int NO_GROUP


@cython.final
cdef class GroupLengths:
    cdef Plan _plan
    cdef Cursor _cursor
    cdef HeaderWriter _headers
    cdef Rewriting _rewriting
    cdef object _remarks

    @cython.locals(plan=Plan, cursor=Cursor, value=Py_ssize_t)
    cpdef Py_ssize_t take(self, Level level, Py_ssize_t position, Py_ssize_t size, int64_t tag, int vr, int64_t length, bint clean) except -1
    @cython.locals(cursor=Cursor)
    cpdef create(self, Level level, Py_ssize_t position, int64_t group)
    @cython.locals(length=int64_t)
    cpdef settle(self, Level level, Py_ssize_t position)

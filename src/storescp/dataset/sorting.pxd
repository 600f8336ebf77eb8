# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
cimport cython
from libc.stdint cimport int64_t

from storescp.dataset.cursor cimport Cursor
from storescp.dataset.header cimport HeaderWriter
from storescp.dataset.nesting cimport Rewritten
from storescp.dataset.plan cimport Plan

cdef int64_t DATA_SET_TRAILING_PADDING
cdef bytes FLAGS
cdef int64_t ITEM
cdef int64_t ITEM_DELIMITER
cdef int LONG
cdef int64_t SEQUENCE_DELIMITER
cdef int64_t UNDEFINED_LENGTH
cdef int ELEMENTS
cdef int NO_GROUP
cdef Py_ssize_t MOST_SORTED
cdef Py_ssize_t _BLOCK
cdef Py_ssize_t _PIECE


@cython.final
cdef class Group:
    cdef int64_t number
    cdef int64_t place
    cdef int64_t old_length


@cython.final
cdef class Sorting:
    cdef object _source
    cdef Plan _plan
    cdef Cursor _cursor
    cdef HeaderWriter _headers
    cdef list _levels
    cdef const int64_t[::1] _starts
    cdef Py_ssize_t _count
    cdef dict _cuts
    cdef object _remarks
    cdef object _remarks_on_order
    cdef bytes _block
    cdef int64_t _block_start
    cdef int64_t _length
    cdef int64_t _size
    cdef int64_t _value_length
    cdef int64_t _pending
    cdef int64_t _pending_end

    @cython.locals(level=Rewritten, begin=int64_t, group=Group, behind=Py_ssize_t, number=Py_ssize_t, written=int64_t)
    cdef _elements(self, Py_ssize_t index, int64_t preceding, int64_t multiple)
    cdef _pad(self, Group group, int64_t length, int64_t multiple)
    @cython.locals(tag=int64_t, size=int64_t, length=int64_t, value=int64_t, end=int64_t, child=Py_ssize_t)
    cdef _element(self, Group group, int64_t position)
    @cython.locals(level=Rewritten, begin=int64_t, written=int64_t)
    cdef _container(self, Py_ssize_t index, int64_t length, int64_t end)
    @cython.locals(level=Rewritten, child=Py_ssize_t, length=int64_t)
    cdef _children(self, Py_ssize_t index, int64_t position, int64_t end)
    @cython.locals(low=Py_ssize_t, high=Py_ssize_t, middle=Py_ssize_t)
    cdef Py_ssize_t _child(self, int64_t position, int64_t end) except? -1
    @cython.locals(length=int64_t)
    cdef _settle(self, Group group)

    @cython.locals(largest=int64_t, is_ordered=bint, position=int64_t, end=int64_t, after=int64_t, tag=int64_t)
    cdef _ordered(self, Rewritten level)
    @cython.locals(tag=int64_t, last=int64_t, number=int64_t, keep=bytearray, largest=int64_t, after=int64_t, count=Py_ssize_t, created=bint)
    cdef _sorted(self, places, keys, int64_t end)
    cdef _warn_of(self, message, int64_t tag, int64_t begin, int64_t end)

    @cython.locals(tag=int64_t)
    cdef int64_t _tag_at(self, int64_t position) except -1
    @cython.locals(level=Rewritten, value=int64_t, length=int64_t, child=Py_ssize_t)
    cdef int64_t _end_of(self, int64_t position) except -1
    @cython.locals(depth=Py_ssize_t, tag=int64_t)
    cdef int64_t _after(self, int64_t position) except -1
    @cython.locals(data=bytes, at=Py_ssize_t)
    cdef int _vr_at(self, int64_t position) except -1
    @cython.locals(data=bytes, at=Py_ssize_t)
    cdef int64_t _u16(self, int64_t position) except -1
    @cython.locals(first=int64_t, second=int64_t)
    cdef int64_t _u32(self, int64_t position) except -1
    @cython.locals(start=int64_t, end=int64_t)
    cdef bytes _peek(self, int64_t position, int64_t size)

    cdef int64_t _place(self) except -1
    cdef _copy(self, int64_t begin, int64_t end)
    @cython.locals(position=int64_t, end=int64_t, start=int64_t)
    cdef _copy_pending(self)

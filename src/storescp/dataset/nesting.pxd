# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
cimport cython
from libc.stdint cimport int64_t

from storescp.dataset.cursor cimport Cursor
from storescp.dataset.group_lengths cimport GroupLengths
from storescp.dataset.header cimport HeaderWriter
from storescp.dataset.level cimport Level
from storescp.dataset.plan cimport Plan
from storescp.dataset.rewriting cimport Rewriting

cdef int64_t DATA_SET_TRAILING_PADDING
cdef int64_t ITEM
cdef int64_t ITEM_DELIMITER
cdef int64_t LARGEST_LENGTH
cdef int OB
cdef int OW
cdef int64_t PIXEL_DATA
cdef int64_t SEQUENCE_DELIMITER
cdef int SQ
cdef int64_t UNDEFINED_LENGTH
cdef int ELEMENTS
cdef int FRAGMENTS
cdef int ITEMS
cdef int BASIC
cdef int64_t NEVER
cdef int MOST_NESTED_SEQUENCES


@cython.final
cdef class Rewritten:
    cdef readonly int64_t start
    cdef readonly int64_t end
    cdef readonly int content
    cdef readonly bint is_looked_at


@cython.final
cdef class Nesting:
    cdef Plan _plan
    cdef Cursor _cursor
    cdef HeaderWriter _headers
    cdef GroupLengths _groups
    cdef Rewriting _rewriting
    cdef object _signed_values
    cdef object _remarks
    cdef dict _cuts
    cdef Py_ssize_t _cuts_noted
    cdef readonly Level level
    cdef list _levels
    cdef readonly Py_ssize_t depth
    cdef public int sequences
    cdef readonly int64_t opened_offset
    cdef readonly str damage
    cdef readonly str unwritable
    cdef readonly list rewritten

    cpdef note_damage(self, str what)
    @cython.locals(written=int64_t)
    cpdef Py_ssize_t open_sequence(self, Py_ssize_t position, Py_ssize_t size, int64_t tag, int64_t length, bint implicit, bint little_endian, bint clean) except -1
    @cython.locals(around=Level, level=Level, written=int64_t)
    cpdef Py_ssize_t open_item(self, Py_ssize_t position, int64_t length) except -1
    @cython.locals(around=Level, plan=Plan)
    cpdef Py_ssize_t open_pixel_data(self, Py_ssize_t position, Py_ssize_t size, int vr, bint clean) except -1
    @cython.locals(level=Level, continues=bint)
    cpdef Py_ssize_t pixel_data_fragment(self, Py_ssize_t position, int64_t length) except -1
    @cython.locals(odd=bint)
    cdef Py_ssize_t _basic_offset_table(self, Level level, Py_ssize_t position, int64_t length) except -1
    @cython.locals(cursor=Cursor, value=Py_ssize_t, left=int64_t, written=int64_t)
    cdef Py_ssize_t _fragment(self, Level level, Py_ssize_t position, int64_t length, bint continues) except -1
    cpdef offset_table(self, Level level, int kind, int64_t length)
    @cython.locals(around=Level, level=Level, cursor=Cursor, end=int64_t)
    cdef _open(self, int content, int64_t tag, Py_ssize_t position, int64_t length, int64_t written, bint implicit, bint little_endian)
    @cython.locals(level=Level, cursor=Cursor, plan=Plan, after=Py_ssize_t, delimiter=int64_t, length=int64_t, field=int64_t)
    cpdef close(self, Py_ssize_t position, Py_ssize_t delimiter_size)
    @cython.locals(cursor=Cursor, unpadded=int64_t)
    cpdef end_elements(self, Level level, Py_ssize_t position, int64_t length, int64_t multiple)
    @cython.locals(level=Level, length=int64_t)
    cpdef end_data_set(self, Py_ssize_t position, int64_t preceding)
    @cython.locals(around=Level)
    cdef _leave(self, Level level, int64_t length, Py_ssize_t after)
    cdef _note_cuts(self, Level level)
    cdef _note_rewritten(self, Level level, int64_t length)
    cdef _delimiter(self, Py_ssize_t position, int64_t tag, int64_t length, int64_t written)
    cdef bint _is_same_layout(self, bint implicit, bint little_endian) except -1

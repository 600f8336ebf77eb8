# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
cimport cython
from libc.stdint cimport int64_t

from storescp.dataset.cursor cimport Cursor
from storescp.dataset.group_lengths cimport GroupLengths
from storescp.dataset.level cimport Level
from storescp.dataset.nesting cimport Nesting
from storescp.dataset.plan cimport Plan
from storescp.dataset.rewriting cimport Rewriting

cdef bytes FLAGS
cdef int64_t DATA_SET_TRAILING_PADDING
cdef int64_t ITEM
cdef int64_t ITEM_DELIMITER
cdef int KIND
cdef int LO
cdef int LONG
cdef int BINARY
cdef int WORDS
cdef int UNIT
cdef int UNIT_SHIFT
cdef int SS
cdef int64_t EXTENDED_OFFSET_TABLE
cdef int64_t EXTENDED
cdef int64_t LARGEST_SHORT_LENGTH
cdef int _OX
cdef int OB
cdef int OW
cdef int64_t PIXEL_DATA
cdef int64_t NUMBER_OF_FRAMES
cdef int64_t PIXEL_REPRESENTATION
cdef int SEQUENCE
cdef int64_t SEQUENCE_DELIMITER
cdef int SQ
cdef int TEXT
cdef int UID
cdef int UN
cdef int64_t UNDEFINED_LENGTH
cdef int US
cdef int64_t VOI_LUT_SEQUENCE
cdef int64_t WAVEFORM_BITS_ALLOCATED
cdef int ELEMENTS
cdef int FRAGMENTS
cdef int ITEMS
cdef int64_t NEVER
cdef int NO_GROUP
cdef int MOST_NESTED_SEQUENCES
cdef int64_t LONGEST_SEEN_WHOLE
cdef int64_t LONGEST_CHECKED_SEQUENCE
cdef int64_t _CURVE_REPRESENTATION
cdef int64_t _FIRST_VALID
cdef int64_t _LAST_INVALID
cdef const int64_t[::1] _SPECIAL


@cython.final
cdef class Walk:
    cdef Plan _plan
    cdef object _look_up
    cdef object _remarks
    cdef Cursor _cursor
    cdef Rewriting _rewriting
    cdef GroupLengths _groups
    cdef Nesting _nesting
    cdef object _dictionary
    cdef dict _vrs
    cdef dict _noted
    cdef dict _noted_inside
    cdef bint _follows_creators
    cdef bint _notes_all
    cdef bytearray _carry
    cdef Py_ssize_t _needed
    cdef Py_ssize_t _header_size
    cdef object _signed_values
    cdef object _trailing
    cdef bint _is_trailing
    cdef bytes _again
    cdef bint _is_trial
    cdef readonly list sequences_found
    cdef object _converted
    cdef bint _is_unknown_sequence_noted

    cdef _pass_on(self, fragments, Py_ssize_t length)
    @cython.locals(missing=Py_ssize_t)
    cdef _feed(self, fragment)
    @cython.locals(cursor=Cursor, nesting=Nesting, level=Level, data="const unsigned char[::1]", end=Py_ssize_t, position=Py_ssize_t)
    cdef _walk(self, fragment)
    @cython.locals(cursor=Cursor)
    cdef Py_ssize_t _wait(self, Py_ssize_t position, Py_ssize_t needed, Py_ssize_t header_size) except -1

    @cython.locals(
        cursor=Cursor, plan=Plan, available=Py_ssize_t, little_endian=bint,
        group=int64_t, number=int64_t, tag=int64_t, is_special=bint, size=Py_ssize_t, code=int, clean=bint,
        length=int64_t, vr=int, flags=int, is_long=bint, implicit=bint, kind=int, seen=int64_t)
    cdef Py_ssize_t _element(self, Level level, Py_ssize_t position, const unsigned char[::1] data) except -1
    @cython.locals(offset=int64_t)
    cdef _check_bounds(self, Level level, int64_t tag, Py_ssize_t position, Py_ssize_t size, int64_t length)
    cdef _check_special(self, int64_t tag, int vr)
    @cython.locals(index=Py_ssize_t)
    cdef bint _is_special(self, Level level, int64_t tag) except -1
    cdef Py_ssize_t _undefined_length(self, Level level, Py_ssize_t position, Py_ssize_t size, int64_t tag, int vr, bint clean) except -1
    @cython.locals(plan=Plan, cursor=Cursor, nesting=Nesting, was_muted=bint, after=Py_ssize_t)
    cdef Py_ssize_t _leave_out(self, Level level, Py_ssize_t position, Py_ssize_t size, int64_t tag, int vr, int64_t length) except -1

    @cython.locals(cursor=Cursor, nesting=Nesting, little_endian=bint, tag=int64_t, length=int64_t)
    cdef Py_ssize_t _item(self, Level level, Py_ssize_t position) except -1
    cdef Py_ssize_t _delimiter(self, Level level, Py_ssize_t position, int64_t tag) except -1

    cdef _look_up_creators(self)
    cdef int _implicit_vr(self, Level level, int64_t tag) except -1
    cdef int _converted_vr(self, Level level, int64_t tag, Py_ssize_t position, Py_ssize_t size, int64_t length) except -1
    cdef Walk _trial(self, int64_t length)
    @cython.locals(trial=Walk)
    cdef bint _is_parsable(self, value) except -1
    @cython.locals(trial=Walk)
    cdef _try(self, Level level, Py_ssize_t position, int64_t tag, int64_t length)
    cpdef _begin_in_sequence(self, int sequences, int64_t length)

    cdef bint _is_noted(self, int64_t tag) except -1
    cdef _note(self, Level level, Py_ssize_t position, int64_t tag, int vr, int64_t seen, bint little_endian)
    cdef bint _is_creator(self, Level level, int64_t tag) except -1
    cdef bytes _value(self, Py_ssize_t position, Py_ssize_t length)
    cdef _note_attribute(self, int64_t tag, int vr, bytes value)
    cdef _note_provisional(self, Level level, Py_ssize_t position, int64_t tag, int vr, int64_t length)
    cdef _note_unknown_sequence(self, int64_t tag)
    cdef Py_ssize_t _offset_table(self, Level level, Py_ssize_t position, Py_ssize_t size, int64_t tag, int vr, int64_t length, bint clean) except -1
    cdef _warn_of_vr(self, int64_t tag, int code, int size)

    @cython.locals(vr=int, flags=int, unit=int)
    cdef _warn_of_length(self, int64_t tag, int code, int64_t length)
    cdef _warn_of_item(self, Level level)

    cdef bint _is_trailing_zero(self, Py_ssize_t position) except -1
    @cython.locals(cursor=Cursor, level=Level, order=bint, zeros=Py_ssize_t, tag=int64_t)
    cdef Py_ssize_t _take_trailing(self, Py_ssize_t position) except -1
    cdef _check_last_element(self)
    cdef bint _is_pad(self) except -1
    cdef _write_empty_last_element(self)
    cdef _check_last_level(self, Level level)

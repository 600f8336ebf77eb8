# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
cimport cython
from libc.stdint cimport int64_t

cdef int ELEMENTS
cdef int64_t NEVER
cdef int NO_GROUP


@cython.final
cdef class Level:
    cdef readonly int64_t tag
    cdef readonly int content
    cdef readonly int64_t end
    cdef public int64_t stop
    cdef public bint implicit
    cdef public bint little_endian
    cdef public bint same_layout
    cdef readonly int64_t start
    cdef readonly int64_t length
    cdef public int64_t last
    cdef public int64_t watch
    cdef public Py_ssize_t watch_index
    cdef public int64_t group
    cdef public int64_t group_length_place
    cdef public int64_t group_length_value
    cdef public int64_t group_start
    cdef public bint has_group_lengths
    cdef public bint disordered
    cdef public bint rewritten
    cdef public bint mutes
    cdef public int own_representation
    cdef public int representation
    cdef public object provisional
    cdef public int waveform_bits
    cdef public int64_t curve_representation
    cdef public dict creators
    cdef public object offset_tables
    cdef public int frames
    cdef public bint joins
    cdef public bint owes

    cpdef open(self, int content, int64_t tag, int64_t end, int64_t start, int64_t length)

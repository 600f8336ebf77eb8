# cython: language_level=3, boundscheck=True, wraparound=False, overflowcheck=True, annotation_typing=False
cimport cython
from libc.stdint cimport int64_t


@cython.final
cdef class Plan:
    cdef readonly object written
    cdef readonly bint reads_implicit
    cdef readonly bint reads_little_endian
    cdef readonly bint implicit
    cdef readonly bint little_endian
    cdef readonly bint encapsulated
    cdef readonly bint is_video
    cdef readonly bint can_encapsulate
    cdef readonly bint explicit_lengths
    cdef readonly bint new_vr
    cdef readonly bint converts_un
    cdef readonly bint drops_padding
    cdef readonly int64_t file_padding
    cdef readonly int64_t item_padding
    cdef readonly bint creates_group_lengths
    cdef readonly bint removes_group_lengths
    cdef readonly bint keeps_group_lengths

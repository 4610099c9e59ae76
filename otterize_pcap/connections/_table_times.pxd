# Declarations of `_table_times.pyx`.

from libc.stdint cimport int64_t, uint32_t


cdef class TableTimes:
    cdef Py_ssize_t tables
    cdef int64_t *offsets
    cdef int64_t *settled
    cdef uint32_t **ranks

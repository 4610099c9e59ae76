# Declarations of `_client_isns.pyx`.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from otterize_pcap.connections._index cimport RowIndex

# `first` and `latest` are 5-tuples that show the ISN; `tuples` counts them, 0 in an empty slot.
cdef struct IsnSlot:
    uint32_t isn
    uint32_t first
    uint32_t latest
    uint8_t protocol
    uint8_t tuples


cdef class ClientIsns:
    cdef RowIndex index
    cdef uint32_t many
    cdef IsnSlot *slots
    cdef int bits
    cdef uint64_t count

    cdef bint is_crowded(self, uint32_t protocol, uint32_t isn) noexcept nogil
    cdef int _unite(self, uint32_t number) except -1 nogil
    cdef int _unite_by(self, uint32_t number, uint32_t protocol, uint32_t isn) except -1 nogil
    cdef IsnSlot *_slot(self, uint32_t protocol, uint32_t isn) noexcept nogil
    cdef int _keep_crowded(self) except -1
    cdef int _grow(self) except -1 nogil
    cdef int _move_to(self, int bits, uint32_t above) except -1 nogil

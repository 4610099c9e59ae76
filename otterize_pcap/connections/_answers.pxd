# Declarations of `_answers.pyx`.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from otterize_pcap.connections._endpoint cimport CTuple
from otterize_pcap.connections._keys cimport Keys

cdef enum Answer:
    NO = 0
    YES = 1
    CHANGES = 2

cdef struct CInterval:
    int64_t start_ns
    int64_t end_ns

# A port that something of the snapshot serves on an address for a time; `leads` where a Service
# leads on from there.
cdef struct CServed:
    CInterval time
    uint16_t port
    uint8_t protocol
    uint8_t leads

# An endpoint that a Service leads to for a time.
cdef struct CLead:
    uint64_t high
    uint64_t low
    CInterval time
    uint16_t port

# `is_kept` where those that no row shows were left out.
cdef struct Leads:
    CLead *lead
    uint32_t count
    bint is_kept

cdef struct CAddress:
    uint64_t high
    uint64_t low

# What the snapshot says of an address, once it was asked.
cdef struct CKnown:
    CInterval *held
    CServed *served
    uint32_t held_count
    uint32_t served_count
    bint is_asked


cdef inline Answer during(const CInterval *time, int64_t first_ns, int64_t last_ns) noexcept nogil:
    """Whether something holds at all of a time, at none of it, or only at a part."""
    if time.start_ns <= first_ns and last_ns <= time.end_ns:
        return YES
    if time.end_ns < first_ns or last_ns < time.start_ns:
        return NO
    return CHANGES


cdef class Answers:
    cdef object snapshot
    cdef CAddress *addresses
    cdef uint32_t count
    cdef uint32_t room
    cdef uint32_t *slots
    cdef int slot_bits
    cdef uint64_t secret[4]
    cdef CKnown *knowns
    cdef uint32_t known_count
    cdef Keys lead_keys
    # When it changes who is at a side, by the side's key (`Groups`).
    cdef dict moments
    cdef Leads *leads
    cdef uint32_t lead_count
    cdef uint32_t lead_room
    cdef uint64_t *borders
    cdef int32_t border_count

    cdef uint64_t _hash(self, uint64_t high, uint64_t low) noexcept nogil
    cdef uint32_t number_of(self, uint64_t high, uint64_t low) except? 0xFFFFFFFF nogil
    cdef uint32_t _add(self, uint64_t high, uint64_t low) except? 0xFFFFFFFF nogil
    cdef bint is_known(self, uint32_t number) noexcept nogil
    cdef int _ask(self, uint32_t number) except -1
    cdef int _grow(self) except -1 nogil
    cdef int32_t alike(self, uint32_t number) noexcept nogil
    cdef Answer is_held(self, uint32_t number, int64_t first_ns, int64_t last_ns) noexcept nogil
    cdef Answer is_served(
        self, uint32_t number, uint32_t protocol, uint32_t port, int64_t first_ns, int64_t last_ns
    ) noexcept nogil
    cdef bint could_lead(self, uint32_t number, uint32_t protocol, uint32_t port) noexcept nogil
    cdef Leads *leads_from(self, uint32_t number, uint32_t protocol, uint32_t port) except NULL nogil
    cdef int learn_all(self, const CTuple *tuples, uint32_t count) except -1 nogil
    cdef int _learn_leads(self, uint32_t number, uint32_t protocol, uint32_t port) except -1
    cdef bytes address(self, uint32_t number)

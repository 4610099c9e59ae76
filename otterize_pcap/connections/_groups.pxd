# Declarations of `_groups.pyx`.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from otterize_pcap.connections._answers cimport Answers
from otterize_pcap.connections._endpoint cimport CEnd
from otterize_pcap.connections._keys cimport Keys
from otterize_pcap.connections._pieces cimport MAX_ENDS
from otterize_pcap.connections._sums cimport CSpan, CTotals
from otterize_pcap.connections._verdicts cimport CJudged

cdef enum:
    CLIENTS = 0
    SERVERS = 1
    UNKNOWN_CLIENTS = 2
    UNKNOWN_SERVERS = 3

cdef enum:
    # Of a group's key: its class, two stands and when it was.
    GROUP_WORDS = 4
    WITHIN = 0
    BEFORE = 1
    AFTER = 2

# The moments at which who is at a side changes; `first` is the first address that was met there.
cdef struct CChanges:
    int64_t *moments
    uint32_t count
    uint32_t first

# A side while nothing about it changes; the times are those in which it sent in one connection.
cdef struct CStand:
    uint32_t side
    int64_t first_ns
    int64_t last_ns

cdef struct CGroup:
    uint64_t connections
    uint64_t packets[2]
    uint64_t bytes[2]
    int64_t first_ns
    int64_t last_ns
    int64_t evidence_ns
    uint64_t packet
    uint32_t rank


cdef inline uint32_t passed(const CChanges *changes, int64_t time_ns) noexcept nogil:
    """How many changes had happened by a time."""
    cdef uint32_t low = 0, high = changes.count, middle
    while low < high:
        middle = (low + high) >> 1
        if changes.moments[middle] <= time_ns:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline void append_group(CGroup *group, const CGroup *later) noexcept nogil:
    """Add what another thread counted of a group."""
    cdef int way
    if group.connections == 0:
        group[0] = later[0]
        return
    group.first_ns = min(group.first_ns, later.first_ns)
    group.last_ns = max(group.last_ns, later.last_ns)
    for way in range(2):
        group.packets[way] += later.packets[way]
        group.bytes[way] += later.bytes[way]
    if is_earlier(later.evidence_ns, later.rank, later.packet, group):
        group.evidence_ns, group.rank, group.packet = later.evidence_ns, later.rank, later.packet
    group.connections += later.connections


cdef inline tuple counted_group(
    uint32_t class_, uint32_t client, uint32_t server, const CGroup *group
):
    """As `Groups.all_groups` has one."""
    return (
        class_, client, server, group.connections, (group.packets[0], group.packets[1]),
        (group.bytes[0], group.bytes[1]), group.first_ns, group.last_ns, group.rank, group.packet,
        group.evidence_ns,
    )


cdef inline bint is_earlier(
    int64_t time_ns, uint32_t rank, uint64_t packet, const CGroup *group
) noexcept nogil:
    """Whether a packet comes before the evidence of a group."""
    if time_ns != group.evidence_ns:
        return time_ns < group.evidence_ns
    if rank != group.rank:
        return rank < group.rank
    return packet < group.packet


cdef class Groups:
    cdef Answers answers
    cdef object snapshot
    cdef bint has_window
    cdef int64_t start_ns
    cdef int64_t end_ns
    cdef Keys sides
    cdef Keys stands_by_key
    cdef Keys groups_by_key
    cdef CChanges *changes
    cdef uint32_t change_room
    cdef CStand *stands
    cdef uint32_t stand_room
    cdef CGroup *groups
    cdef uint32_t group_room

    cdef uint32_t group_of(
        self, const CJudged *judged, int protocol, const CEnd *ends, const uint32_t *numbers,
        const CTotals *totals
    ) except? 0xFFFFFFFF nogil
    cdef uint32_t _when(self, const CTotals *totals) noexcept nogil
    cdef void count(self, uint32_t group, const CTotals *totals) noexcept nogil
    cdef uint32_t _side(
        self, const uint32_t *key, uint32_t words, uint32_t first
    ) except? 0xFFFFFFFF nogil
    cdef int _learn_changes(self, uint32_t side) except -1
    cdef bint _is_known(self, uint32_t side) noexcept nogil
    cdef uint32_t _stand(self, uint32_t side, const CSpan *sent) except? 0xFFFFFFFF nogil
    cdef uint32_t _numbered_group(self, const uint32_t *key) except? 0xFFFFFFFF nogil
    cdef uint32_t _numbered_stand(
        self, const uint32_t *key, int64_t first_ns, int64_t last_ns
    ) except? 0xFFFFFFFF nogil
    cdef list _moments_of(self, uint32_t side)
    cdef int _make_room_for_side(self, uint32_t side) except -1
    cdef int take_over(self, Groups later, uint32_t *group) except -1
    cdef uint32_t _side_of(self, Groups later, uint32_t number) except? 0xFFFFFFFF
    cdef uint32_t _stand_of(
        self, Groups later, uint32_t number, const uint32_t *side
    ) except? 0xFFFFFFFF
    cdef uint32_t _group_of(
        self, Groups later, uint32_t number, const uint32_t *stand
    ) except? 0xFFFFFFFF

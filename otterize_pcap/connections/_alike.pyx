# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Groups → fewer groups: those that are counted as one are added up.

Who resolves sides knows which of them are one workload reached in one way. Between two workloads of
many pods there are as many groups as pairs of these, and each costs Python 15 µs.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from otterize_pcap.connections._groups cimport CGroup, Groups, append_group, counted_group
from otterize_pcap.connections._keys cimport Keys

cdef enum:
    # Classes that one sum can have; the groups of others are sums of their own.
    CLASSES = 4
    KEY_WORDS = 5
    APART = 0
    TOGETHER = 1

cdef struct CSum:
    CGroup group
    uint32_t first
    # The class of the evidence, which is that of any group.
    uint32_t evidence_class
    uint32_t classes
    uint32_t class_[CLASSES]
    uint64_t connections[CLASSES]


cdef class GroupSums:
    """The sums of groups.

    Args:
        groups: All groups.
        clients: For each stand the number of those that are counted as one client; 0 for none.
        servers: The same of servers.
        families: For each class the number of those that are counted as one; 0 for none.
    """

    cdef CSum *sum_
    cdef uint32_t room
    cdef Keys keys

    def __cinit__(self, Groups groups, const uint32_t[::1] clients, const uint32_t[::1] servers,
                  const uint32_t[::1] families):
        cdef uint32_t number, client, server, family
        cdef const uint32_t *group
        cdef uint32_t key[KEY_WORDS]
        self.keys = Keys(groups.groups_by_key.secret)
        for number in range(groups.groups_by_key.count):
            group = <const uint32_t *>groups.groups_by_key.key(number)
            client, server, family = clients[group[1]], servers[group[2]], families[group[0]]
            if client and server and family:
                key[0], key[1], key[2], key[3], key[4] = TOGETHER, family, client, server, 0
                if not self._has_room_for(key, group[0]):
                    key[4] = group[0] + 1
            else:
                key[0], key[1], key[2], key[3], key[4] = (
                    APART, group[0], group[1], group[2], group[3])
            self._add(self._number_of(key), number, group[0], &groups.groups[number])

    def __dealloc__(self):
        free(self.sum_)

    cdef bint _has_room_for(self, const uint32_t *key, uint32_t class_) noexcept nogil:
        """Whether a class is one of a sum's, or can become one."""
        cdef uint32_t number = self.keys.find(<const uint8_t *>key, 4 * KEY_WORDS), at
        if number >= self.keys.count:
            return True
        for at in range(self.sum_[number].classes):
            if self.sum_[number].class_[at] == class_:
                return True
        return self.sum_[number].classes < CLASSES

    cdef uint32_t _number_of(self, const uint32_t *key) except? 0xFFFFFFFF:
        cdef uint32_t before = self.keys.count
        cdef uint32_t number = self.keys.number_of(<const uint8_t *>key, 4 * KEY_WORDS)
        cdef CSum *sums
        if number == before:
            if number >= self.room:
                sums = <CSum *>realloc(self.sum_, (<size_t>2 * self.room + 256) * sizeof(CSum))
                if sums == NULL:
                    raise MemoryError
                self.sum_, self.room = sums, 2 * self.room + 256
            memset(&self.sum_[number], 0, sizeof(CSum))
        return number

    cdef void _add(
        self, uint32_t sum_, uint32_t number, uint32_t class_, const CGroup *group
    ) noexcept nogil:
        """Add a group with its number and class."""
        cdef CSum *into = &self.sum_[sum_]
        cdef uint32_t at = 0
        if into.classes == 0:
            into.first, into.evidence_class = number, class_
        append_group(&into.group, group)
        if into.group.packet == group.packet and into.group.rank == group.rank:
            into.evidence_class = class_
        while at < into.classes and into.class_[at] != class_:
            at += 1
        if at == into.classes:
            into.class_[at], into.classes = class_, at + 1
        into.connections[at] += group.connections

    def all_sums(self, Groups groups):
        """Each sum as (number of its first group, counted, its classes).

        Counted as `Groups.all_groups` has it, with the stands of the first group and the class of
        the evidence. Classes are ((class, connections), …).
        """
        cdef uint32_t number, at
        cdef const uint32_t *key
        cdef CSum *each
        cdef list found = []
        for number in range(self.keys.count):
            each = &self.sum_[number]
            key = <const uint32_t *>groups.groups_by_key.key(each.first)
            found.append((
                each.first,
                counted_group(each.evidence_class, key[1], key[2], &each.group),
                tuple([(each.class_[at], each.connections[at]) for at in range(each.classes)]),
            ))
        return found


def added_up(Groups groups, clients, servers, families):
    """`GroupSums.all_sums` of groups."""
    return GroupSums(groups, clients, servers, families).all_sums(groups)

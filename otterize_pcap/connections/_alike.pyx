# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Groups → fewer groups: those that are counted as one are added up.

Who resolves sides knows which of them are one workload reached in one way. Between two workloads of
many pods there are as many groups as pairs of these, and each costs Python 15 µs.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

from otterize_pcap.connections._groups cimport CGroup, Groups, append_group, counted_group
from otterize_pcap.connections._keys cimport Keys

cdef enum:
    # Classes that one sum can have; groups of others are added up by their class.
    CLASSES = 4
    KEY_WORDS = 4
    NO_SUM = 0xFFFFFFFF

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

    cdef Groups groups
    # Of each group the number of its sum, NO_SUM where it is one alone: of those there can be a
    # million, each a server outside.
    cdef uint32_t *sum_of
    cdef CSum *sum_
    cdef uint32_t room
    cdef Keys keys

    def __cinit__(self, Groups groups, const uint32_t[::1] clients, const uint32_t[::1] servers,
                  const uint32_t[::1] families):
        cdef uint32_t number, client, server, family
        cdef const uint32_t *group
        cdef uint32_t key[KEY_WORDS]
        self.groups = groups
        self.keys = Keys(groups.groups_by_key.secret)
        self.sum_of = <uint32_t *>malloc((len(groups) + 1) * sizeof(uint32_t))
        if self.sum_of == NULL:
            raise MemoryError
        for number in range(groups.groups_by_key.count):
            group = <const uint32_t *>groups.groups_by_key.key(number)
            client, server, family = clients[group[1]], servers[group[2]], families[group[0]]
            if not (client and server and family):
                self.sum_of[number] = NO_SUM
                continue
            key[0], key[1], key[2], key[3] = family, client, server, 0
            if not self._has_room_for(key, group[0]):
                key[3] = group[0] + 1
            self.sum_of[number] = self._number_of(key)
            self._add(self.sum_of[number], number, group[0], &groups.groups[number])

    def __dealloc__(self):
        free(self.sum_of)
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

    def all_sums(self):
        """Each sum, and each group that is in none, as (number, counted, classes), in order.

        The number is that of the first group, counted is as `Groups.all_groups` has it, with the
        stands of the first group and the class of the evidence. Classes are ((class, connections),
        …), of a group that is in no sum none.
        """
        cdef uint32_t number, at
        cdef const uint32_t *key
        cdef CSum *each
        cdef list found = []
        for number in range(self.groups.groups_by_key.count):
            key = <const uint32_t *>self.groups.groups_by_key.key(number)
            if self.sum_of[number] == NO_SUM:
                counted = counted_group(key[0], key[1], key[2], &self.groups.groups[number])
                found.append((number, counted, ()))
                continue
            each = &self.sum_[self.sum_of[number]]
            if each.first == number:
                counted = counted_group(each.evidence_class, key[1], key[2], &each.group)
                found.append((number, counted, tuple([
                    (each.class_[at], each.connections[at]) for at in range(each.classes)])))
        return found


def added_up(Groups groups, clients, servers, families):
    """`GroupSums.all_sums` of groups."""
    return GroupSums(groups, clients, servers, families).all_sums()

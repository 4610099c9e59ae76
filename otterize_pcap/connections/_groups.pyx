# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Connections counted by class and by who stood at both sides.

A *side* is the addresses of the clients, or the endpoints of the servers, of connections. What is
there can change; between two changes a side *stands*, and each of its connections resolves alike.
Single clients of whom nothing is known are one side as far as they resolve alike, and so are single
servers at one port: else a flood from or to a million addresses is a million groups (16 s and 1.8 GB).
Where a time is asked for, those before it, within and after are groups of their own.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

cdef enum:
    CLIENTS = 0
    SERVERS = 1
    UNKNOWN_CLIENTS = 2
    UNKNOWN_SERVERS = 3

cdef enum:
    WITHIN = 0
    BEFORE = 1
    AFTER = 2


cdef class Groups:
    """The groups of one capture; the arguments are those of `Answers` and of `Components.join`."""

    def __cinit__(self, Answers answers, uint64_t secret, within):
        self.answers = answers
        self.has_window = within is not None
        self.start_ns, self.end_ns = within or (0, 0)
        self.snapshot = answers.snapshot
        self.sides, self.stands_by_key = Keys(secret), Keys(secret)
        self.groups_by_key = Keys(secret)

    def __dealloc__(self):
        cdef uint32_t side
        if self.changes != NULL:
            for side in range(self.sides.count):
                free(self.changes[side].moments)
        free(self.changes)
        free(self.stands)
        free(self.groups)

    def __len__(self):
        return self.groups_by_key.count

    cdef uint32_t group_of(
        self, const CJudged *judged, int protocol, const CEnd *ends, const uint32_t *numbers,
        const CTotals *totals
    ) except? 0xFFFFFFFF:
        """The group of a connection, a new one where it is the first."""
        cdef uint32_t key[2 * MAX_ENDS + 2]
        cdef uint32_t group[4]
        cdef uint32_t before, number
        cdef CGroup *groups
        cdef int place
        cdef uint32_t first = numbers[judged.client[0]]
        cdef int32_t alike = self.answers.alike(first) if judged.clients == 1 else -1
        key[0] = CLIENTS
        for place in range(judged.clients):
            key[1 + place] = numbers[judged.client[place]]
        if alike >= 0:
            key[0], key[1] = UNKNOWN_CLIENTS, alike
        group[1] = self._stand(
            self._side(key, 1 + judged.clients, first), &totals.sent[CLIENTS])
        key[0], key[1] = SERVERS, protocol
        for place in range(judged.servers):
            key[2 + 2 * place] = numbers[judged.server[place]]
            key[3 + 2 * place] = ends[judged.server[place]].port
        first = numbers[judged.server[0]]
        alike = self.answers.alike(first) if judged.servers == 1 else -1
        if alike >= 0:
            key[0], key[2] = UNKNOWN_SERVERS, alike
        group[2] = self._stand(
            self._side(key, 2 + 2 * judged.servers, first), &totals.sent[SERVERS])
        group[0] = judged.class_
        group[3] = self._when(totals) if self.has_window else WITHIN
        before = self.groups_by_key.count
        number = self.groups_by_key.number_of(<uint8_t *>group, sizeof(group))
        if number == before:
            if number >= self.group_room:
                groups = <CGroup *>realloc(
                    self.groups, (<size_t>2 * self.group_room + 256) * sizeof(CGroup))
                if groups == NULL:
                    raise MemoryError
                self.groups, self.group_room = groups, 2 * self.group_room + 256
            memset(&self.groups[number], 0, sizeof(CGroup))
        return number

    cdef uint32_t _when(self, const CTotals *totals) noexcept nogil:
        """Where a connection lies, of which all or none of a group's touch the window."""
        if totals.last_ns < self.start_ns:
            return BEFORE
        return AFTER if totals.first_ns > self.end_ns else WITHIN

    cdef void count(self, uint32_t number, const CTotals *totals) noexcept nogil:
        """Add one connection to its group."""
        cdef CGroup *group = &self.groups[number]
        cdef int way
        if group.connections == 0:
            group.first_ns, group.last_ns = totals.first_ns, totals.last_ns
        group.first_ns = min(group.first_ns, totals.first_ns)
        group.last_ns = max(group.last_ns, totals.last_ns)
        for way in range(2):
            group.packets[way] += totals.packets[way]
            group.bytes[way] += totals.bytes[way]
        if group.connections == 0 or is_earlier(totals, group):
            group.evidence_ns = totals.first_ns
            group.rank, group.packet = totals.first.rank, totals.first.row.number
        group.connections += 1

    cdef uint32_t _side(
        self, const uint32_t *key, uint32_t words, uint32_t first
    ) except? 0xFFFFFFFF:
        cdef uint32_t before = self.sides.count
        cdef uint32_t side = self.sides.number_of(<const uint8_t *>key, 4 * words)
        if side == before:
            self._learn_changes(side)
            self.changes[side].first = first
        return side

    cdef int _learn_changes(self, uint32_t side) except -1:
        """Ask the snapshot when who is at a new side changes."""
        cdef CChanges *changes
        cdef Py_ssize_t place
        if side >= self.change_room:
            changes = <CChanges *>realloc(
                self.changes, (<size_t>2 * self.change_room + 256) * sizeof(CChanges))
            if changes == NULL:
                raise MemoryError
            self.changes, self.change_room = changes, 2 * self.change_room + 256
        self.changes[side].count = 0
        self.changes[side].moments = NULL
        if not self._is_known(side):
            return 0
        clients, protocol, servers, _ = self.side(side)
        moments = (self.snapshot.client_changes(clients) if clients
                   else self.snapshot.server_changes(protocol, servers))
        if moments:
            self.changes[side].moments = <int64_t *>malloc(len(moments) * sizeof(int64_t))
            if self.changes[side].moments == NULL:
                raise MemoryError
            for place, moment in enumerate(moments):
                self.changes[side].moments[place] = moment
            self.changes[side].count = <uint32_t>len(moments)
        return 0

    cdef bint _is_known(self, uint32_t side) noexcept nogil:
        """Whether the snapshot knows any address of a side."""
        cdef const uint32_t *key = <const uint32_t *>self.sides.key(side)
        cdef uint32_t words = self.sides.length(side) // 4
        cdef uint32_t at = 1 if key[0] == CLIENTS else 2
        if key[0] == UNKNOWN_CLIENTS or key[0] == UNKNOWN_SERVERS:
            return False
        while at < words:
            if self.answers.is_known(key[at]):
                return True
            at += 1 if key[0] == CLIENTS else 2
        return False

    def side(self, uint32_t side):
        """(addresses of clients, protocol, endpoints of servers, whether it is an example).

        Either clients or servers are empty. An example is one of those of whom nothing is known.
        """
        cdef const uint32_t *key = <const uint32_t *>self.sides.key(side)
        cdef uint32_t words = self.sides.length(side) // 4, at
        cdef list ends = []
        if key[0] == UNKNOWN_CLIENTS:
            return (self.answers.address(self.changes[side].first),), 0, (), True
        if key[0] == UNKNOWN_SERVERS:
            return (), key[1], ((self.answers.address(self.changes[side].first), key[3]),), True
        if key[0] == CLIENTS:
            for at in range(1, words):
                ends.append(self.answers.address(key[at]))
            return tuple(ends), 0, (), False
        for at in range(2, words, 2):
            ends.append((self.answers.address(key[at]), key[at + 1]))
        return (), key[1], tuple(ends), False

    cdef uint32_t _stand(self, uint32_t side, const CSpan *sent) except? 0xFFFFFFFF:
        """The number of a side at the time in which it sent in a connection (S12)."""
        cdef CChanges *changes = &self.changes[side]
        cdef CStand *stands
        cdef uint32_t key[3]
        cdef uint32_t before = self.stands_by_key.count, number
        key[0] = side
        key[1] = passed(changes, sent.first_ns)
        key[2] = passed(changes, sent.last_ns)
        number = self.stands_by_key.number_of(<uint8_t *>key, sizeof(key))
        if number == before:
            if number >= self.stand_room:
                stands = <CStand *>realloc(
                    self.stands, (<size_t>2 * self.stand_room + 256) * sizeof(CStand))
                if stands == NULL:
                    raise MemoryError
                self.stands, self.stand_room = stands, 2 * self.stand_room + 256
            self.stands[number].side = side
            self.stands[number].first_ns = sent.first_ns
            self.stands[number].last_ns = sent.last_ns
        return number

    def all_stands(self):
        """For each stand (side, first_ns, last_ns): when the side sent in one connection then."""
        cdef uint32_t number
        return [
            (self.stands[number].side, self.stands[number].first_ns, self.stands[number].last_ns)
            for number in range(self.stands_by_key.count)
        ]

    def all_groups(self):
        """For each group (class, client's stand, server's, connections, packets both ways, bytes
        both ways, first_ns, last_ns, file's rank, packet, evidence_ns)."""
        cdef uint32_t number
        cdef const uint32_t *key
        cdef CGroup *group
        cdef list found = []
        for number in range(self.groups_by_key.count):
            key = <const uint32_t *>self.groups_by_key.key(number)
            group = &self.groups[number]
            found.append((
                key[0], key[1], key[2], group.connections,
                (group.packets[0], group.packets[1]), (group.bytes[0], group.bytes[1]),
                group.first_ns, group.last_ns, group.rank, group.packet, group.evidence_ns,
            ))
        return found


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


cdef inline bint is_earlier(const CTotals *totals, const CGroup *group) noexcept nogil:
    if totals.first_ns != group.evidence_ns:
        return totals.first_ns < group.evidence_ns
    if totals.first.rank != group.rank:
        return totals.first.rank < group.rank
    return totals.first.row.number < group.packet

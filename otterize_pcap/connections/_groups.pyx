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
    ) except? 0xFFFFFFFF nogil:
        """The group of a connection, a new one where it is the first."""
        cdef uint32_t key[2 * MAX_ENDS + 2]
        cdef uint32_t group[GROUP_WORDS]
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
        return self._numbered_group(group)

    cdef uint32_t _numbered_group(self, const uint32_t *key) except? 0xFFFFFFFF nogil:
        """The group of a class, two stands and a time."""
        cdef uint32_t before = self.groups_by_key.count
        cdef uint32_t number = self.groups_by_key.number_of(<const uint8_t *>key, 4 * GROUP_WORDS)
        cdef CGroup *groups
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
        if group.connections == 0 or is_earlier(
                totals.first_ns, totals.first.rank, totals.first.row.number, group):
            group.evidence_ns = totals.first_ns
            group.rank, group.packet = totals.first.rank, totals.first.row.number
        group.connections += 1

    cdef int take_over(self, Groups later, uint32_t *group) except -1:
        """Add the groups of another one; `group` becomes the number here of each of its groups."""
        cdef uint32_t number
        cdef uint32_t *side = <uint32_t *>malloc((later.sides.count + 1) * sizeof(uint32_t))
        cdef uint32_t *stand = <uint32_t *>malloc(
            (later.stands_by_key.count + 1) * sizeof(uint32_t))
        try:
            if side == NULL or stand == NULL:
                raise MemoryError
            for number in range(later.sides.count):
                side[number] = self._side_of(later, number)
            for number in range(later.stands_by_key.count):
                stand[number] = self._stand_of(later, number, side)
            for number in range(later.groups_by_key.count):
                group[number] = self._group_of(later, number, stand)
        finally:
            free(side)
            free(stand)
        return 0

    cdef uint32_t _side_of(self, Groups later, uint32_t number) except? 0xFFFFFFFF:
        """A side of another one; what was learned of it is taken over."""
        cdef uint32_t before = self.sides.count
        cdef uint32_t side = self.sides.number_of(
            later.sides.key(number), later.sides.length(number))
        if side == before:
            self._make_room_for_side(side)
            self.changes[side] = later.changes[number]
            later.changes[number].moments = NULL
        return side

    cdef uint32_t _stand_of(
        self, Groups later, uint32_t number, const uint32_t *side
    ) except? 0xFFFFFFFF:
        cdef const uint32_t *known = <const uint32_t *>later.stands_by_key.key(number)
        cdef const CStand *stand = &later.stands[number]
        cdef uint32_t key[3]
        key[0], key[1], key[2] = side[known[0]], known[1], known[2]
        return self._numbered_stand(key, stand.first_ns, stand.last_ns)

    cdef uint32_t _group_of(
        self, Groups later, uint32_t number, const uint32_t *stand
    ) except? 0xFFFFFFFF:
        cdef const uint32_t *known = <const uint32_t *>later.groups_by_key.key(number)
        cdef uint32_t key[GROUP_WORDS]
        cdef uint32_t group
        key[0], key[1], key[2], key[3] = known[0], stand[known[1]], stand[known[2]], known[3]
        group = self._numbered_group(key)
        append_group(&self.groups[group], &later.groups[number])
        return group

    cdef uint32_t _side(
        self, const uint32_t *key, uint32_t words, uint32_t first
    ) except? 0xFFFFFFFF nogil:
        cdef uint32_t before = self.sides.count
        cdef uint32_t side = self.sides.number_of(<const uint8_t *>key, 4 * words)
        if side == before:
            with gil:
                self._learn_changes(side)
            self.changes[side].first = first
        return side

    cdef int _learn_changes(self, uint32_t side) except -1:
        """Ask the snapshot when who is at a new side changes."""
        cdef Py_ssize_t place
        self._make_room_for_side(side)
        self.changes[side].count = 0
        self.changes[side].moments = NULL
        if not self._is_known(side):
            return 0
        moments = self._moments_of(side)
        if moments:
            self.changes[side].moments = <int64_t *>malloc(len(moments) * sizeof(int64_t))
            if self.changes[side].moments == NULL:
                raise MemoryError
            for place, moment in enumerate(moments):
                self.changes[side].moments[place] = moment
            self.changes[side].count = <uint32_t>len(moments)
        return 0

    cdef list _moments_of(self, uint32_t side):
        """The moments at which it changes who is at a side; asked once, whoever counts."""
        cdef bytes key = (<const char *>self.sides.key(side))[:self.sides.length(side)]
        cdef list known = self.answers.moments.get(key)
        if known is None:
            clients, protocol, servers, _ = self.side(side)
            known = list(self.snapshot.client_changes(clients) if clients
                         else self.snapshot.server_changes(protocol, servers))
            self.answers.moments[key] = known
        return known

    cdef int _make_room_for_side(self, uint32_t side) except -1:
        cdef CChanges *changes
        if side < self.change_room:
            return 0
        changes = <CChanges *>realloc(
            self.changes, (<size_t>2 * self.change_room + 256) * sizeof(CChanges))
        if changes == NULL:
            raise MemoryError
        self.changes, self.change_room = changes, 2 * self.change_room + 256
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

    cdef uint32_t _stand(self, uint32_t side, const CSpan *sent) except? 0xFFFFFFFF nogil:
        """The number of a side at the time in which it sent in a connection (S12)."""
        cdef CChanges *changes = &self.changes[side]
        cdef uint32_t key[3]
        key[0] = side
        key[1] = passed(changes, sent.first_ns)
        key[2] = passed(changes, sent.last_ns)
        return self._numbered_stand(key, sent.first_ns, sent.last_ns)

    cdef uint32_t _numbered_stand(
        self, const uint32_t *key, int64_t first_ns, int64_t last_ns
    ) except? 0xFFFFFFFF nogil:
        """The stand of a side between two changes, of which the first connection sent then."""
        cdef CStand *stands
        cdef uint32_t before = self.stands_by_key.count
        cdef uint32_t number = self.stands_by_key.number_of(<const uint8_t *>key, 12)
        if number == before:
            if number >= self.stand_room:
                stands = <CStand *>realloc(
                    self.stands, (<size_t>2 * self.stand_room + 256) * sizeof(CStand))
                if stands == NULL:
                    raise MemoryError
                self.stands, self.stand_room = stands, 2 * self.stand_room + 256
            self.stands[number].side = key[0]
            self.stands[number].first_ns, self.stands[number].last_ns = first_ns, last_ns
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
        cdef list found = []
        for number in range(self.groups_by_key.count):
            key = <const uint32_t *>self.groups_by_key.key(number)
            found.append(counted_group(key[0], key[1], key[2], &self.groups[number]))
        return found

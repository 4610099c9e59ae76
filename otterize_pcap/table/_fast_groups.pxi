# Connections that are alike in all that resolution asks for, counted together.
#
# `PlainDatagrams` and `PlainConnections` know which rows make one connection, and hand them over.

cdef enum:
    FRESH = 0
    LEFT = 1
    TAKEN = 2
    ABSORBED = 3
    MAX_LEGS = 64
    MAX_FLOWS = 4

cdef enum CallOutcome:
    ESTABLISHED = 0
    PROBED = 1
    REFUSED = 2
    UNANSWERED = 3

OUTCOMES = ("established", "probed", "refused", "unanswered")
RULES = ("S30", "S31", "S32", "S34", "S35", "UDP", "S36")

cdef enum Rule:
    BY_HANDSHAKE = 0
    BY_CONNTRACK = 1
    BY_SNAPSHOT = 2
    BY_PAYLOAD = 3
    BY_PORT = 4
    BY_FIRST_SENDER = 5
    UNDIRECTED = 6

# All legs of one connection that show the same two endpoints.
cdef struct CFlow:
    uint32_t tuple_
    int64_t first_ns
    int64_t last_ns
    uint32_t server_isn
    uint8_t has_server_isn
    uint8_t client
    CRow *row

cdef struct CGroup:
    uint64_t connections
    uint64_t packets[2]
    uint64_t bytes[2]
    int64_t first_ns
    int64_t last_ns
    int64_t evidence_ns
    uint64_t evidence_number
    uint32_t evidence_file


cdef class CountedGroups(RowIndex):
    """Groups of connections, and which row of several recordings is in which.

    `tables` are the recordings' `FastTable`s, `nodes` the ranks of their nodes by name, `files` the
    ranks by name of each table's files, and `offsets` the nodes' clock offsets in ns, set before
    anything is counted.
    """

    cdef uint32_t *group_of
    cdef uint8_t *state
    cdef int64_t *offsets
    cdef uint32_t *nodes
    cdef list files
    cdef CGroup *groups
    cdef uint32_t group_count
    cdef uint32_t group_room
    cdef dict group_numbers
    cdef list signatures
    cdef uint32_t *merged_as
    cdef CRow *merged

    def __cinit__(self, list tables, list nodes, list files):
        cdef Py_ssize_t place
        self.files = files
        self.group_of = <uint32_t *>calloc(self.rows + 1, sizeof(uint32_t))
        self.state = <uint8_t *>calloc(self.rows + 1, 1)
        self.offsets = <int64_t *>calloc(len(tables) + 1, sizeof(int64_t))
        self.nodes = <uint32_t *>calloc(len(tables) + 1, sizeof(uint32_t))
        self.group_room = 256
        self.groups = <CGroup *>malloc(self.group_room * sizeof(CGroup))
        if (self.group_of == NULL or self.state == NULL or self.offsets == NULL
                or self.nodes == NULL or self.groups == NULL):
            raise MemoryError
        for place in range(len(tables)):
            self.nodes[place] = nodes[place]
        self.group_numbers = {}
        self.signatures = []

    def __dealloc__(self):
        free(self.group_of)
        free(self.state)
        free(self.offsets)
        free(self.nodes)
        free(self.groups)
        free(self.merged)
        free(self.merged_as)

    cdef uint32_t _group_number(
        self, CFlow *flows, int count, CallOutcome outcome, Rule rule
    ) except? 0:
        """The group of connections alike in addresses, server ports, outcome and rule."""
        cdef uint64_t signature[1 + MAX_FLOWS * 5]
        cdef CGroup *groups
        cdef CRow *row
        cdef int i, length = 1, side
        signature[0] = ((flows[0].row.key.word[4] & 0xFF) << 24 | <uint64_t>rule << 16
                        | <uint64_t>outcome << 8 | count)
        for i in range(count):
            row = flows[i].row
            side = flows[i].client
            signature[length] = row.key.word[2 * side]
            signature[length + 1] = row.key.word[2 * side + 1]
            side = 1 - side
            signature[length + 2] = row.key.word[2 * side]
            signature[length + 3] = row.key.word[2 * side + 1]
            signature[length + 4] = port_of(row, side)
            length += 5
        key = (<char *>signature)[:length * sizeof(uint64_t)]
        known = self.group_numbers.get(key)
        if known is not None:
            return known
        if self.group_count == self.group_room:
            groups = <CGroup *>realloc(self.groups, self.group_room * 2 * sizeof(CGroup))
            if groups == NULL:
                raise MemoryError
            self.groups, self.group_room = groups, self.group_room * 2
        self.groups[self.group_count].connections = 0
        self.group_numbers[key] = self.group_count
        self.signatures.append((
            signature[0] >> 24,
            RULES[rule],
            OUTCOMES[outcome],
            tuple(dict.fromkeys(address(signature[1 + 5 * i], signature[2 + 5 * i])
                                for i in range(count))),
            tuple(dict.fromkeys((address(signature[3 + 5 * i], signature[4 + 5 * i]),
                                 signature[5 + 5 * i]) for i in range(count))),
        ))
        self.group_count += 1
        return self.group_count - 1

    cdef void _count(
        self, uint32_t number, CRow **legs, uint32_t *numbers, uint8_t *clients, int count
    ):
        """Add a connection to a group: the counts of its fullest leg, its times, its first packet.

        `numbers` are its legs' rows, `clients` the client's side in each.
        """
        cdef CGroup *group = &self.groups[number]
        cdef uint64_t best[4]
        cdef uint64_t sums[4]
        cdef int i, j, client
        cdef int64_t first_ns, last_ns, offset
        cdef uint32_t file_
        if group.connections == 0:
            memset(group, 0, sizeof(CGroup))
            group.first_ns = group.evidence_ns = 0x7FFFFFFFFFFFFFFF
            group.last_ns = -0x7FFFFFFFFFFFFFFF
        memset(best, 0, sizeof(best))
        for i in range(count):
            memset(sums, 0, sizeof(sums))
            for j in range(count):
                if (self.table_of[numbers[j]] == self.table_of[numbers[i]]
                        and same_key(&legs[j].key, &legs[i].key)):
                    client = clients[j]
                    sums[0] += legs[j].sides[client].packets
                    sums[1] += legs[j].sides[1 - client].packets
                    sums[2] += legs[j].sides[client].bytes
                    sums[3] += legs[j].sides[1 - client].bytes
            self.state[numbers[i]] = TAKEN
            self.group_of[numbers[i]] = number
            if fuller(sums, best):
                memcpy(best, sums, sizeof(best))
            offset = self.offsets[self.table_of[numbers[i]]]
            first_ns, last_ns = legs[i].first_ns - offset, legs[i].last_ns - offset
            file_ = self.files[self.table_of[numbers[i]]][legs[i].part]
            if (first_ns < group.evidence_ns or (first_ns == group.evidence_ns and (
                    file_ < group.evidence_file or (file_ == group.evidence_file
                                                    and legs[i].number < group.evidence_number)))):
                group.evidence_ns = first_ns
                group.evidence_file = file_
                group.evidence_number = legs[i].number
            group.first_ns = min(group.first_ns, first_ns)
            group.last_ns = max(group.last_ns, last_ns)
        group.connections += 1
        for i in range(2):
            group.packets[i] += best[i]
            group.bytes[i] += best[2 + i]

    def grouped(self):
        """Every group, as the arguments of `groups.ConnectionGroup`; files are ranks by name."""
        cdef uint32_t index
        cdef CGroup *group
        for index in range(self.group_count):
            group = &self.groups[index]
            if group.connections:
                yield (
                    index, *self.signatures[index], group.connections,
                    (group.packets[0], group.packets[1]), (group.bytes[0], group.bytes[1]),
                    group.first_ns, group.last_ns,
                    group.evidence_file, group.evidence_number, group.evidence_ns,
                )

    def left_rows(self, uint32_t table, set groups):
        """The rows of one table that are in no group, or in one of `groups` (by number).

        The slots of a UDP flow come as one row.
        """
        cdef uint32_t index
        cdef FastTable rows = self.tables[table]
        for index in range(self.rows):
            if self.table_of[index] != table or self.state[index] == ABSORBED:
                continue
            if self.state[index] == TAKEN and self.group_of[index] not in groups:
                continue
            if self.merged_as != NULL and self.merged_as[index]:
                yield rows._as_row(&self.merged[self.merged_as[index] - 1])
            else:
                yield rows._as_row(self.row[index])


cdef inline bint later_flow(const CFlow *one, const CFlow *other) noexcept nogil:
    """Order of flows: server ISN, first time, 5-tuple."""
    if one.server_isn != other.server_isn:
        return one.server_isn > other.server_isn
    if one.first_ns != other.first_ns:
        return one.first_ns > other.first_ns
    return compare_tuples(one.row, other.row) > 0


cdef inline bint fuller(const uint64_t *one, const uint64_t *other) noexcept nogil:
    """`joined._fullest`'s order: packets, bytes, then those to the server."""
    if one[0] + one[1] != other[0] + other[1]:
        return one[0] + one[1] > other[0] + other[1]
    if one[2] + one[3] != other[2] + other[3]:
        return one[2] + one[3] > other[2] + other[3]
    if one[0] != other[0]:
        return one[0] > other[0]
    return one[2] > other[2]


cdef tuple endpoint_key(const CRow *row, int side):
    """(protocol, (address, port)) of one side."""
    return (
        row.key.word[4] & 0xFF,
        (address(row.key.word[2 * side], row.key.word[2 * side + 1]), port_of(row, side)),
    )

# Rows of several tables → connections with a handshake, counted by who talked to whom.
#
# What `legs`, `join`, `direction`, `outcome` and `joined` do in Python for any connection, this does
# in C for the plain ones: every leg shows the handshake, and nothing else in the capture could
# belong to it. A connection is plain where all rows with one of its 5-tuples, and all rows with its
# client's initial sequence number, are its own legs. All others are left to Python, always together
# with every row that could belong to them. With 20,000 connections this takes 10 ms where Python
# takes 1.2 s.

cdef enum:
    FRESH = 0
    LEFT = 1
    TAKEN = 2
    ABSORBED = 3
    MAX_LEGS = 64
    MAX_FLOWS = 4
    MAX_OPEN = 8

cdef enum CallOutcome:
    ESTABLISHED = 0
    PROBED = 1
    REFUSED = 2
    UNANSWERED = 3

OUTCOMES = ("established", "probed", "refused", "unanswered")
cdef int64_t JOIN_SLACK_NS = 1_000_000_000

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


cdef inline CallOutcome outcome_of_legs(CRow **legs, int count, uint32_t server_isn,
                                        bint has_server_isn) noexcept nogil:
    """`outcome.outcome_of` for legs that all show the handshake."""
    cdef bint sent_ack = False, answered_ack = False, syn_ack = False, refused = False
    cdef int i
    cdef CSide *sent
    cdef CSide *answered
    for i in range(count):
        sent = &legs[i].sides[legs[i].client]
        answered = &legs[i].sides[1 - legs[i].client]
        if sent.has & HAS_ACK:
            sent_ack = True
            if has_server_isn and <uint32_t>(sent.ack_first - server_isn - 1) < 0x80000000u:
                return ESTABLISHED
        answered_ack |= answered.has & HAS_ACK
        syn_ack |= answered.syn_acks > 0
        refused |= (answered.flags & RST) != 0 or sent.unreachable > 0
    if sent_ack and answered_ack:
        return ESTABLISHED
    if syn_ack:
        return PROBED
    return REFUSED if refused else UNANSWERED


cdef class PlainConnections(RowIndex):
    """Groups the plain connections of several recordings.

    `tables` are their `FastTable`s, `nodes` the ranks of their nodes by name, `files` the ranks by
    name of each table's files, and `offsets` the nodes' clock offsets in ns, set before `group`.
    """

    cdef uint32_t *group_of
    cdef uint8_t *state
    cdef uint32_t *stack
    cdef uint32_t stacked
    cdef int64_t *offsets
    cdef uint32_t *nodes
    cdef list files
    cdef CGroup *groups
    cdef uint32_t group_count
    cdef uint32_t group_room
    cdef dict group_numbers
    cdef list signatures
    cdef CRow *merged
    cdef uint32_t *merged_as
    cdef uint32_t merged_count

    def __cinit__(self, list tables, list nodes, list files):
        cdef Py_ssize_t place
        self.files = files
        self.group_of = <uint32_t *>calloc(self.rows + 1, sizeof(uint32_t))
        self.state = <uint8_t *>calloc(self.rows + 1, 1)
        self.stack = <uint32_t *>malloc((self.rows + 1) * sizeof(uint32_t))
        self.offsets = <int64_t *>calloc(len(tables) + 1, sizeof(int64_t))
        self.nodes = <uint32_t *>calloc(len(tables) + 1, sizeof(uint32_t))
        self.group_room = 256
        self.groups = <CGroup *>malloc(self.group_room * sizeof(CGroup))
        if (self.group_of == NULL or self.state == NULL or self.stack == NULL
                or self.offsets == NULL or self.nodes == NULL or self.groups == NULL):
            raise MemoryError
        for place in range(len(tables)):
            self.nodes[place] = nodes[place]
        self.group_numbers = {}
        self.signatures = []

    def __dealloc__(self):
        free(self.group_of)
        free(self.state)
        free(self.stack)
        free(self.offsets)
        free(self.nodes)
        free(self.groups)
        free(self.merged)
        free(self.merged_as)

    def clock_differences(self):
        """For each pair of node ranks, how much later the second one's clock showed a handshake.

        Returns:
            {(lower rank, higher rank): array of ns}, a difference for each handshake on both.
        """
        cdef dict found = {}
        cdef dict by_server
        cdef uint32_t index, other
        cdef CRow *row
        cdef uint32_t legs
        for index in range(self.rows):
            row = self.row[index]
            # Each chain once, from its newest row.
            if row.client == NO_CLIENT or self._isn_slot(row)[0] != index + 1:
                continue
            if self.next_with_isn[index] == 0:
                continue
            by_server = {}
            other = index + 1
            while other:
                row = self.row[other - 1]
                if row.has_server_isn and row.sides[row.client].syns:
                    times = by_server.setdefault(row.server_isn, {})
                    node = self.nodes[self.table_of[other - 1]]
                    times[node] = min(times.get(node, row.first_ns), row.first_ns)
                other = self.next_with_isn[other - 1]
            for times in by_server.values():
                ranks = sorted(times)
                for place, rank in enumerate(ranks):
                    for later in ranks[place + 1:]:
                        found.setdefault((rank, later), []).append(times[later] - times[rank])
        return found

    def group(self, offsets, translations, assured, is_virtual):
        """Group every plain connection; what is not plain stays for `left_rows`.

        Args:
            offsets: Each table's clock offset in ns.
            translations: Conntrack entries that NAT rewrote: (protocol, client, target, reply_to,
                server), endpoints as (address, port).
            assured: The 5-tuples (protocol, one, other) that conntrack called ASSURED.
            is_virtual: Tells of an address (16 bytes) whether a Service could answer there.
        """
        cdef Py_ssize_t place
        cdef uint32_t index
        cdef int64_t one, other
        cdef dict virtual = {}
        for place, offset in enumerate(offsets):
            self.offsets[place] = offset
        for protocol, client, target, reply_to, server in translations:
            one = self._tuple_number(protocol, client, target)
            other = self._tuple_number(protocol, reply_to, server)
            if one >= 0 and other >= 0:
                if (self.tuple_flags[one] | self.tuple_flags[other]) & HAS_RUN:
                    self._leave_tuple(<uint32_t>one)
                    self._leave_tuple(<uint32_t>other)
            elif one >= 0:
                self._leave_tuple(<uint32_t>one)
            elif other >= 0 and client != reply_to:
                # Only conntrack knows the other side of NAT, and `join` makes a flow of it.
                self._leave_tuple(<uint32_t>other)
        for protocol, client, server in assured:
            one = self._tuple_number(protocol, client, server)
            if one >= 0:
                self.tuple_flags[one] |= IS_ASSURED
        self._leave_runs(virtual, is_virtual)
        self._merge_slots()
        # Leaving one connection can mean leaving others, so nothing is counted before all is known.
        for counting in (False, True):
            for index in range(self.rows):
                if self.state[index] == FRESH:
                    self._take_chain(index, counting)

    cdef _merge_slots(self):
        """Make one row of the 30-second slots of a UDP flow on one interface.

        `legs` would put them into one flow anyway, but each costs it 15 µs. The rows stay as they
        are: what is merged is a copy.
        """
        cdef uint32_t number, index, slots = 0
        for number in range(self.tuples):
            index = self.tuple_newest[number]
            if self.row[index - 1].key.word[4] & 0xFF == UDP:
                while index:
                    slots += 1
                    index = self.next_in_tuple[index - 1]
        if slots == 0:
            return
        self.merged = <CRow *>malloc(slots * sizeof(CRow))
        self.merged_as = <uint32_t *>calloc(self.rows + 1, sizeof(uint32_t))
        if self.merged == NULL or self.merged_as == NULL:
            raise MemoryError
        with nogil:
            for number in range(self.tuples):
                if self.row[self.tuple_newest[number] - 1].key.word[4] & 0xFF == UDP:
                    self._turn_chain(number)
                    self._merge_tuple(number)

    cdef void _turn_chain(self, uint32_t number) noexcept nogil:
        """Put a 5-tuple's rows in the order of the file."""
        cdef uint32_t index = self.tuple_newest[number], turned = 0, next_
        while index:
            next_ = self.next_in_tuple[index - 1]
            self.next_in_tuple[index - 1] = turned
            turned, index = index, next_
        self.tuple_newest[number] = turned

    cdef void _merge_tuple(self, uint32_t number) noexcept nogil:
        cdef uint32_t last[MAX_OPEN]
        cdef uint32_t owner[MAX_OPEN]
        cdef int open_ = 0, place
        cdef uint32_t index = self.tuple_newest[number]
        cdef CRow *row
        cdef CRow *merged
        while index:
            row = self.row[index - 1]
            for place in range(open_):
                if (self.table_of[owner[place]] == self.table_of[index - 1]
                        and same_key(&self.row[owner[place]].key, &row.key)):
                    break
            else:
                place = open_ if open_ < MAX_OPEN else index % MAX_OPEN
                open_ = min(open_ + 1, <int>MAX_OPEN)
                last[place] = 0
            owner[place] = index - 1
            if last[place]:
                merged = &self.merged[last[place] - 1]
                if merged.first_ns <= row.first_ns <= merged.last_ns + SLOT_NS:
                    merged.last_ns = max(merged.last_ns, row.last_ns)
                    append_side(&merged.sides[0], &row.sides[0])
                    append_side(&merged.sides[1], &row.sides[1])
                    self.state[index - 1] = ABSORBED
                    index = self.next_in_tuple[index - 1]
                    continue
            self.merged[self.merged_count] = row[0]
            self.merged_count += 1
            self.merged_as[index - 1] = last[place] = self.merged_count
            index = self.next_in_tuple[index - 1]

    cdef bint _is_virtual(self, uint64_t high, uint64_t low, dict virtual, is_virtual):
        cdef tuple key = (high, low)
        known = virtual.get(key)
        if known is None:
            known = virtual[key] = bool(is_virtual(address(high, low)))
        return known

    cdef _leave_runs(self, dict virtual, is_virtual):
        """Leave all that has legs without a handshake, and what a Service might lead to from it.

        A run on a virtual address may be joined to any flow of its other endpoint; a handshake
        on a virtual address that was never seen behind it, to any run of its client.
        """
        cdef uint32_t index, number
        cdef CRow *row
        cdef set tainted = set()
        cdef set run_ends = set()
        cdef int side
        for number in range(self.tuples):
            if not self.tuple_flags[number] & HAS_RUN:
                continue
            self._leave_tuple(number)
            row = self.row[self.tuple_newest[number] - 1]
            if row.key.word[4] & 0xFF == UDP:
                # No UDP flow has a handshake, so leaving all of UDP leaves all that could join.
                continue
            for side in range(2):
                run_ends.add(endpoint_key(row, side))
                if self._is_virtual(row.key.word[2 * side], row.key.word[2 * side + 1], virtual,
                                    is_virtual):
                    tainted.add(endpoint_key(row, 1 - side))
        if not run_ends:
            return
        for number in range(self.tuples):
            row = self.row[self.tuple_newest[number] - 1]
            if self.tuple_flags[number] & HAS_RUN or row.client == NO_CLIENT:
                continue
            side = row.client
            if (endpoint_key(row, 0) in tainted or endpoint_key(row, 1) in tainted
                    or endpoint_key(row, side) in run_ends):
                self._leave_tuple(number)

    cdef void _leave_tuple(self, uint32_t number) noexcept nogil:
        """Leave every row of a 5-tuple, and all that shares an initial sequence number with it."""
        cdef uint32_t row, other, newest
        self.stacked = 0
        self._push(number)
        while self.stacked:
            self.stacked -= 1
            row = self.tuple_newest[self.stack[self.stacked]]
            while row:
                if self.row[row - 1].client != NO_CLIENT:
                    newest = other = self._isn_slot(self.row[row - 1])[0]
                    while other:
                        if self.state[other - 1] != LEFT:
                            self._push(self.tuple_of[other - 1])
                        other = self.next_with_isn[other - 1]
                    # All of it is left now: a flood of SYNs with one number is walked once.
                    self.next_with_isn[newest - 1] = 0
                row = self.next_in_tuple[row - 1]

    cdef void _push(self, uint32_t number) noexcept nogil:
        """Mark all rows of a 5-tuple as left, and put it on the stack unless that was done."""
        cdef uint32_t row = self.tuple_newest[number]
        if self.state[row - 1] == LEFT:
            return
        while row:
            self.state[row - 1] = LEFT
            row = self.next_in_tuple[row - 1]
        self.stack[self.stacked] = number
        self.stacked += 1

    cdef int _take_chain(self, uint32_t index, bint counting) except -1:
        """Take the connections of one client ISN, or leave them all."""
        cdef uint32_t legs[MAX_LEGS]
        cdef CFlow flows[MAX_FLOWS]
        cdef int count = 0, flow_count, begin, end
        cdef int64_t latest
        cdef uint32_t other = self._isn_slot(self.row[index])[0]
        while other:
            if count == MAX_LEGS:
                self._leave_tuple(self.tuple_of[index])
                return 0
            legs[count] = other - 1
            count += 1
            other = self.next_with_isn[other - 1]
        flow_count = self._flows(legs, count, flows)
        if flow_count == 0:
            self._leave_tuple(self.tuple_of[index])
            return 0
        begin = 0
        while begin < flow_count:
            latest = flows[begin].last_ns
            end = begin + 1
            while (end < flow_count and flows[end].server_isn == flows[begin].server_isn
                    and flows[end].first_ns <= latest + JOIN_SLACK_NS):
                latest = max(latest, flows[end].last_ns)
                end += 1
            if not self._take(legs, count, flows + begin, end - begin, counting):
                self._leave_tuple(self.tuple_of[index])
                return 0
            begin = end
        return 0

    cdef int _flows(self, uint32_t *legs, int count, CFlow *flows) noexcept nogil:
        """The flows among some legs, by server ISN and time; 0 where they are not plain."""
        cdef int i, j, flow_count = 0
        cdef CRow *row
        cdef int64_t first_ns, last_ns, offset
        cdef CFlow moved
        for i in range(count):
            row = self.row[legs[i]]
            offset = self.offsets[self.table_of[legs[i]]]
            first_ns, last_ns = row.first_ns - offset, row.last_ns - offset
            for j in range(flow_count):
                if flows[j].tuple_ == self.tuple_of[legs[i]]:
                    break
            else:
                if flow_count == MAX_FLOWS:
                    return 0
                j = flow_count
                flow_count += 1
                flows[j].tuple_ = self.tuple_of[legs[i]]
                flows[j].first_ns, flows[j].last_ns = first_ns, last_ns
                flows[j].client = row.client
                flows[j].has_server_isn = 0
                flows[j].server_isn = 0
                flows[j].row = row
            if flows[j].client != row.client:
                return 0
            if row.has_server_isn:
                if flows[j].has_server_isn and flows[j].server_isn != row.server_isn:
                    return 0
                flows[j].has_server_isn = 1
                flows[j].server_isn = row.server_isn
            flows[j].first_ns = min(flows[j].first_ns, first_ns)
            flows[j].last_ns = max(flows[j].last_ns, last_ns)
        for i in range(flow_count):
            if flow_count > 1 and not flows[i].has_server_isn:
                return 0
        for i in range(1, flow_count):
            moved = flows[i]
            j = i
            while j > 0 and later_flow(&flows[j - 1], &moved):
                flows[j] = flows[j - 1]
                j -= 1
            flows[j] = moved
        return flow_count

    cdef bint _take(
        self, uint32_t *chain, int chained, CFlow *flows, int count, bint counting
    ) except *:
        """Count one connection into its group; False where it has to be left."""
        cdef CRow *legs[MAX_LEGS]
        cdef uint32_t numbers[MAX_LEGS]
        cdef int i, j, taken = 0
        cdef CallOutcome outcome
        cdef uint32_t group
        cdef bint assured = False
        for i in range(chained):
            for j in range(count):
                if self.tuple_of[chain[i]] == flows[j].tuple_:
                    legs[taken] = self.row[chain[i]]
                    numbers[taken] = chain[i]
                    taken += 1
        for j in range(count):
            assured |= (self.tuple_flags[flows[j].tuple_] & IS_ASSURED) != 0
        outcome = outcome_of_legs(legs, taken, flows[0].server_isn, flows[0].has_server_isn)
        if assured and outcome != ESTABLISHED:
            return False
        # `legs.Flow.lacks_answer`: the SYN may belong to something older.
        if outcome == ESTABLISHED and not flows[0].has_server_isn:
            return False
        if not counting:
            return True
        group = self._group_number(flows, count, outcome)
        self._count(&self.groups[group], legs, numbers, taken)
        for i in range(taken):
            self.state[numbers[i]] = TAKEN
            self.group_of[numbers[i]] = group
        return True

    cdef uint32_t _group_number(self, CFlow *flows, int count, CallOutcome outcome) except? 0:
        """The group of connections between the same addresses, server ports and outcome."""
        cdef uint64_t signature[1 + MAX_FLOWS * 5]
        cdef CGroup *groups
        cdef CRow *row
        cdef int i, length = 1, side
        signature[0] = (flows[0].row.key.word[4] & 0xFF) << 16 | <uint64_t>outcome << 8 | count
        for i in range(count):
            row = flows[i].row
            side = row.client
            signature[length] = row.key.word[2 * side]
            signature[length + 1] = row.key.word[2 * side + 1]
            side = 1 - side
            signature[length + 2] = row.key.word[2 * side]
            signature[length + 3] = row.key.word[2 * side + 1]
            signature[length + 4] = (row.key.word[4] >> (32 if side else 48)) & 0xFFFF
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
            signature[0] >> 16,
            OUTCOMES[outcome],
            tuple(dict.fromkeys(address(signature[1 + 5 * i], signature[2 + 5 * i])
                                for i in range(count))),
            tuple(dict.fromkeys((address(signature[3 + 5 * i], signature[4 + 5 * i]),
                                 signature[5 + 5 * i]) for i in range(count))),
        ))
        self.group_count += 1
        return self.group_count - 1

    cdef void _count(self, CGroup *group, CRow **legs, uint32_t *numbers, int count):
        """Add a connection: the counts of its fullest leg, its times, its first packet."""
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
                    client = legs[j].client
                    sums[0] += legs[j].sides[client].packets
                    sums[1] += legs[j].sides[1 - client].packets
                    sums[2] += legs[j].sides[client].bytes
                    sums[3] += legs[j].sides[1 - client].bytes
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

    def shows(self, uint64_t protocol, tuple one, tuple other):
        """Whether any row is between two endpoints."""
        return self._tuple_number(protocol, one, other) >= 0

    def servers(self, endpoints):
        """Those of some (protocol, (address, port)) that answered a handshake (S33)."""
        cdef uint32_t index
        cdef CRow *row
        cdef set wanted = set(endpoints)
        cdef set found = set()
        for index in range(self.rows if wanted else 0):
            row = self.row[index]
            if row.client != NO_CLIENT and row.has_server_isn:
                end = endpoint_key(row, 1 - row.client)
                if end in wanted:
                    found.add(end)
        return found

    def peers(self, endpoints):
        """How many distinct endpoints each of some talked to, counted up to two (S35)."""
        cdef uint32_t number
        cdef CRow *row
        cdef int side
        cdef dict found = {end: set() for end in endpoints}
        for number in range(self.tuples if found else 0):
            row = self.row[self.tuple_newest[number] - 1]
            for side in range(2):
                known = found.get(endpoint_key(row, side))
                if known is not None and len(known) < 2:
                    known.add(endpoint_key(row, 1 - side))
        return {end: len(known) for end, known in found.items()}


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
        (address(row.key.word[2 * side], row.key.word[2 * side + 1]),
         (row.key.word[4] >> (32 if side else 48)) & 0xFFFF),
    )

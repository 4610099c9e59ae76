# Rows of several tables → connections with a handshake, counted by who talked to whom.
#
# What `legs`, `join`, `direction`, `outcome` and `joined` do in Python for any connection, this does
# in C for the plain ones: every leg shows the handshake, and nothing else in the capture could
# belong to it. A connection is plain where all rows with one of its 5-tuples, and all rows with its
# client's initial sequence number, are its own legs. All others are left to Python, always together
# with every row that could belong to them. With 20,000 connections this takes 10 ms where Python
# takes 1.2 s.

cdef int64_t JOIN_SLACK_NS = 1_000_000_000


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


cdef class PlainConnections(PlainDatagrams):
    """Groups the plain connections of several recordings: UDP by `PlainDatagrams`, the rest here.

    The arguments are those of `CountedGroups`.
    """

    cdef uint32_t *stack
    cdef uint32_t stacked

    def __cinit__(self, *_):
        self.stack = <uint32_t *>malloc((self.rows + 1) * sizeof(uint32_t))
        if self.stack == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.stack)

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

    def group(self, offsets, began, translations, originals, assured, answers):
        """Group every plain connection; what is not plain stays for `left_rows`.

        Args:
            offsets: Each table's clock offset in ns.
            began: When each table's recording began, in ns by its own clock; None without packets.
            translations: Conntrack entries that NAT rewrote: (protocol, client, target, reply_to,
                server), endpoints as (address, port).
            originals: (protocol, client, other) for each UDP 5-tuple of a conntrack entry.
            assured: The 5-tuples (protocol, one, other) that conntrack called ASSURED.
            answers: What the snapshot says at all times of the capture: `groups.SteadyAnswers`.
        """
        cdef Py_ssize_t place
        cdef uint32_t index
        cdef int64_t one, other
        cdef set entangled = set()
        for place, (offset, first_ns) in enumerate(zip(offsets, began, strict=True)):
            self.offsets[place] = offset
            self.began[place] = 0x7FFFFFFFFFFFFFFF if first_ns is None else first_ns + SLOT_NS
        for protocol, client, target, reply_to, server in translations:
            one = self._tuple_number(protocol, client, target)
            other = self._tuple_number(protocol, reply_to, server)
            if one >= 0 and other >= 0:
                if not self._is_one(<uint32_t>one, <uint32_t>other):
                    self._leave_tuple(<uint32_t>one)
                    self._leave_tuple(<uint32_t>other)
            elif one >= 0:
                self._leave_tuple(<uint32_t>one)
            elif other >= 0 and client != reply_to:
                # Only conntrack knows the other side of NAT, and `join` makes a flow of it.
                self._leave_tuple(<uint32_t>other)
        for protocol, client, other_end in originals:
            one = self._tuple_number(protocol, client, other_end)
            if one < 0:
                # Where `join` or `tracked` makes a flow of it, a Service can join that to others.
                if self._serves(other_end, answers):
                    entangled.add(client)
                if self._serves(client, answers):
                    entangled.add(other_end)
            else:
                self.tuple_flags[one] |= LOW_CALLED if client <= other_end else HIGH_CALLED
        for protocol, client, server in assured:
            one = self._tuple_number(protocol, client, server)
            if one >= 0:
                self.tuple_flags[one] |= IS_ASSURED
        self._group_datagrams(entangled, answers)
        self._leave_runs(answers.could_be_service)
        # Leaving one connection can mean leaving others, so nothing is counted before all is known.
        for counting in (False, True):
            for index in range(self.rows):
                if self.state[index] == FRESH and not is_udp(self.row[index]):
                    self._take_chain(index, counting)

    cdef bint _is_one(self, uint32_t one, uint32_t other) noexcept nogil:
        """Whether two 5-tuples hold one connection that shows in both, and no other.

        Else the two could come apart, and `join` would see only one side of a conntrack entry.
        """
        cdef int64_t first_ns[2]
        cdef int64_t last_ns[2]
        cdef CRow *known = self._newest(one)
        cdef CRow *row
        cdef uint32_t index
        cdef int64_t offset, server_isn = -1
        cdef bint answered
        cdef int place
        for place in range(2):
            index = self.tuple_newest[other if place else one]
            first_ns[place], last_ns[place] = 0x7FFFFFFFFFFFFFFF, -0x7FFFFFFFFFFFFFFF
            answered = False
            while index:
                row = self.row[index - 1]
                offset = self.offsets[self.table_of[index - 1]]
                if row.client == NO_CLIENT or row.client_isn != known.client_isn:
                    return False
                if row.has_server_isn:
                    answered = True
                    if server_isn >= 0 and server_isn != row.server_isn:
                        return False
                    server_isn = row.server_isn
                first_ns[place] = min(first_ns[place], row.first_ns - offset)
                last_ns[place] = max(last_ns[place], row.last_ns - offset)
                index = self.next_in_tuple[index - 1]
            if not answered:
                return False
        return (first_ns[0] <= last_ns[1] + JOIN_SLACK_NS
                and first_ns[1] <= last_ns[0] + JOIN_SLACK_NS)

    cdef bint _is_virtual(self, uint64_t high, uint64_t low, dict virtual, is_virtual):
        cdef tuple key = (high, low)
        known = virtual.get(key)
        if known is None:
            known = virtual[key] = bool(is_virtual(address(high, low)))
        return known

    cdef _leave_runs(self, is_virtual):
        """Leave all that has legs without a handshake, and what a Service might lead to from it.

        A run on a virtual address may be joined to any flow of its other endpoint; a handshake
        on a virtual address that was never seen behind it, to any run of its client.
        """
        cdef uint32_t index, number
        cdef CRow *row
        cdef set tainted = set()
        cdef set run_ends = set()
        cdef dict virtual = {}
        cdef int side
        for number in range(self.tuples):
            if not self.tuple_flags[number] & HAS_RUN:
                continue
            row = self._newest(number)
            if is_udp(row):
                continue
            self._leave_tuple(number)
            for side in range(2):
                run_ends.add(endpoint_key(row, side))
                if self._is_virtual(row.key.word[2 * side], row.key.word[2 * side + 1], virtual,
                                    is_virtual):
                    tainted.add(endpoint_key(row, 1 - side))
        if not run_ends:
            return
        for number in range(self.tuples):
            row = self._newest(number)
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
        cdef uint8_t clients[MAX_LEGS]
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
        for i in range(taken):
            clients[i] = legs[i].client
        self._count(
            self._group_number(flows, count, outcome, BY_HANDSHAKE), legs, numbers, clients, taken
        )
        return True

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
            row = self._newest(number)
            for side in range(2):
                known = found.get(endpoint_key(row, side))
                if known is not None and len(known) < 2:
                    known.add(endpoint_key(row, 1 - side))
        return {end: len(known) for end, known in found.items()}

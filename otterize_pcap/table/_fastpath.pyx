# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""The hot path, compiled: buffer of records → the rows that `rows.ConnectionTable` has.

`_frames.pxd` says which frames it takes. It stops in front of every other one, and the
caller lets `decode` do that one and hands the packet to `add`: there is one order of packets and
one table, whoever decoded them. Nothing here trusts a length that was not checked against the
bytes that are there, and nothing holds the GIL while it walks.
"""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

from otterize_pcap.table._bare_rows cimport kept_row
from otterize_pcap.table._batch cimport ERAS, Era, MAX_INTERFACES, Walk, begin_walk
from otterize_pcap.table._forged cimport mark_claimed, mark_strays
from otterize_pcap.table._handover cimport (
    as_payload, as_row, fill_packet, fill_row, know_labels, know_places,
    link_of, number_of_stream
)
from otterize_pcap.table._moved_rows cimport move_rows
from otterize_pcap.table._naming cimport (
    EXPECTED_BITS, Expected, expect_stream, forget_stream
)
from otterize_pcap.table._row cimport CPacket, CRow, Key
from otterize_pcap.table._rows cimport (
    DONE, Outcome, Slot, Table, add_packet, free_index, free_table, hash_key, make_table,
    place_row, row_at
)
from otterize_pcap.table._stations cimport number_of_station
from otterize_pcap.table._tunnel_paths cimport TunnelPaths, check
from otterize_pcap.table._walk cimport walk_on

from functools import partial

from otterize_pcap.packets.closed_tunnels import FORGED
from otterize_pcap.table.rows import is_stray

# Why a walk ended.
NEED_MORE = 0
"""The buffer ends within a record."""
AT_STOP = 1
"""The next record begins where the walk was to stop, or behind."""
DECLINE = 2
"""The next record is the caller's."""


cdef class FastTable:
    """A connection table in C, with the interface of `ConnectionTable`.

    Raises `CaptureError` where more than `max_rows` rows would be needed.
    """

    def __cinit__(
        self, max_rows, bytes secret, vxlan_ports, geneve_ports, bint collect_names,
        tuple labels=(), opens=None
    ):
        cdef const uint8_t *seed = secret
        if len(secret) != sizeof(self.decoding.table.secret):
            raise ValueError("the secret is 56 bytes")
        self.max_rows = max_rows
        self.decoding.paths.slot_bits = 6
        self.decoding.paths.slots = <Slot *>calloc(1 << 6, sizeof(Slot))
        self.decoding.paths.room = 16
        self.decoding.paths.keys = <Key *>malloc(16 * sizeof(Key))
        self.decoding.paths.unknown = <Key *>calloc(1, sizeof(Key))
        if (not make_table(&self.decoding.table, seed, max_rows)
                or self.decoding.paths.slots == NULL or self.decoding.paths.keys == NULL
                or self.decoding.paths.unknown == NULL):
            raise MemoryError
        self.tunnel_paths = TunnelPaths(max_rows, opens)
        self.tunnel_paths.decoding = &self.decoding
        self.path_tunnels = self.tunnel_paths.tunnels
        know_places(&self.decoding.places, vxlan_ports, geneve_ports)
        self.decoding.places.collect_names = collect_names
        know_labels(&self.decoding.places, labels)

    def __dealloc__(self):
        free_table(&self.decoding.table)
        free(self.decoding.paths.slots)
        free(self.decoding.paths.keys)
        free(self.decoding.paths.unknown)
        free(self.decoding.places.expected)
        free(self.counts.times)

    def __len__(self):
        return self.decoding.table.rows

    @property
    def not_ip(self):
        """Frames counted here that hold no IP packet but ARP."""
        return self.counts.not_ip

    @property
    def icmp(self):
        """Frames counted here that hold an ICMP message which refuses nothing."""
        return self.counts.icmp

    @property
    def paths(self):
        """The tunnel paths that packets came through."""
        return self.path_tunnels

    def take_times(self):
        """When the records were that were taken here since this was last asked: `Era`es."""
        cdef Era *era
        cdef list found = []
        cdef int index
        for index in range(ERAS if self.counts.times != NULL else 0):
            era = &self.counts.times[index]
            if era.packets:
                found.append((era.first_ns, era.last_ns, era.packets))
        # 200 KB, and each file of a capture may have a table of its own.
        free(self.counts.times)
        self.counts.times = NULL
        return found

    def walk_pcap(
        self, const uint8_t[::1] buffer, start, end, stop, header, uint64_t number, uint32_t part,
        bint is_whole=False, window=None
    ):
        """Take pcap records from `buffer[start:end]`, none that begins at `stop` or later.

        `header` is a `pcap.PcapHeader`, `number` that of the record before; `is_whole` says that
        the file ends at `end`. `window`, whose `data` is the buffer, says from which file the walk
        may read on by itself, and is told of it.

        Returns:
            Why it ended, where the next record begins, the number of the last one taken, and the
            payloads that names are perhaps read from, in order.
        """
        cdef Walk walk
        walk.link, walk.is_whole = link_of(header.link_type), is_whole
        walk.tick_ns, walk.header_length = header.tick_ns, header.header_length
        return self._walk(
            &walk, buffer, start, end, stop, header.order == ">", number, part, False, window)

    def walk_pcapng(
        self, const uint8_t[::1] buffer, start, end, stop, order, interfaces, first_interface,
        uint64_t number, uint32_t part, window=None
    ):
        """The same with pcapng packet blocks; `interfaces` are `pcapng.Interface` values."""
        cdef Walk walk
        walk.clocks = min(<uint32_t>len(interfaces), <uint32_t>MAX_INTERFACES)
        walk.interface = first_interface
        for index in range(walk.clocks):
            interface = interfaces[index]
            walk.clock[index].link = link_of(interface.link_type)
            usable = interface.divisor == 1 and interface.offset_ns == 0
            walk.clock[index].multiplier = interface.multiplier if usable else 0
        return self._walk(
            &walk, buffer, start, end, stop, order == ">", number, part, True, window)

    cdef _walk(
        self, Walk *walk, const uint8_t[::1] buffer, ptrdiff_t start, ptrdiff_t end,
        ptrdiff_t stop, bint big_endian, uint64_t number, uint32_t part, bint is_pcapng, window
    ):
        cdef Outcome outcome = DONE
        cdef int ended
        cdef uint16_t probe = 1  # whose first byte is 0 where the host is big-endian
        if not 0 <= start <= end <= buffer.shape[0]:
            raise ValueError("not within the buffer")
        self._must_be_open()
        if start == end:
            return NEED_MORE, start, number, ()
        if self.counts.times == NULL:
            self.counts.times = <Era *>calloc(ERAS, sizeof(Era))
            if self.counts.times == NULL:
                raise MemoryError
        begin_walk(walk, &buffer[0], start, end, buffer.shape[0])
        walk.stop, walk.number, walk.part = stop, number, part
        walk.swapped = big_endian != ((<uint8_t *>&probe)[0] == 0)
        if window is not None:
            walk.source.descriptor, walk.source.offset = window.file
        try:
            while True:
                self.decoding.paths.unknown.word[5] = 0
                with nogil:
                    ended = walk_on(&self.decoding, &self.counts, walk, is_pcapng, &outcome)
                self._check(outcome)
                if not (ended == DECLINE and self.tunnel_paths.learn()):
                    break
            if window is not None:
                window.went_on(walk.source.passed, walk.source.read)
            # Now, while the buffer is as it was.
            kept = [as_payload(&walk.kept[index]) for index in range(walk.kept_count)]
            return ended, walk.at, walk.number, kept
        finally:
            free(walk.kept)

    cdef _check(self, Outcome outcome):
        check(outcome, self.max_rows)

    cdef _must_be_open(self):
        if self.decoding.table.slots == NULL:
            raise ValueError("this table was closed: it takes no more packets")

    cdef close(self):
        """Give back what finds rows: no packet and no row is added any more."""
        free_index(&self.decoding.table)

    def add(self, packet, int64_t time_ns, uint64_t number, uint64_t interface, uint32_t part=0):
        """Count a packet that the reference decoded."""
        cdef CPacket taken
        self._must_be_open()
        fill_packet(&taken, packet, time_ns, number, interface, part,
                    self.tunnel_paths.number_of(packet.tunnels))
        taken.hash = hash_key(&self.decoding.table, &taken.key)
        self._check(add_packet(&self.decoding.table, &taken))

    def expect(self, tuple stream, uint32_t end):
        """Decline a stream's segments up to a sequence number: its ClientHello goes on there."""
        if self.decoding.places.expected == NULL:
            self.decoding.places.expected = <Expected *>calloc(1 << EXPECTED_BITS, sizeof(Expected))
            if self.decoding.places.expected == NULL:
                raise MemoryError
        expect_stream(self.decoding.places.expected, number_of_stream(stream), end)

    def forget(self, tuple stream):
        """Expect no more of a stream that was expected once."""
        forget_stream(self.decoding.places.expected, number_of_stream(stream))

    def concat(self, FastTable later):
        """Append the table of the part of the recording that follows; it is empty afterwards.

        Its memory is given back while its rows move, so that two tables never take the room of
        both.
        """
        cdef Table *table = &self.decoding.table
        cdef Outcome outcome = DONE
        cdef uint32_t path
        cdef uint32_t station
        cdef uint32_t *paths = <uint32_t *>malloc((len(later.path_tunnels)) * sizeof(uint32_t))
        cdef uint16_t *stations = <uint16_t *>malloc(
            (later.decoding.table.stations + 1) * sizeof(uint16_t))
        try:
            self._must_be_open()
            later._must_be_open()
            if paths == NULL or stations == NULL:
                raise MemoryError
            if later is self:
                raise ValueError("a table cannot follow itself")
            for path, tunnels in enumerate(later.path_tunnels):
                paths[path] = <uint32_t>self.tunnel_paths.number_of(tunnels)
            for station in range(later.decoding.table.stations + 1):
                stations[station] = number_of_station(
                    table, later.decoding.table.station[station])
            with nogil:
                outcome = move_rows(table, &later.decoding.table, paths, stations)
        finally:
            free(paths)
            free(stations)
        self._check(outcome)
        self.counts.not_ip += later.counts.not_ip
        self.counts.icmp += later.counts.icmp

    def append_row(self, row):
        """Add a row that shows no packet: what conntrack alone knows (S46)."""
        cdef CRow made
        self._must_be_open()
        fill_row(&made, row)
        self._check(place_row(&self.decoding.table, &made))

    def disown(self, claims):
        """Mark rows inside tunnels as forged: those claimed, or all where `claims` is None."""
        self._must_be_open()
        mark_claimed(&self.decoding.table, self.path_tunnels, self._forged_path(), claims)

    def disown_strays(self, ends, elsewhere):
        """Mark rows outside of tunnels as forged: of clients of `ends` that are `elsewhere`."""
        self._must_be_open()
        mark_strays(&self.decoding.table, self.path_tunnels, self._forged_path(), ends,
                    partial(is_stray, ends=ends, elsewhere=elsewhere))

    cdef uint64_t _forged_path(self) except? 0:
        return self.tunnel_paths.number_of((FORGED,))

    def shift_numbers(self, uint64_t offset):
        """Move packet numbers on, once it is known how many packets came before."""
        cdef uint64_t index
        self._must_be_open()
        with nogil:
            for index in range(self.decoding.table.rows):
                row_at(&self.decoding.table, index).number += offset

    def rows(self):
        """The rows, in the order in which their first packets came."""
        cdef uint64_t index
        for index in range(self.decoding.table.rows):
            yield self._row_at(index)

    cdef _row_at(self, uint64_t index):
        cdef CRow room
        return self._as_row(kept_row(&self.decoding.table, index, &room))

    cdef _as_row(self, const CRow *row):
        return as_row(row, self.path_tunnels, self.decoding.table.station)

# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Connections → `listed.ListedConnection`s by time: what `otterize connections` writes.

A connection is 120 bytes until it is written, and one at a time is made a value of.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, qsort, realloc
from libc.string cimport memcpy

from otterize_pcap.connections._endpoint cimport CEnd, compare_ends
from otterize_pcap.connections._index cimport RowIndex
from otterize_pcap.connections._sums cimport CTotals
from otterize_pcap.connections._verdicts cimport CJudged
from otterize_pcap.table._fastpath cimport FastTable
from otterize_pcap.table._row cimport address as address_bytes

from otterize_pcap.connections.listed import ListedConnection

# `ListedConnection._make` without its check of the length.
new_tuple = tuple.__new__


cdef class Listing:
    """The connections of an index, each as it is noted."""

    def __cinit__(self, RowIndex index):
        self.index = index

    def __dealloc__(self):
        free(self.listed)

    cdef int note(
        self, const CJudged *judged, const CEnd *ends, const CTotals *totals
    ) except -1 nogil:
        """Add a connection, `ends` being the endpoints of its piece."""
        cdef CListed *listed
        cdef int at
        if self.count == self.room:
            self._make_room(2 * self.room + 1024)
        listed = &self.listed[self.count]
        listed.client = ends[judged.client[0]]
        listed.server = ends[judged.server[judged.servers - 1]]
        listed.first_ns, listed.last_ns = totals.first_ns, totals.last_ns
        for at in range(2):
            listed.packets[at], listed.bytes[at] = totals.packets[at], totals.bytes[at]
        listed.syns, listed.class_ = totals.syns, judged.class_
        listed.table, listed.rank = totals.first.table, totals.first.rank
        listed.number = totals.first.row.number
        listed.path = (totals.first.row.key.word[4] >> 8) & 0xFFFFFF
        self.count += 1
        return 0

    cdef int _make_room(self, uint64_t room) except -1 nogil:
        cdef CListed *listed = <CListed *>realloc(self.listed, room * sizeof(CListed))
        if listed == NULL:
            with gil:
                raise MemoryError
        self.listed, self.room = listed, room
        return 0

    cdef int take_over(self, Listing later) except -1:
        """Add what another one noted."""
        if later.count == 0:
            return 0
        self._make_room(self.count + later.count)
        memcpy(self.listed + self.count, later.listed, later.count * sizeof(CListed))
        self.count += later.count
        later._forget()
        return 0

    cdef void _forget(self) noexcept:
        free(self.listed)
        self.listed, self.count, self.room = NULL, 0, 0

    def by_time(self, list kinds, list files):
        """All of them by time, file and packet.

        Args:
            kinds: (protocol, rule, outcome) of each class.
            files: The files by their ranks.
        """
        cdef uint64_t at
        cdef CListed *listed
        cdef dict addresses = {}, tunnels = {}
        cdef tuple kind
        cdef FastTable rows
        # Of nothing listed there is no memory, and C sorts no null (C11, 7.22.5).
        if self.count:
            qsort(self.listed, self.count, sizeof(CListed), in_order)
        for at in range(self.count):
            listed = &self.listed[at]
            kind = kinds[listed.class_]
            path = tunnels.get((listed.table, listed.path))
            if path is None:
                rows = self.index.tables[listed.table]
                path = tuple([tunnel.kind for tunnel in rows.path_tunnels[listed.path]])
                tunnels[listed.table, listed.path] = path
            yield new_tuple(ListedConnection, (
                kind[0],
                (interned(addresses, &listed.client), listed.client.port),
                (interned(addresses, &listed.server), listed.server.port),
                kind[1], kind[2], listed.syns,
                (listed.packets[0], listed.packets[1]),
                (listed.bytes[0], listed.bytes[1]),
                listed.first_ns, listed.last_ns, path, files[listed.rank],
                listed.number,
            ))


cdef bytes interned(dict known, const CEnd *end):
    """The bytes of an address, one object however often it comes."""
    cdef tuple key = (end.high, end.low)
    found = known.get(key)
    if found is None:
        found = known[key] = address_bytes(end.high, end.low)
    return found


cdef int in_order(const void *one, const void *other) noexcept nogil:
    cdef const CListed *a = <const CListed *>one
    cdef const CListed *b = <const CListed *>other
    cdef int order
    if a.first_ns != b.first_ns:
        return -1 if a.first_ns < b.first_ns else 1
    if a.rank != b.rank:
        return -1 if a.rank < b.rank else 1
    if a.number != b.number:
        return -1 if a.number < b.number else 1
    order = compare_ends(&a.client, &b.client)
    return order if order else compare_ends(&a.server, &b.server)

# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""The tunnels that packets of a table came through, by the numbers that rows have."""

from libc.stdint cimport uint8_t, uint64_t

from otterize_pcap.table._row cimport Key, address, be64
from otterize_pcap.table._rows cimport FULL, NO_MEMORY, Outcome
from otterize_pcap.table._tunnels cimport MAX_PATHS, remember_path

from otterize_pcap.packets.closed_tunnels import FORGED
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.packets.tunnels import TUNNEL_KINDS
from otterize_pcap.table.rows import too_many_connections

_KIND_NUMBERS = {kind: number for number, kind in enumerate((*TUNNEL_KINDS, FORGED.kind))}
"""The first ones are those of `_tunnels.pxd`."""


cdef class TunnelPaths:
    """The tunnel paths of a table, each a tuple of `Tunnel`s; none at all is number 0.

    `opens` says of two outer addresses whether what is between them is opened (S25).
    """

    def __cinit__(self, uint64_t max_rows, opens):
        self.max_rows, self.opens = max_rows, opens
        self.numbers = {(): 0}
        self.tunnels = [()]

    cdef bint learn(self) except -1:
        """Whether the record to come was declined for its tunnel path, which is known from now on.

        Paths whose frames turn out to be broken have no rows, and must not be more than those.
        """
        cdef const Key *key = self.decoding.paths.unknown
        if (key.word[5] == 0
                or self.decoding.paths.count >= min(<uint64_t>MAX_PATHS, self.max_rows)):
            return False
        tunnel = Tunnel(
            TUNNEL_KINDS[<uint8_t>key.word[4]], address(key.word[0], key.word[1]),
            address(key.word[2], key.word[3])
        )
        # What is not opened (S25) is left to the reference, packet by packet.
        if self.opens is not None and not self.opens(tunnel.low, tunnel.high):
            return False
        self.number_of((*self.tunnels[key.word[4] >> 8], tunnel))
        return True

    cdef uint64_t number_of(self, tuple tunnels) except? 0:
        """The number of a tunnel path; from now on the hot path knows it."""
        cdef uint64_t number, parent
        cdef Key key
        cdef bytes low, high
        known = self.numbers.get(tunnels)
        if known is not None:
            return known
        *outer, innermost = tunnels
        parent = self.number_of(tuple(outer))
        low, high = innermost.low, innermost.high
        key.word[0], key.word[1] = be64(<const uint8_t *>low), be64(<const uint8_t *>low + 8)
        key.word[2], key.word[3] = be64(<const uint8_t *>high), be64(<const uint8_t *>high + 8)
        key.word[4] = parent << 8 | <uint64_t>_KIND_NUMBERS[innermost.kind]
        key.word[5] = 0
        check(remember_path(&self.decoding.table, &self.decoding.paths, &key), self.max_rows)
        number = self.decoding.paths.count
        self.numbers[tunnels] = number
        self.tunnels.append(tunnels)
        return number


cdef int check(Outcome outcome, uint64_t max_rows) except -1:
    """Raise what an outcome stands for; `max_rows` is the table's."""
    if outcome == FULL:
        raise too_many_connections(max_rows)
    if outcome == NO_MEMORY:
        raise MemoryError
    return 0

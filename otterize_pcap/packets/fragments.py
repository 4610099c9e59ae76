"""Later IP fragments have no ports; what their first one is part of is remembered here.

A first fragment may be too short for its headers: 8 bytes hold no TCP flags, and whoever sends
such hides nothing. What came is held until enough of it is there, in whatever order it comes.

Fragments of one packet travel together, so what is remembered is bounded by distance in the file,
not by time: memory stays small on hostile input, and the rule needs no clock.
"""

from collections import OrderedDict

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.packets.network import IpHeader
from otterize_pcap.packets.packet import Packet, Skipped, Tunnel

WINDOW = 65_536
"""Packets that may lie between a first fragment and a later one."""

FragmentKey = tuple[bytes, bytes, int, int, tuple[Tunnel, ...]]
"""Source, destination, protocol, identification (RFC 791, 3.2), tunnels around it."""


MOST_HELD = 512
"""Bytes held of a packet whose headers are not all there: a tunnel's and those inside it."""
MOST_WAITING = 16 << 20
"""What later fragments may take that wait for what comes before them, of all packets."""
PIECE_TAKES = 256
"""What a fragment that waits takes beside its bytes."""
HEADERS = 128
"""A packet's headers may go on in a later fragment that begins before this."""


class FirstFragment(Struct, frozen=True):
    """What a packet's first fragment showed, and its packet number.

    `found` is the innermost packet, or why there is none. `held` is all that came so far of what
    is behind the IP header, None where no more of it is wanted. `is_unclear` says that it looks
    like a tunnel that is left closed and that nothing tells yet what is inside, `was_unclear` that
    more fragments told.
    """

    number: int
    found: Packet | Skipped
    held: bytes | None = None
    is_unclear: bool = False
    was_unclear: bool = False


class Pieces(Struct):
    """Later fragments of a packet, by offset; `is_disputed` says that one came in two ways."""

    number: int
    contents: dict[int, bytes] = {}
    is_disputed: bool = False


class FragmentMemory:
    """First fragments by key; `orphans` are the fragments whose first was not seen yet.

    Orphans, and the first fragments in `begun`, are kept only near the start of what was read,
    where what they belong to may lie in the part of the file before it. `is_lost` says that it will
    never be told what a tunnel held that was left closed (S25).
    """

    def __init__(self) -> None:
        self._firsts: OrderedDict[FragmentKey, FirstFragment] = OrderedDict()
        self._waiting: OrderedDict[FragmentKey, Pieces] = OrderedDict()
        self._taken = 0
        self.orphans: dict[FragmentKey, int] = {}
        self.begun: dict[FragmentKey, int] = {}
        self.is_lost = False

    def remember(self, key: FragmentKey, first: FirstFragment, content: bytes) -> None:
        """Keep a first fragment, of which `content` came; a later one of the key replaces it."""
        before = self._firsts.pop(key, None)
        if before is not None and before.held is not None and content.startswith(before.held):
            first = replace(first, was_unclear=before.is_unclear or before.was_unclear)
        elif before is not None:
            self.is_lost |= before.is_unclear
        if first.is_unclear and first.held is None:
            self.is_lost = True
        self._firsts[key] = first
        if first.number <= WINDOW:
            self.begun.setdefault(key, first.number)
        self._look_for_dispute(key)
        self._forget(first.number)

    def find(self, key: FragmentKey, number: int) -> FirstFragment | None:
        """The first fragment that the one numbered `number` belongs to."""
        first = self._firsts.get(key)
        if first is not None and number - first.number <= WINDOW:
            return first
        if number <= WINDOW:
            self.orphans.setdefault(key, number)
        return None

    def wait(self, key: FragmentKey, number: int, offset: int, content: bytes) -> None:
        """Hold a later fragment for what comes before it, as far as there is room."""
        pieces = self._waiting.pop(key, None)
        if pieces is None or pieces.number < number - WINDOW:
            self._taken -= _takes(pieces) if pieces is not None else 0
            pieces = Pieces(number)
        self._waiting[key] = pieces
        pieces.number = number
        before = pieces.contents.get(offset)
        pieces.is_disputed |= before is not None and before != content
        pieces.contents[offset] = content
        self._taken += len(content) + PIECE_TAKES if before is None else len(content) - len(before)
        self._look_for_dispute(key)
        while self._taken > MOST_WAITING:
            _, dropped = self._waiting.popitem(last=False)
            self._taken -= _takes(dropped)

    def together(self, key: FragmentKey, number: int, held: bytes) -> bytes:
        """A packet's beginning, and what waits and goes on from there."""
        pieces = self._waiting.get(key)
        if pieces is None or pieces.number < number - WINDOW:
            return held
        for offset, content in sorted(pieces.contents.items()):
            if offset > len(held):
                break
            held += content[len(held) - offset :]
        return held

    def misses(self, earlier: "FragmentMemory", numbers: int) -> bool:
        """Whether the part of the file before has fragments that belong to some of this part.

        `numbers` is how many packets that part has.
        """
        for key, number in self.orphans.items():
            first = earlier._firsts.get(key)
            if first is not None and number + numbers - first.number <= WINDOW:
                return True
        began = {*self.orphans, *self.begun}
        if not began.isdisjoint(earlier._waiting):
            return True
        firsts = (earlier._firsts.get(key) for key in self.begun)
        return any(first is not None and first.held is not None for first in firsts)

    def take_over(self, earlier: "FragmentMemory", numbers: int) -> None:
        """Remember what the part before knew, and count on from its `numbers` packets."""
        firsts = earlier._firsts
        for key, first in self._firsts.items():
            firsts.pop(key, None)
            firsts[key] = replace(first, number=first.number + numbers)
        self._firsts = firsts
        self.orphans = earlier.orphans
        self.begun = earlier.begun
        self.is_lost |= earlier.is_lost
        for key, pieces in self._waiting.items():
            earlier._waiting[key] = pieces
            pieces.number += numbers
        self._waiting = earlier._waiting
        self._taken += earlier._taken
        last = next(reversed(firsts.values()), None)
        if last is not None:
            self._forget(last.number)

    def settle(self, number: int) -> bool:
        """Whether `number` packets leave open for good what some closed tunnel held."""
        behind = (each for each in self._firsts.values() if each.number < number - WINDOW)
        self.is_lost |= any(each.is_unclear for each in behind)
        return self.is_lost

    def for_what_follows(self, numbers: int) -> "FragmentMemory":
        """What this knows after `numbers` packets, for a reader that counts from 1 again."""
        later = FragmentMemory()
        for key, first in self._firsts.items():
            if numbers - first.number < WINDOW:
                later._firsts[key] = replace(first, number=first.number - numbers)
        for key, pieces in self._waiting.items():
            later._waiting[key] = replace(pieces, number=pieces.number - numbers)
        later._taken = self._taken
        return later

    def _look_for_dispute(self, key: FragmentKey) -> None:
        """What a closed tunnel holds cannot be told where its fragments say two things."""
        first, pieces = self._firsts.get(key), self._waiting.get(key)
        if first is not None and pieces is not None and pieces.is_disputed:
            self.is_lost |= first.is_unclear or first.was_unclear

    def _forget(self, number: int) -> None:
        """Forget what is too far before the packet of this number."""
        while (first := next(iter(self._firsts.values()))).number < number - WINDOW:
            self.is_lost |= first.is_unclear
            self._firsts.popitem(last=False)


def _takes(pieces: Pieces) -> int:
    return sum(len(content) + PIECE_TAKES for content in pieces.contents.values())


def may_tell(first: FirstFragment | None, offset: int) -> bool:
    """Whether a later fragment may have headers, or say what a closed tunnel holds."""
    if first is None or first.held is not None:
        return offset <= MOST_HELD
    return offset < HEADERS or (first.was_unclear and offset <= MOST_HELD)


def with_payload(header: IpHeader, payload: bytes) -> IpHeader:
    """A packet with what was put together of it."""
    return replace(header, payload=payload, payload_length=len(payload), fragment_offset=0)


def part_of(packet: Packet, length: int) -> Packet:
    """A later fragment of a packet: its ends, and neither flags nor sequence numbers."""
    return Packet(
        protocol=packet.protocol,
        source=packet.source,
        destination=packet.destination,
        source_port=packet.source_port,
        destination_port=packet.destination_port,
        length=length,
        tunnels=packet.tunnels,
        fragment=True,
    )


def fragment_key(header: IpHeader, fragment_id: int, tunnels: tuple[Tunnel, ...]) -> FragmentKey:
    """What the fragments of one packet have in common."""
    return (header.source, header.destination, header.protocol, fragment_id, tunnels)

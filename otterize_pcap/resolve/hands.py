"""Origins of an address's packets → its hands: stretches of time in each of which one pod had it.

A pod sends from an interface of its own on its node, which no pod after it gets: a change of
interface is a change of hands, and as long as it is the same, so is the hand (S12). Where a
recording does not name interfaces, a change of the source MAC address says the former, and nothing
the latter. Elsewhere the sending node alone shows, by what its other pods send: a router, a bridge
and a node have one MAC address for many. A packet with a forged source looks like another hand; one
that comes and goes while an address goes on as before changes nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.connections.clocks import NOTABLE_NS
from otterize_pcap.connections.origins import Origin

_INTERFACE_INDEX = 0xFFFFFFFF
_MOST_ADDRESSES = 8
"""Addresses of one pod; an interface that more of them use is no pod's own."""
_MOST_TRACES = 64
"""Of one address; there are more only where somebody makes them up."""

Place = tuple[int, int, int]
"""A recording, by number, one of its interfaces, and a station there."""


class Hand(Struct, frozen=True):
    """An address sent from one place, or from one node; times in ns with offsets removed.

    `nodes` are those on which its pod can have been, None any. `own` tells that all of it was one
    pod's; else it was one node's, or nobody knows.
    """

    first_ns: int
    last_ns: int
    nodes: frozenset[str] | None
    own: bool

    def meets(self, other: "Hand") -> bool:
        """Whether both were there at one time, as far as clocks of two nodes can tell."""
        return (
            self.first_ns - NOTABLE_NS <= other.last_ns
            and other.first_ns - NOTABLE_NS <= self.last_ns
        )

    def holds(self, other: "Hand") -> bool:
        """Whether the other lies within."""
        return (
            self.first_ns - NOTABLE_NS <= other.first_ns
            and other.last_ns <= self.last_ns + NOTABLE_NS
        )

    def may_be(self, other: "Hand") -> bool:
        """Whether nothing tells the two apart: each was at a node where the other can have been."""
        if self.own and other.own:
            return False
        if self.nodes is None or other.nodes is None:
            return True
        return not self.nodes.isdisjoint(other.nodes)


class Places:
    """Which addresses sent from which place, and what that says of each address.

    Args:
        origins: Of each recording, those of all addresses of pods and nodes.
        nodes: Of each recording, the node that it is of.
        pods: The pods of each address, by uid.
        homes: The nodes that each address can be on.
    """

    def __init__(
        self,
        origins: Sequence[Sequence[Origin]],
        nodes: Sequence[str],
        pods: Mapping[bytes, frozenset[str]],
        homes: Mapping[bytes, frozenset[str]],
    ) -> None:
        self._nodes, self._pods, self._homes = nodes, pods, homes
        self._on_interface: dict[tuple[int, int], set[bytes]] = {}
        self._of_station: dict[Place, set[bytes]] = {}
        self._senders: dict[Place, tuple[frozenset[str], frozenset[str]]] = {}
        self._by_address: dict[bytes, list[tuple[int, Origin]]] = {}
        for recording, found in enumerate(origins):
            for origin in found:
                place = recording, origin.interface, origin.station
                self._of_station.setdefault(place, set()).add(origin.address)
                self._by_address.setdefault(origin.address, []).append((recording, origin))
                if origin.came_in:
                    self._on_interface.setdefault(place[:2], set()).add(origin.address)

    def hands(self, address: bytes, offsets: Sequence[int]) -> tuple[Hand, ...]:
        """The hands of an address, in order; none where its packets do not tell them.

        `offsets` are how far each recording's clock was ahead.
        """
        seen = [
            (recording, origin, offsets[recording])
            for recording, origin in self._by_address.get(address, ())
        ]
        if len(seen) > _MOST_TRACES:
            return ()
        stations = [
            (recording, origin.interface)
            for recording, origin, _ in seen
            if self._is_own_station(recording, origin)
        ]
        traces = []
        for recording, origin, offset in seen:
            # A MAC address that stays may have been made of the IP address (0a:58 before it).
            own = self._is_own_interface(recording, origin) or (
                self._is_own_station(recording, origin)
                and stations.count((recording, origin.interface)) > 1
            )
            place = recording, origin.interface, origin.station
            nodes = frozenset((self._nodes[recording],)) if own else self._homes_of(place, address)
            traces.append(Hand(origin.first_ns - offset, origin.last_ns - offset, nodes, own))
        return _told_apart(traces)

    def shows_own_interface(self, address: bytes) -> bool:
        """Whether packets of an address were recorded where its pod alone sends."""
        return any(
            self._is_own_interface(recording, origin) or self._is_own_station(recording, origin)
            for recording, origin in self._by_address.get(address, ())
        )

    def _is_own_interface(self, recording: int, origin: Origin) -> bool:
        """Whether frames came in on an interface that nobody but one pod of that node sends on.

        On another node an interface that leads to the pod's own looks the same.
        """
        if not origin.came_in or not origin.interface & _INTERFACE_INDEX:
            return False
        if self._nodes[recording] not in self._homes.get(origin.address, ()):
            return False
        return self._is_one_pods(self._on_interface[recording, origin.interface])

    def _is_own_station(self, recording: int, origin: Origin) -> bool:
        """Whether a MAC address that came in at an address's only node is one pod's alone."""
        if not origin.came_in or origin.interface & _INTERFACE_INDEX:
            return False
        if self._homes.get(origin.address) != frozenset((self._nodes[recording],)):
            return False
        return self._is_one_pods(self._of_station[recording, origin.interface, origin.station])

    def _is_one_pods(self, addresses: set[bytes]) -> bool:
        if len(addresses) == 1:
            return True
        if len(addresses) > _MOST_ADDRESSES:
            return False
        nobody: frozenset[str] = frozenset()
        return bool(frozenset.intersection(*(self._pods.get(one, nobody) for one in addresses)))

    def _homes_of(self, place: Place, address: bytes) -> frozenset[str] | None:
        """The nodes whose other addresses send from a place."""
        found, by_one_alone = self._senders_at(place)
        homes = self._homes.get(address, frozenset())
        if len(homes) == 1 and homes <= by_one_alone and address in self._of_station[place]:
            found -= homes
        return found or None

    def _senders_at(self, place: Place) -> tuple[frozenset[str], frozenset[str]]:
        """The nodes of addresses that send from a place, and those of which one alone does.

        Addresses that can be of several nodes say nothing. Found once: an uplink has the addresses
        of all pods of all other nodes behind one station.
        """
        found = self._senders.get(place)
        if found is None:
            homes = [self._homes.get(each, frozenset()) for each in self._of_station[place]]
            counted = Counter(node for each in homes if len(each) == 1 for node in each)
            once = frozenset(node for node, count in counted.items() if count == 1)
            found = self._senders[place] = frozenset(counted), once
        return found


def _told_apart(traces: Iterable[Hand]) -> tuple[Hand, ...]:
    """Hands that follow each other; none where they cannot be told apart."""
    traces = sorted(traces, key=_order)
    own = _each_once([trace for trace in traces if trace.own])
    others = [
        trace
        for trace in traces
        if not trace.own and not any(trace.meets(each) or trace.may_be(each) for each in own)
    ]
    hands: list[Hand] = []
    for hand in sorted((*own, *others), key=_order):
        if hands and hands[-1].may_be(hand):
            hands[-1] = _joined(hands[-1], hand)
        else:
            hands.append(hand)
    if any(one.meets(other) for one, other in pairwise(hands)):
        return ()
    return tuple(hands) if len(hands) > 1 or any(hand.own for hand in hands) else ()


def _order(hand: Hand) -> tuple[int, int]:
    return hand.first_ns, hand.last_ns


def _joined(one: Hand, later: Hand) -> Hand:
    """Two that nothing tells apart; both were where the nodes of both are."""
    nodes = one.nodes if later.nodes is None else later.nodes & (one.nodes or later.nodes)
    return replace(one, last_ns=max(one.last_ns, later.last_ns), nodes=nodes)


def _each_once(own: Sequence[Hand]) -> list[Hand]:
    """Hands at pods' own interfaces, without what shows the same packets or forged ones.

    A bridge of which one address alone was seen looks like an interface of a pod's own. All that
    comes in there came in at pods' interfaces first, so that it begins and ends with one of these.
    """
    distinct: list[Hand] = []
    for hand in own:
        if not any(one.holds(hand) and hand.holds(one) for one in distinct):
            distinct.append(hand)
    within = {
        hand: [one for one in distinct if one is not hand and hand.holds(one)] for hand in distinct
    }
    bridges = [hand for hand, found in within.items() if _is_made_of(hand, found)]
    left = [hand for hand in distinct if hand not in bridges]
    return [hand for hand in left if not any(hand in within[one] for one in left)]


def _is_made_of(hand: Hand, parts: Sequence[Hand]) -> bool:
    if len(parts) < 2:
        return False
    first_ns, last_ns = min(one.first_ns for one in parts), max(one.last_ns for one in parts)
    return replace(hand, first_ns=first_ns, last_ns=last_ns).holds(hand)

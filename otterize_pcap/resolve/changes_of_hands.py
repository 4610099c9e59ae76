"""What the packets of a capture say of who had an address when (S12), by one clock or another.

Pods' addresses alone are looked at, and only where the snapshot leaves something open: where
nobody watched, any address may have had other pods; else those that several had.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from otterize_pcap.connections.clocks import Readings
from otterize_pcap.connections.origins import origins_in_each
from otterize_pcap.graph.service_graph import FileCoverage
from otterize_pcap.resolve.capture import CaptureContents
from otterize_pcap.resolve.hand_owners import HandOwners, OwnedHand, Owners
from otterize_pcap.resolve.hands import Places


class ChangesOfHands:
    """The hands of addresses; none until `settle` was told of the clocks."""

    def __init__(
        self, contents: CaptureContents, nodes: Mapping[bytes, frozenset[str]], slack_ns: int
    ) -> None:
        self._recordings = contents.recordings
        self._threads = contents.threads
        self._snapshot = contents.snapshot
        self._nodes = nodes
        self._times = _times_of(contents.files_read)
        self._slack = slack_ns
        self._told: Mapping[bytes, tuple[OwnedHand, ...]] = {}
        self._are_hidden = False
        self._unseen: tuple[bytes, ...] = ()

    def settle(self, offsets: dict[str, int], others: tuple[int, ...]) -> Readings:
        """Find the hands; of several clocks, those by which the snapshot knows the most of them.

        Where two clocks are as good as each other, packets tell nothing here.
        """
        asked, watched = self._asked(), self._watched_alone()
        if not asked and not watched:
            return offsets, others
        places = self._places()
        ahead = [offsets.get(each.node, 0) for each in self._recordings]
        self._unseen = tuple(each for each in watched if len(places.hands(each, ahead)) > 1)
        if not asked:
            return offsets, others
        self._are_hidden = not any(map(places.shows_own_interface, asked))
        readings = {shift: self._by_clock(places, asked, offsets, shift) for shift in (0, *others)}
        known = {shift: _known_hands(found) for shift, found in readings.items()}
        right = [shift for shift in readings if known[shift] == max(known.values())]
        first = right[0]
        if len(right) == 1:
            self._told = readings[first]
        if first:
            nodes = {each.node for each in self._recordings}
            moved = {node: offsets.get(node, 0) - first for node in sorted(nodes)}
            offsets = {node: offset for node, offset in moved.items() if offset}
        return offsets, tuple(shift - first for shift in right[1:])

    def at(self, address: bytes, first_ns: int, last_ns: int) -> Owners | None:
        """Whose an address can have been at a time in which it sent; None where no packet says."""
        told = self._told.get(address, ())
        met = [
            each for each in told if first_ns <= each.hand.last_ns and last_ns >= each.hand.first_ns
        ]
        if len(met) == 1:
            return met[0].owners
        if met:
            return None
        # Not seen here, and so the hand before or after; of pods that are known, times tell which.
        before = [each.owners for each in told if each.hand.last_ns < first_ns][-1:]
        after = [each.owners for each in told if each.hand.first_ns > last_ns][:1]
        owners = tuple(dict.fromkeys(owner for near in (*before, *after) for owner in near))
        return owners if None in owners else None

    def moments(self, address: bytes) -> list[tuple[int, int]]:
        """The last time of each hand of an address, with the first time of the one that follows."""
        hands = [each.hand for each in self._told.get(address, ())]
        return [(one.last_ns, other.first_ns) for one, other in pairwise(hands)]

    def changes(self, address: bytes) -> Iterator[int]:
        """The moments, in order, at which the answer of `at` may change."""
        for each in self._told.get(address, ()):
            yield each.hand.first_ns
            yield each.hand.last_ns + 1

    @property
    def are_hidden(self) -> bool:
        """Whether they are asked for, and no interface that is a pod's own was recorded."""
        return self._are_hidden

    @property
    def are_of_known_nodes(self) -> bool:
        """Whether a recording is of a node that pods are on."""
        nodes = {tenure.pod.node for held in self._snapshot.tenures.values() for tenure in held}
        return any(each.node in nodes for each in self._recordings)

    @property
    def unseen(self) -> tuple[bytes, ...]:
        """Addresses that changed hands, although a watch saw one pod and no other there."""
        return self._unseen

    def _watched_alone(self) -> list[bytes]:
        """Addresses at which a watch saw one pod all the time: no other is asked for."""
        if self._times is None or not self._snapshot.watched(*self._times):
            return []
        return sorted(address for address, held in self._snapshot.tenures.items() if len(held) == 1)

    def _asked(self) -> list[bytes]:
        tenures = self._snapshot.tenures
        if self._times is None:
            return []
        if self._snapshot.watched(*self._times):
            return sorted(address for address, held in tenures.items() if len(held) > 1)
        return sorted(tenures)

    def _places(self) -> Places:
        pods: dict[bytes, frozenset[str]] = {}
        homes: dict[bytes, frozenset[str]] = defaultdict(frozenset, self._nodes)
        for address, held in self._snapshot.tenures.items():
            pods[address] = frozenset(tenure.pod.uid for tenure in held)
            homes[address] = frozenset(tenure.pod.node for tenure in held)
        addresses = frozenset(homes)
        return Places(
            origins_in_each(self._recordings, addresses, self._threads),
            [each.node for each in self._recordings],
            pods,
            homes,
        )

    def _by_clock(
        self, places: Places, asked: Sequence[bytes], offsets: Mapping[str, int], shift: int
    ) -> dict[bytes, tuple[OwnedHand, ...]]:
        """The hands of addresses where times are later by a shift."""
        ahead = [offsets.get(each.node, 0) - shift for each in self._recordings]
        found: dict[bytes, tuple[OwnedHand, ...]] = {}
        for address in asked:
            hands = places.hands(address, ahead)
            if hands:
                told = HandOwners(hands, address, self._snapshot, self._slack).told()
                if told:
                    found[address] = told
        return found


def _known_hands(found: Mapping[bytes, Sequence[OwnedHand]]) -> int:
    """How many hands, of addresses that changed hands, are those of pods that are known."""
    return sum(None not in each.owners for told in found.values() if len(told) > 1 for each in told)


def _times_of(files: Sequence[FileCoverage]) -> tuple[int, int] | None:
    """When the first and the last packet of a capture came."""
    first = [file.first_ns for file in files if file.first_ns is not None]
    last = [file.last_ns for file in files if file.last_ns is not None]
    return (min(first), max(last)) if first and last else None

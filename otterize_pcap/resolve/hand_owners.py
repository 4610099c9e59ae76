"""Hands of an address + tenures → whose each hand was (S12).

A hand is one pod's, and a pod has one hand: so a change of hands within the time slack of what the
snapshot says is the moment that it speaks of. Hands and tenures are laid side by side in every way
that keeps their order and their times, give or take the slack; what all ways agree on is so. Hands
that fit none are those of pods that the snapshot lacks: it is stale. Where they contradict what it
surely knows, it is believed, and the packets say nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from msgspec import Struct

from otterize_pcap.intervals import OPEN
from otterize_pcap.resolve.hands import Hand
from otterize_pcap.snapshot.snapshot import Snapshot, Tenure
from otterize_pcap.timestamps import SECOND_NS

_MOST_WAYS = 4096
_LONG_AGO, _IN_THE_END = -OPEN, OPEN

Owners = tuple[Tenure | None, ...]
"""Those who can have had an address; None is a pod that nobody knows."""
Way = tuple[Tenure | None, ...]
"""An owner for each hand, in order."""


class OwnedHand(Struct, frozen=True):
    """A hand, and those whose it can have been."""

    hand: Hand
    owners: Owners


class HandOwners:
    """The tenures of one address laid beside its hands."""

    def __init__(
        self, hands: Sequence[Hand], address: bytes, snapshot: Snapshot, slack_ns: int
    ) -> None:
        self._hands, self._slack = hands, slack_ns
        first_ns, last_ns = hands[0].first_ns, hands[-1].last_ns
        self._tenures = [
            tenure
            for tenure in snapshot.tenures.get(address, ())
            if tenure.possible.touches(first_ns, last_ns, slack_ns)
        ]
        self._until = snapshot.watch_end_ns or snapshot.taken_ns
        self._watched = snapshot.watched(first_ns, last_ns)

    def told(self) -> tuple[OwnedHand, ...]:
        """Each hand with its owners; empty where the packets do not fit the snapshot.

        So they are where no hand is known to be anybody's.
        """
        fitting = [
            [tenure for tenure in self._tenures if self._fits(tenure, number)]
            for number in range(len(self._hands))
        ]
        if self._contradicts(fitting):
            return ()
        every = list(islice(self._ways(fitting), _MOST_WAYS + 1))
        if len(every) > _MOST_WAYS:
            return ()
        ways = self._best(every)
        if not any(ways[0]) or not all(map(self._is_likely, ways)):
            return ()
        return tuple(
            OwnedHand(hand, tuple(dict.fromkeys(way[number] for way in ways)))
            for number, hand in enumerate(self._hands)
        )

    def _room(self, number: int) -> tuple[int, int]:
        """After the hand before, and before the one that follows."""
        last = len(self._hands) - 1
        return (
            self._hands[number - 1].last_ns if number else _LONG_AGO,
            self._hands[number + 1].first_ns if number < last else _IN_THE_END,
        )

    def _known(self, tenure: Tenure) -> tuple[int, int]:
        """When a pod surely had the address: of one that is there still, as long as was looked."""
        start_ns, end_ns = tenure.interval.start_ns, tenure.interval.end_ns
        if end_ns >= OPEN:
            end_ns = start_ns if self._until is None else self._until
        # Its object may be there for long after its address was given to another.
        heirs = (other.interval.start_ns for other in self._tenures)
        return start_ns, max(start_ns, min([end_ns, *(heir for heir in heirs if heir > start_ns)]))

    def _fits(self, tenure: Tenure, number: int) -> bool:
        """Whether a hand can have been a pod's, by its node and times."""
        hand, (after_ns, before_ns) = self._hands[number], self._room(number)
        if hand.nodes is not None and tenure.pod.node and tenure.pod.node not in hand.nodes:
            return False
        start_ns, end_ns = self._known(tenure)
        return (
            tenure.possible.covers(hand.first_ns, hand.last_ns, self._slack)
            # Perhaps it had the address even before, and then so had somebody unknown.
            and tenure.interval.touches(hand.first_ns, hand.last_ns, self._slack)
            and start_ns >= after_ns - self._slack - SECOND_NS
            and end_ns <= before_ns + self._slack
        )

    def _contradicts(self, fitting: Sequence[Sequence[Tenure]]) -> bool:
        """Whether a hand lies where the snapshot surely knows another, or may be of several."""
        for hand, found in zip(self._hands, fitting, strict=True):
            for tenure in self._tenures:
                start_ns, end_ns = self._known(tenure)
                amid = start_ns + self._slack <= hand.last_ns
                amid = amid and end_ns - self._slack >= hand.first_ns
                if amid and tenure not in found:
                    return True
            near = [
                tenure
                for tenure in self._tenures
                if tenure.possible.touches(hand.first_ns, hand.last_ns, self._slack)
                and (hand.nodes is None or tenure.pod.node in hand.nodes)
            ]
            if not hand.own and len(near) > 1:
                return True
        return False

    def _ways(self, fitting: Sequence[Sequence[Tenure]], before: Way = ()) -> Iterator[Way]:
        """Every way to give hands to pods in an order in which they can have got the address."""
        if len(before) == len(self._hands):
            yield before
            return
        earlier = [tenure for tenure in before if tenure is not None]
        for tenure in fitting[len(before)]:
            if tenure in earlier or any(
                tenure.interval.start_ns + 2 * self._slack < each.interval.start_ns
                for each in earlier
            ):
                continue
            yield from self._ways(fitting, (*before, tenure))
        yield from self._ways(fitting, (*before, None))

    def _best(self, ways: Sequence[Way]) -> list[Way]:
        """The ways in which most hands are a pod's that the snapshot knows.

        Where no watch saw every pod, of these the ones that fit its times as they are, and of these
        the ones in which a pod that began when the address changed hands began with that.
        """
        best = _most(ways, lambda way: len(way) - way.count(None))
        if self._watched:
            return best
        best = _most(best, lambda way: self._count(way, self._fits_strictly))
        return _most(best, lambda way: self._count(way, self._begins))

    def _is_likely(self, way: Way) -> bool:
        """Whether no hand is unknown that a watch would have seen, nor is given away too easily.

        One that was there before its owner, or after, is not its own as long as another pod is said
        to have had the address then, of which no other hand tells.
        """
        if self._watched and None in way:
            return False
        for hand, owner in zip(self._hands, way, strict=True):
            times = hand.first_ns, hand.last_ns
            if owner is not None and not owner.possible.covers(*times, 0):
                for other in self._tenures:
                    if other not in way and other.interval.touches(*times, 0):
                        return False
        return True

    def _count(self, way: Way, holds: Callable[[Tenure, int], bool]) -> int:
        return sum(
            tenure is not None and holds(tenure, number) for number, tenure in enumerate(way)
        )

    def _fits_strictly(self, tenure: Tenure, number: int) -> bool:
        after_ns, before_ns = self._room(number)
        start_ns, end_ns = self._known(tenure)
        return _latest(start_ns) >= after_ns and end_ns <= before_ns

    def _begins(self, tenure: Tenure, number: int) -> bool:
        after_ns, _ = self._room(number)
        return (
            number > 0
            and _latest(tenure.interval.start_ns) >= after_ns - self._slack
            and tenure.possible.start_ns <= self._hands[number].first_ns + self._slack
        )


def _latest(time_ns: int) -> int:
    """The end of the second that the API gives as a time; a watch gives more than seconds."""
    return time_ns + SECOND_NS - 1 if time_ns % SECOND_NS == 0 else time_ns


def _most(ways: Sequence[Way], worth: Callable[[Way], int]) -> list[Way]:
    most = max(map(worth, ways))
    return [way for way in ways if worth(way) == most]

"""From when to when a recording goes, whatever a few of its records say.

Damage, a clock that was set while recording and pcapng's packets without a time make records of
1970 or of next century. They must not stretch a recording: rules ask how long it had been going on
(S36). So times are counted by stretches of 13 days, and neighbouring stretches are one time; the
one with the most packets is the recording's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

STRETCH_BITS = 50
"""A stretch is 2**50 ns, some 13 days: no node is silent for so long in one recording."""

Stretch = tuple[int, int, int]
"""First and last time in ns, and how many packets."""


@dataclass(slots=True)
class FileTimes:
    """The times of packets, in whatever order they come."""

    _stretches: dict[int, Stretch] = field(default_factory=dict)

    def note(self, time_ns: int) -> None:
        """Count one packet."""
        self.add(((time_ns, time_ns, 1),))

    def add(self, stretches: Iterable[Stretch]) -> None:
        """Count what was counted elsewhere; each is within one stretch."""
        for first, last, packets in stretches:
            known = self._stretches.get(first >> STRETCH_BITS, (first, last, 0))
            self._stretches[first >> STRETCH_BITS] = (
                min(first, known[0]),
                max(last, known[1]),
                packets + known[2],
            )

    def append(self, later: "FileTimes") -> None:
        """Count all that another one counted."""
        self.add(later._stretches.values())

    def span(self) -> tuple[int, int] | None:
        """First and last time of the recording, None without packets; of equals the later."""
        best: tuple[int, int, int] | None = None
        joined: Stretch | None = None
        before = -1
        for number, (first, last, packets) in sorted(self._stretches.items()):
            if joined is not None and number == before + 1:
                joined = (joined[0], last, joined[2] + packets)
            else:
                joined = (first, last, packets)
            before = number
            if best is None or joined[2] >= best[2]:
                best = joined
        return best and best[:2]

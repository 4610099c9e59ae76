"""From when to when a recording goes, whatever a few of its records say.

Damage, a clock that was set while recording and pcapng's packets without a time make records of
1970 or of next century. They must not stretch a recording: rules ask how long it had been going on
(S36). So times are counted by eras of 13 days, and neighbouring eras are one time; the
one with the most packets is the recording's.
"""

from collections.abc import Iterable

from msgspec import Struct, field

ERA_BITS = 50
"""An era is 2**50 ns, some 13 days: no node is silent for so long in one recording."""

Era = tuple[int, int, int]
"""First and last time in ns, and how many packets."""


class FileTimes(Struct):
    """The times of packets, in whatever order they come."""

    _eras: dict[int, Era] = field(default_factory=dict)

    def note(self, time_ns: int) -> None:
        """Count one packet."""
        self.add(((time_ns, time_ns, 1),))

    def add(self, eras: Iterable[Era]) -> None:
        """Count what was counted elsewhere; each is within one era."""
        for first, last, packets in eras:
            known = self._eras.get(first >> ERA_BITS, (first, last, 0))
            self._eras[first >> ERA_BITS] = (
                min(first, known[0]),
                max(last, known[1]),
                packets + known[2],
            )

    def append(self, later: "FileTimes") -> None:
        """Count all that another one counted."""
        self.add(later._eras.values())

    def span(self) -> tuple[int, int] | None:
        """First and last time of the recording, None without packets; of equals the later."""
        best: tuple[int, int, int] | None = None
        joined: Era | None = None
        before = -1
        for number, (first, last, packets) in sorted(self._eras.items()):
            if joined is not None and number == before + 1:
                joined = (joined[0], last, joined[2] + packets)
            else:
                joined = (first, last, packets)
            before = number
            if best is None or joined[2] >= best[2]:
                best = joined
        return best and best[:2]

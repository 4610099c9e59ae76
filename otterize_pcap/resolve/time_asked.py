"""The time that a reader asks for: of everything else, connections are hidden and counted.

A connection is taken whole or not at all: whole if any of its recorded packets lies within. Its
handshake may lie before, and then still tells who called; a capture that was cut at the same times
would have lost it.
"""

from dataclasses import dataclass

from otterize_pcap.intervals import OPEN, Interval


@dataclass(frozen=True, slots=True)
class TimeAsked:
    """From when to when (ns since the epoch), both within; None where there is no bound.

    `last_ns` is a duration: the end of each capture, counted back from its last packet.
    """

    from_ns: int | None = None
    to_ns: int | None = None
    last_ns: int | None = None

    def __bool__(self) -> bool:
        """Whether anything is asked."""
        return any(bound is not None for bound in (self.from_ns, self.to_ns, self.last_ns))

    def within(self, end_ns: int | None) -> Interval | None:
        """What is asked of a capture whose last packet came then; None where that is all of it."""
        if not self:
            return None
        start = 0 if self.from_ns is None else self.from_ns
        if self.last_ns is not None and end_ns is not None:
            start = max(start, end_ns - self.last_ns)
        return Interval(start, OPEN - 1 if self.to_ns is None else self.to_ns)

"""The time that a reader asks for: of everything else, connections are hidden and counted.

A connection is taken whole or not at all: whole if any of its recorded packets lies within. Its
handshake may lie before, and then still tells who called; a capture that was cut at the same times
would have lost it.
"""

from msgspec import Struct

from otterize_pcap.intervals import OPEN, Interval


class TimeAsked(Struct, frozen=True):
    """From when to when (ns since the epoch), both within; None where there is no bound.

    `last_ns` is a duration, counted back from the last packet of all captures (`until`).
    """

    from_ns: int | None = None
    to_ns: int | None = None
    last_ns: int | None = None

    def __bool__(self) -> bool:
        """Whether anything is asked."""
        return any(bound is not None for bound in (self.from_ns, self.to_ns, self.last_ns))

    def until(self, end_ns: int | None) -> "TimeAsked":
        """The same for captures of which one ends last, then; None where none has a packet."""
        if self.last_ns is None or end_ns is None:
            return self
        return TimeAsked(max(self.from_ns or 0, end_ns - self.last_ns), self.to_ns)

    def within(self, end_ns: int | None) -> Interval | None:
        """What is asked of a capture alone whose last packet came then; None where it is all."""
        if not self:
            return None
        settled = self.until(end_ns)
        return Interval(settled.from_ns or 0, OPEN - 1 if self.to_ns is None else self.to_ns)

"""Intervals of time: from when to when something held, and whether that meets another time."""

from msgspec import Struct

OPEN = 1 << 63
"""An end that nobody knows: later than any packet."""


class Interval(Struct, frozen=True, order=True):
    """From `start_ns` to `end_ns`, both within; nanoseconds since the epoch."""

    start_ns: int
    end_ns: int = OPEN

    def touches(self, first_ns: int, last_ns: int, slack_ns: int) -> bool:
        """Whether some of a time lies within, give or take a slack."""
        return self.start_ns - slack_ns <= last_ns and self.end_ns + slack_ns >= first_ns

    def covers(self, first_ns: int, last_ns: int, slack_ns: int) -> bool:
        """Whether a whole time lies within, give or take a slack."""
        return self.start_ns - slack_ns <= first_ns and self.end_ns + slack_ns >= last_ns


ALWAYS = Interval(0, OPEN)
"""One for all: a snapshot can have hundreds of thousands of endpoints."""

"""When what a snapshot knows of an endpoint held, and when an answer about it may change."""

from collections.abc import Iterator, Sequence

from otterize_pcap.connections.facts import Span
from otterize_pcap.intervals import Interval
from otterize_pcap.snapshot.snapshot import Backend, Listener, Tenure

EVER = (-(1 << 62), 1 << 62)
"""A time longer than anything lasts."""


class HeldTimes:
    """The times of Services, their backends and pods; `slack_ns` is `--time-slack` (S12)."""

    def __init__(self, slack_ns: int, watches: Sequence[Interval]) -> None:
        self._slack = slack_ns
        self._watches = watches

    def widened(self, held: Listener | Backend | Tenure) -> Span:
        """When a question at a time may find it, first and last (ns)."""
        found = held.possible if isinstance(held, Tenure) else held.interval
        return max(found.start_ns - self._slack, EVER[0]), min(found.end_ns + self._slack, EVER[1])

    def moments(self, held: Listener | Backend | Tenure) -> Iterator[int]:
        """When the answer to any question about something held may change."""
        bounds = [held.interval.start_ns, held.interval.end_ns]
        if isinstance(held, Tenure) and held.possible != held.interval:
            bounds += (held.possible.start_ns, held.possible.end_ns)
            # Within a watch nobody else can have had the address.
            bounds += (time for watch in self._watches for time in (watch.start_ns, watch.end_ns))
        for moment in bounds:
            for change in (moment - self._slack, moment, moment + 1, moment + self._slack + 1):
                if EVER[0] < change < EVER[1]:
                    yield change

    def during(self, held: Listener | Backend | Tenure, first_ns: int, last_ns: int) -> bool:
        """Whether it held over some of a time, give or take the slack."""
        interval = held.possible if isinstance(held, Tenure) else held.interval
        return interval.touches(first_ns, last_ns, self._slack)

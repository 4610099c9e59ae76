"""What watches saw of who had which address, put together out of several watches (S10)."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from otterize_pcap.intervals import OPEN
from otterize_pcap.snapshot.object_fields import address_of, time_of
from otterize_pcap.snapshot.objects import (
    Observed,
    Watch,
)

WatchedInterval = tuple[int | None, int]
WatchedIntervals = Mapping[str, Mapping[bytes, list[WatchedInterval]]]
"""Object uid → address → intervals of (start or None, end or OPEN) in nanoseconds."""


class _Seen(Struct):
    """The intervals of one object and address, and the last watch that saw them."""

    intervals: list[WatchedInterval]
    watch: int


def watched_intervals(watches: Iterable[Watch], where: str) -> WatchedIntervals:
    """The intervals that watches saw, whatever the order in which they are given.

    What lasted when one watch ended goes on in a later one that saw it too, and was over when a
    later one began that did not.

    Raises:
        SnapshotError: A time or an address is none.
    """
    ordered = _in_order(watches, where)
    seen: dict[tuple[str, bytes], _Seen] = {}
    for number, (_, watch) in enumerate(ordered):
        for (uid, address), intervals in sorted(_by_address(watch.observed, where).items()):
            known = seen.get((uid, address))
            if known is None:
                seen[uid, address] = _Seen(intervals, number)
            else:
                known.intervals = _joined(known.intervals, intervals)
                known.watch = number
    begun = [time for time, _ in ordered]
    found: dict[str, dict[bytes, list[WatchedInterval]]] = {}
    for (uid, address), known in seen.items():
        found.setdefault(uid, {})[address] = _ended(known, begun)
    return found


def _in_order(watches: Iterable[Watch], where: str) -> list[tuple[int | None, Watch]]:
    """Each watch that saw anything once, with its beginning, by time."""
    distinct: list[Watch] = []
    for watch in watches:
        if watch.observed and watch not in distinct:
            distinct.append(watch)
    timed = [
        (time_of(begun, where, "otterize") if begun else None, watch)
        for watch in distinct
        for begun in [watch.watch_start or watch.taken_at]
    ]
    return sorted(timed, key=lambda entry: (entry[0] or -1, str(entry[1])))


def _by_address(
    observed: Iterable[Observed], where: str
) -> dict[tuple[str, bytes], list[WatchedInterval]]:
    found: dict[tuple[str, bytes], list[WatchedInterval]] = {}
    for entry in observed:
        what = f"observed {entry.kind} {entry.uid}"
        start = time_of(entry.start, where, what) if entry.start else None
        end = time_of(entry.end, where, what) if entry.end else OPEN
        address = address_of(entry.ip, where, what)
        found.setdefault((entry.uid, address), []).append((start, end))
    for intervals in found.values():
        intervals.sort(key=lambda interval: (interval[0] or -1, interval[1]))
    return found


def _joined(
    earlier: Sequence[WatchedInterval], later: Sequence[WatchedInterval]
) -> list[WatchedInterval]:
    """Two watches' intervals, those that are one hold made one."""
    joined = list(earlier)
    for start, end in later:
        last_start, last_end = joined[-1]
        if start is not None and start > last_end:
            joined.append((start, end))
        elif last_start is None or start is None:
            joined[-1] = (None, min(last_end, end))
        elif end >= last_start:
            joined[-1] = (min(last_start, start), min(last_end, end))
        # Else the later watch's first list still tells of a hold that is known already.
    return joined


def _ended(seen: _Seen, begun: Sequence[int | None]) -> list[WatchedInterval]:
    after = seen.watch + 1
    start, end = seen.intervals[-1]
    over = begun[after] if after < len(begun) else None
    if end < OPEN or over is None:
        return seen.intervals
    return [*seen.intervals[:-1], (start, over)]

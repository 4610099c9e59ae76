"""What a reader of a graph must know to trust it: clocks, and what the snapshot cannot say."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from otterize_pcap.addresses import format_address
from otterize_pcap.graph.naming import printable
from otterize_pcap.graph.service_graph import FileCoverage
from otterize_pcap.intervals import Interval
from otterize_pcap.resolve.changes_of_hands import ChangesOfHands
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.timestamps import SECOND_NS, format_time

SINGLE_POINT = "snapshot is a single point in time"

# For so long what a snapshot without a watch says is taken to be still, or already, so.
FRESH_NS = 600 * SECOND_NS
SHOWN_LEFT_OUT = 3
MAX_LISTED = 4


def clock_notes(offsets: Mapping[str, int], other_readings: Sequence[int]) -> Iterator[str]:
    """How far nodes' clocks were apart, and whether anything says which was right (S12)."""
    if not other_readings:
        for node, offset in sorted(offsets.items()):
            yield f"clock of {node} was {offset / SECOND_NS:+.3f} s off; corrected"
        return
    apart = ", ".join(
        f"{node} {offset / SECOND_NS:+.3f} s" for node, offset in sorted(offsets.items())
    )
    yield (
        f"clocks disagree ({apart}, by the others), and nothing says which is right: what would be "
        "another pod's by one of them is ambiguous (`otterize capture` measures clocks)"
    )


def left_out_notes(snapshot: Snapshot) -> Iterator[str]:
    """What of the snapshot could not be used, and pods without any address."""
    if snapshot.left_out:
        shown = "; ".join(snapshot.left_out[:SHOWN_LEFT_OUT])
        more = len(snapshot.left_out) - SHOWN_LEFT_OUT
        rest = f"; and {more} more, see `otterize snapshot inspect`" if more > 0 else ""
        yield f"left out of the snapshot: {printable(shown)}{rest}"
    unknown = sum(1 for pod in snapshot.pods if not pod.addresses)
    if unknown and unknown == len(snapshot.pods):
        yield "no pod of the snapshot has an address: was its status left out?"


def hands_notes(hands: ChangesOfHands, ambiguous: int, snapshot: Snapshot) -> Iterator[str]:
    """Changes of hands that no watch saw, or that packets cannot show where it matters (S12)."""
    if hands.unseen:
        listed = ", ".join(map(format_address, hands.unseen[:MAX_LISTED]))
        more = len(hands.unseen) - MAX_LISTED
        yield (
            f"packets show that {listed}{f' and {more} more' if more > 0 else ''} changed hands, "
            "but the snapshot, which watched, has one pod there: all is counted as that one's"
        )
    if not hands.are_hidden or not (ambiguous or not snapshot.watches):
        return
    if hands.are_of_known_nodes:
        why = "no interface of a pod's own was recorded"
        advice = "record all interfaces of the pods' nodes (-i any, tcpdump 4.99 or newer)"
    else:
        why = "no recording is named like a node that pods are on"
        advice = "name each after its node (NODE.pcap)"
    yield f"{why}, so that packets do not show when an address changed hands: {advice}"


def unrecorded_notes(
    snapshot: Snapshot, recorded: Collection[str], told: Collection[str], last_ns: int | None
) -> Iterator[str]:
    """Which nodes had pods and no recording, where recordings are named after nodes.

    Args:
        snapshot: Which pods were where.
        recorded: The nodes that recordings are of.
        told: The nodes of which the summary says what became of them.
        last_ns: When the last packet was.
    """
    nodes = {
        tenure.pod.node
        for tenures in snapshot.tenures.values()
        for tenure in tenures
        if last_ns is None or tenure.interval.end_ns >= last_ns
    } - {""}
    if nodes.isdisjoint(recorded):
        return
    missing = sorted(nodes - {*recorded, *told})
    if missing:
        more = f" and {len(missing) - MAX_LISTED} more" if len(missing) > MAX_LISTED else ""
        yield (
            f"nothing was recorded on {', '.join(missing[:MAX_LISTED])}{more}: what pods there "
            "said to each other is missing"
        )


def snapshot_notes(
    snapshot: Snapshot, files: Iterable[FileCoverage], slack_ns: int
) -> Iterator[str]:
    """What the snapshot cannot say of the packets' time (S13), and what of it was left out."""
    yield from left_out_notes(snapshot)
    times = [(file.first_ns, file.last_ns) for file in files]
    first = min((first for first, _ in times if first is not None), default=None)
    last = max((last for _, last in times if last is not None), default=None)
    begun, ended = snapshot.watch_start_ns, snapshot.watch_end_ns
    if begun is None or ended is None:
        taken = snapshot.taken_ns
        yield (
            SINGLE_POINT
            + (f" ({format_time(taken)})" if taken is not None else "")
            + ": pods that came or went unseen are missing from it, and names can be wrong where "
            "an address changed hands"
        )
        begun = ended = taken
        slack_ns += FRESH_NS
    if first is None or last is None:
        return
    if begun is not None and ended is not None:
        known = Interval(begun, ended)
        if not known.touches(first, last, slack_ns):
            yield "all packets lie outside the snapshot's time: were they recorded together?"
        elif snapshot.watch_end_ns is not None and not known.covers(first, last, slack_ns):
            yield (
                f"packets from {format_time(first)} to {format_time(last)}, but the snapshot "
                f"watched from {format_time(begun)} to {format_time(ended)}"
            )
        return
    newest = max(
        (tenure.interval.start_ns for held in snapshot.tenures.values() for tenure in held),
        default=None,
    )
    if newest is not None and last + slack_ns < newest:
        yield "all packets are older than the snapshot's newest pod; was it taken later?"

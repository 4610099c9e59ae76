"""What could have been a call and was not counted, and what to do about it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from otterize_pcap.counted import counted
from otterize_pcap.flow_logs.flow import RECORD
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import NEVER_CALLS, Coverage
from otterize_pcap.resolve.build_graph import HIDDEN_HALF, HIDDEN_ONE_WAY
from otterize_pcap.resolve.resolution import CHANGED_HANDS
from otterize_pcap.resolve.tunnel_ends import LEFT_CLOSED
from otterize_pcap.resolve.would_show import WATCH

CUT_OFF = "cut off in "
_PACKETS: tuple[tuple[str, str, str], ...] = (
    (
        CUT_OFF,
        "cut off by the capture's snaplen before they say whose they are",
        "record more of each (tcpdump -s 0, otterize capture --snaplen)",
    ),
    (
        "malformed ",
        "malformed",
        "-v says which; the capture may be damaged",
    ),
    (
        "encrypted tunnel",
        "in encrypted tunnels between nodes (WireGuard, ESP)",
        "record the pods' interfaces too (-i any)",
    ),
    (
        "fragment without its first",
        "later fragments of which the first was not recorded",
        "record without a filter on ports",
    ),
    (
        "link type ",
        "of a link type that is not supported",
        "record with tcpdump -i any, or on an Ethernet interface",
    ),
    (
        "nested too deeply",
        "nested too deeply in tunnels",
        "record inside of the outer ones",
    ),
    (
        "inside a tunnel that was left closed",
        "inside tunnels that were left closed",
        "--tunnel-endpoints opens those that are not pods'",
    ),
)
"""How a reason begins, what is said of it, and what to do."""

_CONNECTIONS: tuple[tuple[FateKind, str, str, str], ...] = (
    (
        FateKind.AMBIGUOUS,
        "",
        "`otterize explain` names whom it may have been",
        WATCH,
    ),
    (
        FateKind.UNDIRECTED,
        "",
        "record from before they begin, or with conntrack (otterize capture saves it)",
        "",
    ),
    (FateKind.UNRESOLVED, "no pod had the address", "", WATCH),
    (
        FateKind.UNRESOLVED,
        CHANGED_HANDS.reason,
        "a snapshot from the other end of the capture may have it (--snapshot takes several)",
        WATCH,
    ),
    (
        FateKind.HIDDEN,
        HIDDEN_ONE_WAY.reason,
        "record both directions, or count them with --one-way-udp",
        "",
    ),
    (
        FateKind.HIDDEN,
        HIDDEN_HALF.reason,
        "record both directions, or with conntrack (otterize capture saves it)",
        "",
    ),
)
"""A kind of fate, how its reason begins, what to do, and what to do where there was no watch."""


def packet_lines(skipped: Iterable[tuple[str, int]]) -> Iterator[str]:
    """A line for each reason for which packets that may be of calls were left out."""
    found: Counter[tuple[str, str]] = Counter()
    for reason, packets in skipped:
        if packets and reason.startswith(RECORD):
            records_were = counted(packets, "flow-log record was", "flow-log records were")
            yield f"{records_were} left out: {reason.removeprefix(RECORD)}"
        elif packets and not reason.startswith(NEVER_CALLS):
            found[_said(reason)] += packets
    for (what, advice), packets in found.items():
        yield f"{counted(packets, 'packet was', 'packets were')} {what}" + (
            f": {advice}" if advice else ""
        )


def unseen_lines(coverage: Coverage) -> Iterator[str]:
    """What may have hidden packets from the mapper: left out, or inside closed tunnels."""
    yield from packet_lines(coverage.skipped)
    yield from (note for note in coverage.notes if LEFT_CLOSED in note)


def connection_lines(fates: Sequence[tuple[Fate, int]], *, watched: bool) -> Iterator[str]:
    """What would have told what became of connections that may be calls and are not counted."""
    for kind, beginning, always, unwatched in _CONNECTIONS:
        found = [
            (fate, count)
            for fate, count in fates
            if count and fate.kind is kind and fate.reason.startswith(beginning)
        ]
        advice = "; ".join(filter(None, (always, "" if watched else unwatched)))
        if found and advice:
            name = found[0][0].reason if beginning else kind.value
            yield f"{sum(count for _, count in found):,} {name}: {advice}"


def _said(reason: str) -> tuple[str, str]:
    for beginning, what, advice in _PACKETS:
        if reason.startswith(beginning):
            return what, advice
    return f"left out: {reason}", ""

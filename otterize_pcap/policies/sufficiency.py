"""Was enough seen of a workload to say what it needs: a verdict, and its reasons.

An incomplete observation becomes a policy that cuts a workload off. So a direction of which
something is known to have been missed, or of which nothing was seen, is never made a policy of:
what was not seen is not what is not needed.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from otterize_pcap.addresses import LINK_LOCAL, format_address, in_network
from otterize_pcap.counted import counted
from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.policies.exposure import Opening
from otterize_pcap.policies.needs import (
    AddressPeer,
    DnsPeer,
    Need,
    Needs,
    NodesPeer,
    need_order,
)
from otterize_pcap.policies.network_policy import EGRESS, INGRESS
from otterize_pcap.policies.observation import Observation, PodFacts
from otterize_pcap.policies.recorded_times import Span, joined, total_ns
from otterize_pcap.policies.verdict import BOTH, NO_GATES, Gates, Reason, ReasonKind, Verdict
from otterize_pcap.policies.workload_policy import peer_text
from otterize_pcap.snapshot.snapshot import ServedPort
from otterize_pcap.timestamps import SECOND_NS

SHOWN = 3
HOUR = timedelta(hours=1)


QUIET = (
    (INGRESS, "nobody was seen to call it", " but nodes"),
    (EGRESS, "it was not seen to call anybody", " but the cluster's DNS"),
)
HIDING = ("cut off in ", "link type ", "nested too deeply")
"""How reasons begin for which packets of calls that no other packet shows were not read."""


def judge(
    workload: Workload,
    observations: Sequence[Observation],
    needs: Iterable[Need],
    gates: Gates = NO_GATES,
    attempts: Needs = MappingProxyType({}),
) -> Verdict:
    """What was seen of a workload in all captures; `needs` are its own.

    `attempts` are calls of its own or to it that came to nothing, and that no rule would allow.
    """
    seen = _Seen(workload, observations)
    needs = frozenset(needs)
    reasons = (
        *_time_reasons(seen, gates),
        *_missed_reasons(seen, gates),
        *_attempt_reasons(seen, attempts, gates),
        *_need_reasons(seen, needs, gates),
    )
    return Verdict(
        observed_ns=total_ns(seen.spans),
        captures=seen.captures,
        hours=hours_of(seen.spans),
        pods=sum(1 for pod in seen.pods if not pod.host_network),
        nodes=tuple(sorted(seen.nodes)),
        restarted=seen.started,
        reasons=reasons,
    )


class _Seen:
    """What several captures say of one workload."""

    def __init__(self, workload: Workload, observations: Sequence[Observation]) -> None:
        within = [one for one in observations if workload in one.coverage]
        found = [one.coverage[workload] for one in within]
        whole = [one.coverage[workload] for one in within if _is_whole(one, workload)]
        self.is_whole = bool(whole)
        # Where a capture shows it whole, what others lack is but time that went unseen.
        shown = whole or found
        self.spans = joined(span for one in shown for span in one.spans)
        self.captures = sum(1 for one in shown if one.spans)
        self.nodes = frozenset(node for one in found for node in one.nodes)
        self.started = any(one.started for one in found)
        self.lacks = list(dict.fromkeys(lack for one in found for lack in one.lacks))
        self.looked_up = sorted({server for one in found for server in one.looked_up})
        self.from_outside = frozenset(served for one in found for served in one.from_outside)
        self.undecided: Counter[tuple[str, str]] = Counter()
        for one in found:
            for direction, text, count in one.undecided:
                self.undecided[direction, text] += count
        self.in_vain: Counter[str] = Counter()
        for one in found:
            self.in_vain.update(dict(one.in_vain))
        self.unread = Counter[str]()
        for each in observations:
            self.unread.update(each.unread)
        self.pods: list[PodFacts] = [
            pod for one in observations for pod in one.pods.get(workload, ())
        ]


def _is_whole(one: Observation, workload: Workload) -> bool:
    """Whether a capture shows all of a workload for as long as it lasted."""
    seen = one.coverage[workload]
    hides = any(reason.startswith(HIDING) for reason in one.unread)
    return bool(seen.spans) and not seen.lacks and not hides


def _time_reasons(seen: _Seen, gates: Gates) -> Iterator[Reason]:
    observed = total_ns(seen.spans)
    hours = len(hours_of(seen.spans))
    text = (
        f"observed for {duration_text(observed)} in {counted(seen.captures, 'capture')}, "
        f"at {hours} of 24 hours of the day"
    )
    if observed < gates.min_observed_ns:
        text += f"; {duration_text(gates.min_observed_ns)} are asked for"
        yield Reason(ReasonKind.OBSERVED, text, BOTH)
    else:
        yield Reason(ReasonKind.OBSERVED, text)
    if seen.captures < gates.min_captures:
        yield Reason(
            ReasonKind.CAPTURES,
            f"{counted(gates.min_captures, 'capture is', 'captures are')} asked for",
            BOTH,
        )
    if not seen.started:
        text = "no pod of it started meanwhile: calls at start-up were not seen"
        yield Reason(ReasonKind.RESTART, text, BOTH if gates.restart else ())


def _missed_reasons(seen: _Seen, gates: Gates) -> Iterator[Reason]:
    """What is known to have been missed."""
    is_accepted = seen.is_whole or ReasonKind.GAPS in gates.accepted
    out: tuple[str, ...] = () if is_accepted else BOTH
    for lack in seen.lacks:
        yield Reason(ReasonKind.GAPS, lack, out)
    for text, count in sorted(seen.unread.items()):
        hides = text.startswith(HIDING)
        yield Reason(
            ReasonKind.GAPS,
            f"{counted(count, 'packet was', 'packets were')} not read: {text}",
            out if hides else (),
        )
    yield from _undecided_reasons(seen, gates)


def _undecided_reasons(seen: _Seen, gates: Gates) -> Iterator[Reason]:
    """Connections that may be its own."""
    directions: dict[str, set[str]] = defaultdict(set)
    for direction, text in seen.undecided:
        directions[text].add(direction)
    texts = sorted(directions)
    for text in texts[:SHOWN]:
        count = max(seen.undecided[direction, text] for direction in directions[text])
        what = f"{counted(count, 'connection')} undecided: {text}"
        yield Reason(ReasonKind.UNDECIDED, what, _left_out(directions[text], gates))
    rest = texts[SHOWN:]
    if rest:
        found = {direction for text in rest for direction in directions[text]}
        what = f"{len(rest)} more kinds of connections are undecided"
        yield Reason(ReasonKind.UNDECIDED, what, _left_out(found, gates))


def _left_out(directions: Collection[str], gates: Gates) -> tuple[str, ...]:
    """The directions that undecided connections leave out."""
    if ReasonKind.UNDECIDED in gates.accepted:
        return ()
    return tuple(each for each in BOTH if each in directions)


def _attempt_reasons(seen: _Seen, attempts: Needs, gates: Gates) -> Iterator[Reason]:
    """Calls that came to nothing and never to more: who was down is called again.

    Its own, and those of others to where it is meant to listen: not what a scan finds closed.
    """
    declared = {port for pod in seen.pods for port in (*pod.ports, *pod.exposed)}
    texts: dict[str, dict[str, int]] = {direction: {} for direction in BOTH}
    for need, sighting in sorted(attempts.items(), key=lambda each: need_order(each[0])):
        served = (need.protocol, need.port)
        name = peer_text(need.peer)
        if need.direction == EGRESS:
            texts[EGRESS][f"to {name} {ports_text([served])}"] = sighting.connections
        elif served in declared or sighting.services:
            texts[INGRESS][f"from {name} to {ports_text([served])}"] = sighting.connections
    texts[EGRESS].update(sorted(seen.in_vain.items()))
    is_accepted = ReasonKind.ATTEMPTS in gates.accepted
    for direction, found in texts.items():
        out = () if is_accepted else (direction,)
        for text, count in list(found.items())[:SHOWN]:
            tried = f"{counted(count, 'attempt')} came to nothing and would be denied: {text}"
            yield Reason(ReasonKind.ATTEMPTS, tried, out)
        if len(found) > SHOWN:
            more = f"{len(found) - SHOWN} more kinds of attempts came to nothing"
            yield Reason(ReasonKind.ATTEMPTS, more, out)


def _need_reasons(seen: _Seen, needs: Collection[Need], gates: Gates) -> Iterator[Reason]:
    """What its needs, beside what is known of it, say of calls that were not seen."""
    exposed = {served for pod in seen.pods for served in pod.exposed}
    let_in = exposed & seen.from_outside
    for direction, text, but in QUIET:
        its = [need for need in needs if need.direction == direction]
        if not any(_is_call(need, let_in) for need in its):
            yield Reason(ReasonKind.QUIET, f"{text}{but if its else ''}", (direction,))
    yield from _outside_reasons(needs)
    if seen.looked_up:
        names = ", ".join(map(full_name, seen.looked_up[:SHOWN]))
        more = f" and {len(seen.looked_up) - SHOWN} more" if len(seen.looked_up) > SHOWN else ""
        text = f"it asked DNS for {names}{more} and was not seen to call them"
        yield Reason(ReasonKind.LOOKUPS, text, (EGRESS,) if gates.lookups else ())
    called = {(need.protocol, need.port) for need in needs if need.direction == INGRESS}
    unused = sorted({port for pod in seen.pods for port in pod.ports} - called)
    if unused:
        text = f"declared ports that nobody called: {ports_text(unused)}"
        yield Reason(ReasonKind.PORTS, text, (INGRESS,) if gates.ports else ())
    yield from _exposed_reasons(seen, gates)


def _outside_reasons(needs: Collection[Need]) -> Iterator[Reason]:
    """Servers outside, whose addresses need not stay what they are."""
    peers = {
        need.peer
        for need in needs
        if need.direction == EGRESS
        and isinstance(need.peer, AddressPeer)
        # The cloud's own services have the same addresses on every node.
        and not in_network(need.peer.address, LINK_LOCAL)
    }
    if peers:
        names = sorted({peer.name or format_address(peer.address) for peer in peers})
        shown = ", ".join(names[:SHOWN]) + (" and others" if len(names) > SHOWN else "")
        called = f"it called {counted(len(names), 'server')} outside ({shown})"
        yield Reason(ReasonKind.OUTSIDE, f"{called}, whose addresses may change")


def _exposed_reasons(seen: _Seen, gates: Gates) -> Iterator[Reason]:
    """Ports that are open to the outside, where nobody came from there."""
    exposed: dict[ServedPort, Opening] = {}
    for pod in seen.pods:
        exposed.update(pod.exposed)
    out = () if ReasonKind.EXPOSED in gates.accepted else (INGRESS,)
    for served, opening in sorted(exposed.items(), key=lambda each: each[0]):
        if served not in seen.from_outside:
            text = (
                f"{opening.text} opens {ports_text([served])} to the outside, and nobody called "
                "from there"
            )
            yield Reason(ReasonKind.EXPOSED, text, out)


def _is_call(need: Need, let_in: Collection[ServedPort]) -> bool:
    """Whether a need says more of a workload than that it runs: lookups and probes do not.

    What comes from a node comes from outside at the ports where somebody was let in from there.
    """
    if need.direction == EGRESS:
        return not isinstance(need.peer, DnsPeer)
    return not isinstance(need.peer, NodesPeer) or (need.protocol, need.port) in let_in


def hours_of(spans: Iterable[Span]) -> tuple[int, ...]:
    """The hours of the day (UTC) that some spans touch."""
    found: set[int] = set()
    for start, end in spans:
        if end - start >= 24 * 3600 * SECOND_NS:
            return tuple(range(24))
        first = datetime.fromtimestamp(start // SECOND_NS, UTC).replace(minute=0, second=0)
        while first.timestamp() * SECOND_NS <= end:
            found.add(first.hour)
            first += HOUR
    return tuple(sorted(found))


def duration_text(time_ns: int) -> str:
    """A length of time as people write it: `1.5s`, `12m`, `3h20m`, `2d4h`."""
    seconds = time_ns / SECOND_NS
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes}m" if minutes else f"{hours}h"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours}h" if hours else f"{days}d"


def ports_text(ports: Iterable[ServedPort]) -> str:
    """Ports as `TCP 80, UDP 53`."""
    return ", ".join(f"{protocol} {port}" for protocol, port in ports)

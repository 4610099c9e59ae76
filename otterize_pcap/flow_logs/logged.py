"""What the flow logs of one capture come to: connections, DNS answers, what they do not show."""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from otterize_pcap.flow_logs.connect_flows import connect_logs
from otterize_pcap.flow_logs.flow import Answer, LogRecords, Writer
from otterize_pcap.flow_logs.judge_flows import LoggedConnection
from otterize_pcap.snapshot.snapshot import Snapshot

SHOWN = 3
LACKS = {
    Writer.HUBBLE: (
        "Hubble's flows are a sample: Cilium aggregates events, a node keeps its last ones only, "
        "and the command that wrote them chose some"
    ),
    Writer.NETOBSERV: (
        "NetObserv's flows are a sample: agents look at one in so many packets and add up what "
        "they see, and the query that exported them chose some"
    ),
}
"""Why a call that a flow log does not show may have been there."""


class Logged(Struct, frozen=True):
    """The connections of all logs, by time; `answers` are DNS answers that a log shows."""

    connections: tuple[LoggedConnection, ...]
    answers: tuple[Answer, ...] = ()


def logged_of(logs: Sequence[LogRecords]) -> Logged:
    """Put the records of flow logs together."""
    answers = tuple(answer for log in logs for answer in log.answers)
    return Logged(tuple(connect_logs(logs)), answers)


def passed_over(logs: Sequence[LogRecords]) -> Counter[str]:
    """How many records are of no connection, by reason."""
    found: Counter[str] = Counter()
    for log in logs:
        found.update(log.passed_over)
    return found


def log_notes(logs: Sequence[LogRecords], logged: Logged, given: Snapshot | None) -> Iterator[str]:
    """What a reader must know of flow logs: sampling, odd fields, pods without their owner.

    `given` is the snapshot that belongs to them, if any.
    """
    for log in logs:
        if log.sampled > 1:
            yield f"{log.file}: one in {log.sampled} packets was looked at; calls may be missing"
        if log.odd:
            shown = "; ".join(list(log.odd)[:SHOWN])
            more = f"; and {len(log.odd) - SHOWN} more" if len(log.odd) > SHOWN else ""
            yield f"left out of {log.file}: {shown}{more}"
    ends = [end for one in logged.connections for end in (*one.clients, *one.servers) if end.pod]
    named = {(end.namespace, end.pod) for end in ends if end.owners}
    named.update((pod.namespace, pod.name) for pod in (given.pods if given else ()))
    nameless = {(end.namespace, end.pod) for end in ends} - named
    if nameless and any(log.writer is Writer.HUBBLE for log in logs):
        yield (
            f"the log does not say what made {len(nameless)} of its pods, which are named by "
            "themselves: --snapshot tells, or a label (--workload-label)"
        )

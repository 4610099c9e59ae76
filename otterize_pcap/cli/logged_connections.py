"""`otterize connections` of flow logs: their connections, and what they hold."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from otterize_pcap.connections.listed import ListedConnection
from otterize_pcap.counted import counted
from otterize_pcap.flow_logs.connect_flows import connect_logs
from otterize_pcap.flow_logs.flow import LogRecords
from otterize_pcap.flow_logs.logged import LACKS
from otterize_pcap.render.connections import shown_connection


def listed_of_logs(logs: Sequence[LogRecords], *, legs: bool) -> list[ListedConnection]:
    """The connections of flow logs by time, or each observation of them."""
    parts = [replace(log, flows=[flow]) for log in logs for flow in log.flows] if legs else []
    found = [each for part in parts for each in connect_logs([part])] or connect_logs(logs)
    return sorted(
        (shown_connection(each.connection) for each in found),
        key=lambda shown: (shown.first_ns, shown.file, shown.packet),
    )


def log_lines(logs: Sequence[LogRecords]) -> Iterator[str]:
    """What each log held, and why it does not show all."""
    for log in logs:
        flows = counted(len(log.flows), "flow")
        yield f"{log.file}: {counted(log.records, 'record')}, {flows}"
        yield from (f"  {count} left out: {why}" for why, count in log.passed_over.items())
        if log.lost:
            yield f"  {counted(log.lost, 'event')} lost before they were logged"
        if log.damage:
            yield f"  {log.damage}"
        yield f"  {LACKS[log.writer]}"

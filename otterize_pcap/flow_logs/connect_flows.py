"""Flows of a log → connections: observations of one connection put together, directed and judged.

Order does not matter: flows are taken by their times and what they say, and a flow that is there
twice counts once.
"""

from collections.abc import Sequence

from otterize_pcap.flow_logs.flow import LogRecords
from otterize_pcap.flow_logs.gather_flows import gathered
from otterize_pcap.flow_logs.join_services import joined, translated
from otterize_pcap.flow_logs.judge_flows import LoggedConnection, judged, served_endpoints

MOST_FLOWS = 2_000_000
"""Flows of all logs of one capture; a million take 1 GB."""


def connect_logs(logs: Sequence[LogRecords]) -> list[LoggedConnection]:
    """All connections of the logs of one capture, by time."""
    begun = list(gathered(logs))
    served = served_endpoints(begun)
    found = [judged(each, served) for each in begun]
    return sorted(joined(translated(found, logs)), key=_order)


def _order(one: LoggedConnection) -> tuple[object, ...]:
    connection = one.connection
    return (
        connection.first_ns,
        connection.protocol,
        connection.clients,
        connection.servers,
        connection.last_ns,
    )

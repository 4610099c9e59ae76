"""NetObserv's flows (its console's export, its CLI, Loki's answers, Kafka, IPFIX) → flows.

Fields and meaning are those of "Network Flows format reference"
(network-observability-operator, docs/flows-format.adoc). A record is what one interface saw one way
in some seconds, in JSON or as a line of CSV, where all values are text.
"""

from typing import Any

from otterize_pcap.addresses import format_address
from otterize_pcap.connections.rule import Rule
from otterize_pcap.flow_logs.fields import Fields
from otterize_pcap.flow_logs.flow import (
    DESTINATION,
    SOURCE,
    Flow,
    LoggedEnd,
    LogRecords,
    Shows,
    StandsFor,
    owners_of,
)
from otterize_pcap.packets.protocols import ACK, FIN, PROTOCOL_NAMES, PSH, RST, SYN, TCP
from otterize_pcap.timestamps import SECOND_NS

SYN_ACK, FIN_ACK, RST_ACK = 0x100, 0x200, 0x400
"""Beyond TCP's own flags: some packet had both. Such a packet sets none of the others."""
FLOW_LOG = "flowLog"
"""The `_RecordType` of what is no conversation; those of one have again what came before."""


class NetObservReader:
    """Reads the records of one file, in any order."""

    def __init__(self, found: LogRecords) -> None:
        self._found = found
        self._ends: dict[LoggedEnd, LoggedEnd] = {}

    def read(self, record: dict[str, Any], line: int) -> None:
        """Take in one record."""
        found = self._found
        fields = Fields(record, "$", found.odd)
        addresses = fields.address("SrcAddr"), fields.address("DstAddr")
        times = _times(fields)
        if times is None:
            found.pass_over("without a time")
            return
        found.note_time(*times)
        if addresses[0] is None or addresses[1] is None:
            found.pass_over("without addresses")
            return
        protocol = fields.number("Proto")
        if protocol not in PROTOCOL_NAMES:
            found.pass_over_protocol()
            return
        found.sampled = max(found.sampled, fields.number("Sampling") or 1)
        ends = self._end(fields, "Src", addresses[0]), self._end(fields, "Dst", addresses[1])
        packets = fields.number("Packets") or 0
        shows = _shows(fields, protocol, packets)
        client, rule = _direction(ends, shows)
        node = _observer(fields)
        for way in _ways(fields, packets):
            forth = way[0] == SOURCE
            found.flows.append(
                Flow(
                    *(ends if forth else (ends[1], ends[0])),
                    protocol=protocol,
                    first_ns=times[0],
                    last_ns=times[1],
                    client=client if client is None or forth else 1 - client,
                    rule=rule,
                    shows=shows,
                    node=node,
                    view=_view(fields, node),
                    file=found.file,
                    line=line,
                    packets=way[1],
                    bytes=way[2],
                )
            )

    def finish(self) -> None:
        """Nothing is put together of several records."""

    def _end(self, fields: Fields, side: str, address: bytes) -> LoggedEnd:
        def told(what: str) -> str:
            return fields.text(f"{side}K8S_{what}")

        kind, name, namespace = told("Type"), told("Name"), told("Namespace")
        is_pod = kind == "Pod"
        owner = (told("OwnerType"), told("OwnerName"))
        end = LoggedEnd(
            address,
            fields.port(f"{side}Port"),
            namespace=namespace if is_pod else "",
            pod=name if is_pod else "",
            # A pod that nothing made is called its own owner.
            owners=owners_of([owner] if is_pod and owner != ("Pod", name) else []),
            node=told("HostName") if is_pod else "",
            stands_for=StandsFor.NODE if kind == "Node" else StandsFor.UNSAID,
            service=f"{name}.{namespace}" if kind == "Service" and name and namespace else "",
        )
        return self._ends.setdefault(end, end)


def _times(fields: Fields) -> tuple[int, int] | None:
    """When a flow began and ended; when it was received where it does not say."""
    first, last = fields.milliseconds("TimeFlowStartMs"), fields.milliseconds("TimeFlowEndMs")
    if first is None and last is None:
        received = fields.number("TimeReceived")
        if received is None or received > (1 << 62) // SECOND_NS:
            return None
        first = last = received * SECOND_NS
    first = last if first is None else first
    last = first if last is None else last
    assert first is not None and last is not None  # noqa: S101, PT018 - for mypy
    return min(first, last), max(first, last)


def _shows(fields: Fields, protocol: int, packets: int) -> int:
    """What TCP's flags show, and whether all packets were dropped."""
    shows = _flags_show(fields.number("Flags") if protocol == TCP else None)
    if packets and (fields.number("PktDropPackets") or 0) >= packets:
        shows |= Shows.DROPPED
    return shows


def _flags_show(flags: int | None) -> int:
    """What the flags of a flow's packets, all in one number, show."""
    if not flags:
        return 0
    shows = Shows.FLAGGED
    for mask, what in (
        (SYN, Shows.OPENS),
        (SYN_ACK, Shows.ACCEPTS),
        (ACK | FIN_ACK, Shows.ACKNOWLEDGES),
        (PSH | FIN | FIN_ACK, Shows.GOES_ON),
        (FIN | FIN_ACK | RST | RST_ACK, Shows.CLOSES),
        (RST | RST_ACK, Shows.RESETS),
    ):
        shows |= what if flags & mask else 0
    return shows


def _direction(ends: tuple[LoggedEnd, LoggedEnd], shows: int) -> tuple[int | None, Rule]:
    """Who of the two is the client, as the record itself tells.

    Whoever sent a SYN with ACK is the server, and nobody calls from a Service's address. A SYN
    alone proves nothing here: what IPFIX exporters add up has it for both sides.
    """
    if shows & Shows.ACCEPTS:
        return DESTINATION, Rule.NETOBSERV_FLAGS
    if ends[1].service and not ends[0].service:
        return SOURCE, Rule.NETOBSERV_SERVICE
    if ends[0].service and not ends[1].service:
        return DESTINATION, Rule.NETOBSERV_SERVICE
    return None, Rule.UNDIRECTED


def _ways(fields: Fields, packets: int) -> list[tuple[int, int, int]]:
    """(from whom, packets, bytes): one way, or both of a conversation."""
    there = fields.number("Packets_AB") or 0, fields.number("Bytes_AB") or 0
    back = fields.number("Packets_BA") or 0, fields.number("Bytes_BA") or 0
    if any(there) or any(back):
        ways = [(SOURCE, *there), (DESTINATION, *back)]
        return [way for way in ways if way[1] or way[2]]
    return [(SOURCE, packets, fields.number("Bytes") or 0)]


def _observer(fields: Fields) -> str:
    """The node that saw it: the one whose agent wrote it."""
    address = fields.address("AgentIP")
    agent = format_address(address) if address else ""
    for side in ("Src", "Dst"):
        if agent and fields.text(f"{side}K8S_HostIP") == agent:
            return fields.text(f"{side}K8S_HostName") or agent
    return agent


def _view(fields: Fields, node: str) -> str:
    """Who counted: a node's agent at an interface; a conversation's records count it all, each."""
    seen = fields.texts("Interfaces") or fields.texts("Interface")
    kind = fields.text("_RecordType")
    if kind not in ("", FLOW_LOG):
        seen = [*seen, kind, str(fields.number("TimeFlowEndMs"))]
    return " ".join((node, *seen))

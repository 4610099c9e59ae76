"""The connection table as text, JSON or CSV, a line a connection and no line more than needed.

Each format yields lines one by one: a table of millions is written while it is made.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from otterize_pcap.addresses import format_address, format_endpoint
from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.legs import Flow, Leg, Recording
from otterize_pcap.connections.outcome import outcome_of
from otterize_pcap.table.rows import Endpoint, Row
from otterize_pcap.timestamps import format_time

PROTOCOLS = {6: "TCP", 17: "UDP", 132: "SCTP"}
HANDSHAKE, UNDIRECTED = "S30", "S36"

CSV_COLUMNS = (
    "protocol,client_ip,client_port,server_ip,server_port,rule,outcome,syn,packets_to_server,"
    "packets_to_client,bytes_to_server,bytes_to_client,first,last,tunnels,file,packet"
)


@dataclass(frozen=True, slots=True)
class ShownConnection:
    """One line: a connection, or one leg of one.

    Counts are (to the server, to the client), times ns since the epoch; `tunnels` are names from
    the outside in; `packet` is the number of its first packet in `file`.
    """

    protocol: int
    client: Endpoint
    server: Endpoint
    rule: str
    outcome: str
    syns: int
    packets: tuple[int, int]
    bytes: tuple[int, int]
    first_ns: int
    last_ns: int
    tunnels: tuple[str, ...]
    file: str
    packet: int


def shown_connection(connection: Connection) -> ShownConnection:
    """A connection from where it began to where it ended, whatever NAT was between."""
    first = connection.legs[0]
    return ShownConnection(
        protocol=connection.protocol,
        client=connection.clients[0],
        server=connection.servers[-1],
        rule=connection.rule,
        outcome=connection.outcome,
        syns=connection.syns,
        packets=connection.packets,
        bytes=connection.bytes,
        first_ns=connection.first_ns,
        last_ns=connection.last_ns,
        tunnels=tuple(tunnel.kind for tunnel in first.row.tunnels),
        file=first.file,
        packet=first.row.number,
    )


def shown_leg(row: Row, recording: Recording, offset_ns: int = 0) -> ShownConnection:
    """One row as it was recorded; only a handshake says who is the client.

    `offset_ns` is how far the clock of its node was ahead.
    """
    client = row.first_sender if row.client is None else row.client
    sent, answered = row.sides[client], row.sides[1 - client]
    ends = (row.low, row.high)
    flow = Flow(Leg(recording, row, row.first_ns, row.last_ns))
    outcome = outcome_of([flow], [client], assured=False)
    # A flow names itself as the one that it was joined to: without this every row would stay.
    del flow.joined
    return ShownConnection(
        protocol=row.protocol,
        client=ends[client],
        server=ends[1 - client],
        rule=UNDIRECTED if row.client is None else HANDSHAKE,
        outcome=outcome,
        syns=sent.syns,
        packets=(sent.packets, answered.packets),
        bytes=(sent.bytes, answered.bytes),
        first_ns=row.first_ns - offset_ns,
        last_ns=row.last_ns - offset_ns,
        tunnels=tuple(tunnel.kind for tunnel in row.tunnels),
        file=recording.files[row.part],
        packet=row.number,
    )


def render_text(connections: Iterable[ShownConnection]) -> Iterator[str]:
    """One line each, for eyes: columns are padded, and long addresses push them."""
    for shown in connections:
        ends = f"{format_endpoint(shown.client):<21} -> {format_endpoint(shown.server):<21}"
        packets = f"packets {shown.packets[0]}/{shown.packets[1]}"
        sizes = f"bytes {shown.bytes[0]}/{shown.bytes[1]}"
        where = f"{shown.file}#{shown.packet}"
        tunnels = f"  in {' in '.join(reversed(shown.tunnels))}" if shown.tunnels else ""
        yield (
            f"{_protocol(shown):<4} {ends} {shown.outcome:<11} {shown.rule:<4} "
            f"{format_time(shown.first_ns)}  {packets}  {sizes}  {where}{tunnels}\n"
        )


def render_json(connections: Iterable[ShownConnection]) -> Iterator[str]:
    """A JSON array with one object a line."""
    before = "[\n"
    for shown in connections:
        document = {
            "protocol": _protocol(shown),
            "client": {"ip": format_address(shown.client[0]), "port": shown.client[1]},
            "server": {"ip": format_address(shown.server[0]), "port": shown.server[1]},
            "rule": shown.rule,
            "outcome": shown.outcome,
            "syn": shown.syns,
            "packets": shown.packets,
            "bytes": shown.bytes,
            "first": format_time(shown.first_ns),
            "last": format_time(shown.last_ns),
            "tunnels": shown.tunnels,
            "file": shown.file,
            "packet": shown.packet,
        }
        yield before + json.dumps(document)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def render_csv(connections: Iterable[ShownConnection]) -> Iterator[str]:
    """RFC 4180 with a header line; tunnels are separated by spaces."""
    yield CSV_COLUMNS + "\r\n"
    for shown in connections:
        fields = (
            _protocol(shown),
            format_address(shown.client[0]),
            shown.client[1],
            format_address(shown.server[0]),
            shown.server[1],
            shown.rule,
            shown.outcome,
            shown.syns,
            *shown.packets,
            *shown.bytes,
            format_time(shown.first_ns),
            format_time(shown.last_ns),
            " ".join(shown.tunnels),
            _quoted(shown.file),
            shown.packet,
        )
        yield ",".join(map(str, fields)) + "\r\n"


def _protocol(shown: ShownConnection) -> str:
    return PROTOCOLS.get(shown.protocol, str(shown.protocol))


def _quoted(field: str) -> str:
    if any(character in field for character in ',"\r\n'):
        return '"' + field.replace('"', '""') + '"'
    return field


RENDERERS: dict[str, Callable[[Iterable[ShownConnection]], Iterator[str]]] = {
    "text": render_text,
    "json": render_json,
    "csv": render_csv,
}

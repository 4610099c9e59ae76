"""The connection table as text, JSON or CSV, a line a connection and no line more than needed.

Each format yields lines one by one: a table of millions is written while it is made.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import tee
from typing import NamedTuple, TypeVar

from otterize_pcap.addresses import format_address, format_endpoint
from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.legs import Flow, Leg, Recording
from otterize_pcap.connections.listed import ListedConnection
from otterize_pcap.connections.outcome import outcome_of
from otterize_pcap.connections.rule import Rule
from otterize_pcap.graph.naming import printable
from otterize_pcap.packets.protocols import PROTOCOL_NAMES
from otterize_pcap.table.rows import Row
from otterize_pcap.timestamps import SECOND_NS, format_time

Value = TypeVar("Value")
MOST_KEPT = 65536

CSV_COLUMNS = (
    "protocol,client_ip,client_port,server_ip,server_port,rule,outcome,syn,packets_to_server,"
    "packets_to_client,bytes_to_server,bytes_to_client,first,last,tunnels,file,packet"
)


def shown_connection(connection: Connection) -> ListedConnection:
    """A connection from where it began to where it ended, whatever NAT was between."""
    first = connection.legs[0]
    return ListedConnection(
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


def shown_leg(row: Row, recording: Recording, offset_ns: int = 0) -> ListedConnection:
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
    return ListedConnection(
        protocol=row.protocol,
        client=ends[client],
        server=ends[1 - client],
        rule=Rule.UNDIRECTED if row.client is None else Rule.HANDSHAKE,
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


def render_text(connections: Iterable[ListedConnection]) -> Iterator[str]:
    """One line each, for eyes: columns are padded, and long addresses push them."""
    protocol, host, time = Kept(_protocol), Kept(_host), Kept(_second)
    name = Kept(printable)
    for shown in connections:
        (
            (number, (client, client_port), (server, server_port), rule, outcome, _),
            ((sent, answered), (sent_bytes, answered_bytes), first_ns, _, tunnels, file, packet),
        ) = shown[:6], shown[6:]
        began, began_ns = divmod(first_ns, SECOND_NS)
        inside = f"  in {' in '.join(reversed(tunnels))}" if tunnels else ""
        yield (
            f"{protocol[number]:<4} {f'{host[client]}:{client_port}':<21} -> "
            f"{f'{host[server]}:{server_port}':<21} {outcome:<11} {rule:<4} "
            f"{time[began]}{began_ns:09d}Z  packets {sent}/{answered}  "
            f"bytes {sent_bytes}/{answered_bytes}  {name[file]}#{packet}{inside}\n"
        )


def render_json(connections: Iterable[ListedConnection]) -> Iterator[str]:
    """A JSON array with one object a line, as `json.dumps` writes it; see `render_csv`."""
    protocol, address, time = Kept(_protocol), Kept(format_address), Kept(_second)
    name, names = Kept[str](json.dumps), Kept[tuple[str, ...]](json.dumps)
    before = "[\n"
    for shown in connections:
        (
            (number, (client, client_port), (server, server_port), rule, outcome, syns),
            ((sent, answered), (sent_bytes, answered_bytes), first_ns, last_ns),
            (tunnels, file, packet),
        ) = shown[:6], shown[6:10], shown[10:]
        began, began_ns = divmod(first_ns, SECOND_NS)
        ended, ended_ns = divmod(last_ns, SECOND_NS)
        yield (
            f'{before}{{"protocol": "{protocol[number]}", '
            f'"client": {{"ip": "{address[client]}", "port": {client_port}}}, '
            f'"server": {{"ip": "{address[server]}", "port": {server_port}}}, '
            f'"rule": "{rule}", "outcome": "{outcome}", "syn": {syns}, '
            f'"packets": [{sent}, {answered}], "bytes": [{sent_bytes}, {answered_bytes}], '
            f'"first": "{time[began]}{began_ns:09d}Z", "last": "{time[ended]}{ended_ns:09d}Z", '
            f'"tunnels": {names[tunnels]}, "file": {name[file]}, "packet": {packet}}}'
        )
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def render_csv(connections: Iterable[ListedConnection]) -> Iterator[str]:
    """RFC 4180 with a header line; tunnels are separated by spaces.

    One expression a line, and texts that come again are kept: 3 times as fast as field by field,
    and 5 times as `json.dumps` of a dictionary a line.
    """
    yield CSV_COLUMNS + "\r\n"
    protocol, address, time = Kept(_protocol), Kept(format_address), Kept(_second)
    name = Kept(_quoted)
    for shown in connections:
        (
            (number, (client, client_port), (server, server_port), rule, outcome, syns),
            ((sent, answered), (sent_bytes, answered_bytes), first_ns, last_ns),
            (tunnels, file, packet),
        ) = shown[:6], shown[6:10], shown[10:]
        began, began_ns = divmod(first_ns, SECOND_NS)
        ended, ended_ns = divmod(last_ns, SECOND_NS)
        yield (
            f"{protocol[number]},{address[client]},{client_port},{address[server]},{server_port},"
            f"{rule},{outcome},{syns},{sent},{answered},{sent_bytes},{answered_bytes},"
            f"{time[began]}{began_ns:09d}Z,{time[ended]}{ended_ns:09d}Z,"
            f"{' '.join(tunnels)},{name[file]},{packet}\r\n"
        )


def _second(seconds: int) -> str:
    """A time up to the point before its fraction."""
    return format_time(seconds * SECOND_NS).partition(".")[0] + "."


def _host(address: bytes) -> str:
    """An address as it stands before a port (RFC 3986)."""
    return format_endpoint((address, 0)).removesuffix(":0")


def _protocol(number: int) -> str:
    return PROTOCOL_NAMES.get(number, str(number))


class Kept(dict[Value, str]):
    """Texts of values, each made once while there are not too many."""

    def __init__(self, make: Callable[[Value], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, value: Value) -> str:
        """Make the text of a value."""
        if len(self) >= MOST_KEPT:
            self.clear()
        text = self[value] = self._make(value)
        return text


def _quoted(field: str) -> str:
    field = printable(field)
    if any(character in field for character in ',"\r\n'):
        return '"' + field.replace('"', '""') + '"'
    return field


class NamedConnection(NamedTuple):
    """A connection with the names of its ends, empty where not known, and what became of it."""

    shown: ListedConnection
    client: str
    server: str
    fate: str


def render_named(form: str, connections: Iterable[NamedConnection]) -> Iterator[str]:
    """The same lines in one of the forms, each with both names and the fate."""
    one, other = tee(connections)
    lines = RENDERERS[form](each.shown for each in one)
    if form == "csv":
        yield next(lines).replace("\r\n", ",client,server,fate\r\n")
    for named, line in zip(other, lines, strict=False):
        yield ADDED[form](line, named)
    # What a form has behind its last connection; of an empty table, all there is.
    yield from lines


def _added_text(line: str, named: NamedConnection) -> str:
    ends = f"{printable(named.client) or '?'} -> {printable(named.server) or '?'}"
    return f"{line[:-1]}  {ends}  {named.fate}\n"


def _added_json(line: str, named: NamedConnection) -> str:
    names = {
        "clientName": named.client or None,
        "serverName": named.server or None,
        "fate": named.fate,
    }
    return f"{line[:-1]}, {json.dumps(names)[1:]}"


def _added_csv(line: str, named: NamedConnection) -> str:
    names = ",".join(map(_quoted, (named.client, named.server, named.fate)))
    return f"{line[:-2]},{names}\r\n"


ADDED: dict[str, Callable[[str, NamedConnection], str]] = {
    "text": _added_text,
    "json": _added_json,
    "csv": _added_csv,
}


RENDERERS: dict[str, Callable[[Iterable[ListedConnection]], Iterator[str]]] = {
    "text": render_text,
    "json": render_json,
    "csv": render_csv,
}

"""Small captures as lines of text.

A packet is a line `after (ms) | node and interface | protocol | from > to | flags | sequence and
acknowledgement number | more`; an entry of conntrack is `dump | node | at (s) | protocol | quiet
for (s), - where not told | + where assured | client, target, server and reply_to`. The cluster is
`traffic.SNAPSHOTS[0]`.
"""

from otterize_pcap.addresses import parse_address
from otterize_pcap.connections.conntrack import Dump, Entry
from otterize_pcap.packets.protocols import ACK, RST, SYN
from otterize_pcap.table.rows import Endpoint
from tests.cluster_builder import START
from tests.connections.traffic import (
    MS,
    SECOND,
    TIMEOUTS,
    Seen,
    Traffic,
    full_timeout,
    packet,
)
from tests.connections.traffic_cluster import PROTOCOL_NAMES

FLAGS = {"S": SYN, "A": ACK, "R": RST}


def traffic_of(lines: tuple[str, ...]) -> Traffic:
    """The capture that some lines describe."""
    words = [line.split() for line in lines]
    return Traffic(
        seen=tuple(_seen(line) for line in words if line[0] != "dump"),
        dumps=tuple(_dump(line) for line in words if line[0] == "dump"),
        cluster=0,
        names=("a.pcap", "b.pcap"),
    )


def _end(text: str) -> Endpoint:
    address, _, port = text.rpartition(":")
    return parse_address(address), int(port)


def _seen(words: list[str]) -> Seen:
    after, where, protocol, sender, _, receiver, flags, *numbers = words
    more = dict(word.partition("=")[::2] for word in numbers[2:])
    seq, ack = (int(number) for number in numbers[:2] or (0, 0))
    one = packet(
        PROTOCOL_NAMES[protocol],
        _end(sender),
        _end(receiver),
        sum(FLAGS[flag] for flag in flags.strip("-")),
        seq,
        ack,
        timestamp=int(more["ts"]) if "ts" in more else None,
        hint=int(more.get("hint", 0)),
        unreachable="unreachable" in more,
    )
    return one, round(float(after) * MS), int(where[1]), "ab".index(where[0])


def _dump(words: list[str]) -> Dump:
    _, node, at, name, quiet, assured, *ends = words
    protocol, quiet_for = PROTOCOL_NAMES[name], quiet.removeprefix("quiet=")
    client, target, server, reply_to = map(_end, ends)
    entry = Entry(
        protocol=protocol,
        state="ESTABLISHED",
        remaining=None if quiet_for == "-" else full_timeout(protocol) - int(quiet_for),
        client=client,
        target=target,
        server=server,
        reply_to=reply_to,
        assured=assured == "+",
        replied=True,
        line=1,
    )
    return Dump(node, START + int(at) * SECOND, (entry,), timeouts=TIMEOUTS, where="dump")

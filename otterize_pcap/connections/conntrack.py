"""Conntrack dumps → entries: what the node's kernel knew of connections (S20a, S31, S40, S46).

Input: the text of /proc/net/nf_conntrack, or `conntrack -L -o extended`, which prints the same
(Linux, net/netfilter/nf_conntrack_standalone.c). Lines that do not parse are counted, not guessed.
"""

from collections.abc import Iterable, Mapping
from itertools import takewhile

from msgspec import Struct, field

from otterize_pcap.addresses import parse_address
from otterize_pcap.packets.protocols import PROTOCOL_NAMES, TCP, UDP
from otterize_pcap.table.rows import Endpoint
from otterize_pcap.timestamps import SECOND_NS

PROTOCOLS = {name.lower(): number for number, name in PROTOCOL_NAMES.items()}
# States of a connection that is opening or closing: such an entry alone is no call (S46).
NOT_OPEN = frozenset(
    {
        "SYN_SENT",
        "SYN_SENT2",
        "SYN_RECV",
        "FIN_WAIT",
        "CLOSE_WAIT",
        "LAST_ACK",
        "TIME_WAIT",
        "CLOSE",
        "CLOSED",
        "COOKIE_WAIT",
        "COOKIE_ECHOED",
        "SHUTDOWN_SENT",
        "SHUTDOWN_RECD",
        "SHUTDOWN_ACK_SENT",
    }
)
# While data is not acknowledged, TCP's full timeout is one of these instead of its state's.
SHORTENED = ("nf_conntrack_tcp_timeout_unacknowledged", "nf_conntrack_tcp_timeout_max_retrans")
DEFAULT_SHORTENED = 300
MAX_DIGITS = 10
"""Of the largest 32-bit number: a timeout in seconds (Linux, struct nf_conn)."""


class Entry(Struct, frozen=True):
    """One tracked connection.

    `client` and `target` are the original direction's endpoints, `server` and `reply_to` the
    reply's source and destination: equal to `target` and `client` unless NAT rewrote them.
    `remaining` is the entry's timeout in seconds at the dump, None where it is offloaded to a
    flow table, which keeps no timeout. `line` is its place in the dump, from 1.
    """

    protocol: int
    state: str
    remaining: int | None
    client: Endpoint
    target: Endpoint
    server: Endpoint
    reply_to: Endpoint
    assured: bool
    replied: bool
    line: int = 0

    @property
    def is_translated(self) -> bool:
        """Whether NAT rewrote an end of it."""
        return (self.client, self.target) != (self.reply_to, self.server)


class Dump(Struct, frozen=True):
    """One node's table at one time (ns) by its own clock.

    `timeouts` are the entries' full timeouts in seconds, by sysctl name. `where` names the file.
    `at_start` tells that it was taken as the capture began, so that what it has was there before.
    """

    node: str
    time_ns: int
    entries: tuple[Entry, ...]
    unreadable: int = 0
    timeouts: Mapping[str, int] = field(default_factory=dict)
    where: str = ""
    at_start: bool = True


def parse_conntrack(
    lines: Iterable[str],
    node: str,
    time_ns: int,
    timeouts: Mapping[str, int] | None = None,
    where: str = "",
    *,
    at_start: bool = True,
) -> Dump:
    """Read a dump, one entry a line; protocols without ports are left out."""
    entries: list[Entry] = []
    unreadable = 0
    for number, line in enumerate(lines, 1):
        words = line.split()
        if len(words) < 6 or words[2] not in PROTOCOLS:
            continue
        try:
            entries.append(_entry(words, number))
        except (ValueError, IndexError, KeyError):
            unreadable += 1
    return Dump(node, time_ns, tuple(entries), unreadable, timeouts or {}, where, at_start)


def _entry(words: list[str], line: int) -> Entry:
    fields: dict[str, list[str]] = {}
    for word in words[4:]:
        key, equals, value = word.partition("=")
        if equals:
            fields.setdefault(key, []).append(value)

    def endpoint(address: str, port: str, index: int) -> Endpoint:
        number = _number(fields[port][index])
        if not 0 <= number <= 0xFFFF:
            raise ValueError(number)
        return parse_address(fields[address][index]), number

    flags = [word for word in words if word.startswith("[")]
    before_tuples = list(takewhile(lambda word: "=" not in word, words[4:]))
    states = [word for word in before_tuples if not word.isdigit() and not word.startswith("[")]
    return Entry(
        protocol=PROTOCOLS[words[2]],
        state=states[0] if states else "",
        remaining=_number(words[4]) if words[4].isdigit() else None,
        client=endpoint("src", "sport", 0),
        target=endpoint("dst", "dport", 0),
        server=endpoint("src", "sport", 1),
        reply_to=endpoint("dst", "dport", 1),
        assured="[ASSURED]" in flags or "[OFFLOAD]" in flags or "[HW_OFFLOAD]" in flags,
        replied="[UNREPLIED]" not in flags,
        line=line,
    )


def parse_timeouts(text: str) -> dict[str, int]:
    """`net.netfilter.nf_conntrack_<name>_timeout<rest> = seconds` lines, by sysctl name."""
    timeouts: dict[str, int] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and value.strip().isdigit() and len(value.strip()) <= MAX_DIGITS:
            timeouts[name.strip().rpartition(".")[2]] = int(value)
    return timeouts


def _number(text: str) -> int:
    """A number no longer than the kernel writes one: Python refuses those of 5,000 digits."""
    if len(text) > MAX_DIGITS or not text.isascii():
        raise ValueError(text[:MAX_DIGITS])
    return int(text)


def last_packet_ns(entry: Entry, dump: Dump) -> int | None:
    """When the entry's last packet passed: the dump minus what ran off its timeout (S46).

    None where the full timeout that it runs off from is not known.
    """
    if entry.remaining is None:
        return None
    full = dump.timeouts.get(_timeout_name(entry))
    if full is None or full < entry.remaining:
        return None
    if entry.protocol == TCP:
        shorter = [dump.timeouts.get(name, DEFAULT_SHORTENED) for name in SHORTENED]
        if entry.remaining <= max(shorter) < full:
            return None
    return dump.time_ns - (full - entry.remaining) * SECOND_NS


def _timeout_name(entry: Entry) -> str:
    if entry.protocol == TCP:
        return f"nf_conntrack_tcp_timeout_{entry.state.lower()}"
    if entry.protocol == UDP:
        return "nf_conntrack_udp_timeout" + ("_stream" if entry.assured else "")
    return f"nf_conntrack_sctp_timeout_{entry.state.lower()}"


def is_open(entry: Entry) -> bool:
    """Whether the entry alone shows a call: assured, and not opening or closing (S46)."""
    return entry.assured and entry.state not in NOT_OPEN

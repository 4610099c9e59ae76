"""Conntrack dumps → entries: what the node's kernel knew of connections (S20a, S31, S40, S46).

Input: the text of /proc/net/nf_conntrack, or `conntrack -L -o extended`, which prints the same
(Linux, net/netfilter/nf_conntrack_standalone.c). Lines that do not parse are counted, not guessed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from otterize_pcap.addresses import parse_address
from otterize_pcap.timestamps import SECOND_NS

PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
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
    }
)

Address = tuple[bytes, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One tracked connection.

    `client` and `target` are the original direction's endpoints, `server` and `reply_to` the
    reply's source and destination: equal to `target` and `client` unless NAT rewrote them.
    `remaining` is the entry's timeout in seconds at the dump.
    """

    protocol: int
    state: str
    remaining: int
    client: Address
    target: Address
    server: Address
    reply_to: Address
    assured: bool
    replied: bool


@dataclass(frozen=True, slots=True)
class Dump:
    """One node's table at one time (ns), with the entries' full timeouts in seconds by name."""

    node: str
    time_ns: int
    entries: tuple[Entry, ...]
    unreadable: int = 0


def parse_conntrack(lines: Iterable[str], node: str, time_ns: int) -> Dump:
    """Read a dump, one entry a line; protocols without ports are left out."""
    entries: list[Entry] = []
    unreadable = 0
    for line in lines:
        words = line.split()
        if not words or len(words) < 6 or words[2] not in PROTOCOLS:
            continue
        try:
            entries.append(_entry(words))
        except (ValueError, IndexError, KeyError):
            unreadable += 1
    return Dump(node, time_ns, tuple(entries), unreadable)


def _entry(words: list[str]) -> Entry:
    fields: dict[str, list[str]] = {}
    for word in words[4:]:
        key, equals, value = word.partition("=")
        if equals:
            fields.setdefault(key, []).append(value)

    def endpoint(address: str, port: str, index: int) -> Address:
        return parse_address(fields[address][index]), int(fields[port][index])

    flags = [word for word in words if word.startswith("[")]
    return Entry(
        protocol=PROTOCOLS[words[2]],
        state=words[5] if "=" not in words[5] else "",
        remaining=int(words[4]) if words[4].isdigit() else 0,
        client=endpoint("src", "sport", 0),
        target=endpoint("dst", "dport", 0),
        server=endpoint("src", "sport", 1),
        reply_to=endpoint("dst", "dport", 1),
        assured="[ASSURED]" in flags or "[OFFLOAD]" in flags or "[HW_OFFLOAD]" in flags,
        replied="[UNREPLIED]" not in flags,
    )


def parse_timeouts(text: str) -> dict[str, int]:
    """`net.netfilter.nf_conntrack_<name>_timeout<rest> = seconds` lines, by sysctl name."""
    timeouts: dict[str, int] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and value.strip().isdigit():
            timeouts[name.strip().rpartition(".")[2]] = int(value)
    return timeouts


def last_packet_ns(entry: Entry, dump_ns: int, timeouts: Mapping[str, int]) -> int | None:
    """When the entry's last packet passed: the dump minus what ran off its timeout (S46).

    None where the node's timeout for that state is not known.
    """
    if entry.protocol == PROTOCOLS["tcp"]:
        name = f"nf_conntrack_tcp_timeout_{entry.state.lower()}"
    elif entry.protocol == PROTOCOLS["udp"]:
        name = "nf_conntrack_udp_timeout" + ("_stream" if entry.assured else "")
    else:
        name = f"nf_conntrack_sctp_timeout_{entry.state.lower()}"
    full = timeouts.get(name)
    if full is None or full < entry.remaining:
        return None
    return dump_ns - (full - entry.remaining) * SECOND_NS


def is_open(entry: Entry) -> bool:
    """Whether the entry alone shows a call: assured, and not opening or closing (S46)."""
    return entry.assured and entry.state not in NOT_OPEN

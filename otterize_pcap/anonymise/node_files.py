"""What was saved of a node beside its packets → the same under other names.

Each file is made anew of what its reader understands; lines that it does not are left out.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_interface

from otterize_pcap.addresses import AddressError, format_address
from otterize_pcap.anonymise.renaming import Renaming
from otterize_pcap.connections.conntrack import (
    NOT_OPEN,
    Entry,
    parse_conntrack,
    parse_timeouts,
)
from otterize_pcap.connections.node_files import OWN_BLOCK
from otterize_pcap.connections.port_ranges import parse_port_range
from otterize_pcap.packets.protocols import PROTOCOL_NAMES
from otterize_pcap.table.rows import Endpoint

STATES = NOT_OPEN | {"ESTABLISHED", "NONE", "LISTEN", "HEARTBEAT_SENT", "HEARTBEAT_ACKED", ""}
TIMEOUT = re.compile(r"nf_conntrack_(tcp|udp|sctp)_timeout[a-z0-9_]*")
COUNTER = re.compile(r"[0-9]+ packets (captured|received by filter|dropped by kernel)")
LOOPBACK = "lo"


def anonymise_node_file(name: str, text: str, renaming: Renaming) -> str | None:
    """The text of a node's file under other names, None where no such file is known."""
    treatment = TREATMENTS.get(name)
    return None if treatment is None else treatment(text, renaming)


def _addresses(text: str, renaming: Renaming) -> str:
    """`ip -o addr` and `ip route`, as far as `connections.node_files` reads them."""
    lines = (_interface(line.split(), renaming) for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def _interface(words: list[str], renaming: Renaming) -> str | None:
    for family in ("inet", "inet6"):
        if family in words[:-1]:
            return _address(words, words.index(family), renaming)
    return _route(words, renaming)


def _address(words: list[str], at: int, renaming: Renaming) -> str | None:
    try:
        interface = ip_interface(words[at + 1])
        address = renaming.addresses.text(str(interface.ip))
    except ValueError:
        return None
    number = words[0].rstrip(":")
    number = number if number.isascii() and number.isdigit() else "0"
    device = _device(words[1], renaming) if at > 1 else _device("", renaming)
    return f"{number}: {device}    {words[at]} {address}/{interface.network.prefixlen} scope global"


def _device(name: str, renaming: Renaming) -> str:
    return name if name == LOOPBACK else renaming.names.name(name)


def _route(words: list[str], renaming: Renaming) -> str | None:
    """A route: its range, the gateway and the device, and whether it is the node's own block."""
    own = words[:1] == [OWN_BLOCK]
    words = words[own:]
    if not words:
        return None
    found = [OWN_BLOCK] if own else []
    try:
        found.append(words[0] if words[0] == "default" else renaming.addresses.network(words[0]))
        if words[1:2] == ["via"] and len(words) > 2:
            found += ["via", renaming.addresses.text(words[2])]
    except AddressError:
        return None
    if "dev" in words[:-1]:
        found += ["dev", _device(words[words.index("dev") + 1], renaming)]
    return " ".join(found)


def _conntrack(text: str, renaming: Renaming) -> str:
    """A line an entry, at its place; what is no entry leaves an empty line."""
    lines = text.splitlines()
    written = [""] * len(lines)
    for entry in parse_conntrack(lines, "", 0).entries:
        if entry.state in STATES:
            written[entry.line - 1] = _entry(entry, renaming)
    return "".join(f"{line}\n" for line in written)


def _entry(entry: Entry, renaming: Renaming) -> str:
    """As /proc/net/nf_conntrack has it (Linux, net/netfilter/nf_conntrack_standalone.c)."""

    def ends(source: Endpoint, target: Endpoint) -> str:
        addresses = [format_address(renaming.addresses.packed(end[0])) for end in (source, target)]
        return f"src={addresses[0]} dst={addresses[1]} sport={source[1]} dport={target[1]}"

    is_v6 = ":" in format_address(entry.client[0])
    words = [
        "ipv6     10" if is_v6 else "ipv4     2",
        PROTOCOL_NAMES[entry.protocol].lower(),
        str(entry.protocol),
        "" if entry.remaining is None else str(entry.remaining),
        entry.state,
        ends(entry.client, entry.target),
        "" if entry.replied else "[UNREPLIED]",
        ends(entry.server, entry.reply_to),
        "[ASSURED]" if entry.assured else "",
        "use=1",
    ]
    return " ".join(filter(None, words))


def _timeouts(text: str, _: Renaming) -> str:
    known = parse_timeouts(text).items()
    return "".join(
        f"net.netfilter.{name} = {seconds}\n" for name, seconds in known if TIMEOUT.fullmatch(name)
    )


def _port_range(text: str, _: Renaming) -> str:
    ports = parse_port_range(text)
    return "" if ports is None else f"{ports.start}\t{ports.stop - 1}\n"


def _counters(text: str, _: Renaming) -> str:
    """What tcpdump says when it stops; what it says when it starts names interfaces."""
    return "".join(f"{line}\n" for line in _counter_lines(text))


def _counter_lines(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if COUNTER.fullmatch(line))


TREATMENTS: Mapping[str, Callable[[str, Renaming], str]] = {
    "addresses": _addresses,
    "conntrack-end": _conntrack,
    "conntrack-start": _conntrack,
    "conntrack-timeouts": _timeouts,
    "ip_local_port_range": _port_range,
    "tcpdump-stats": _counters,
}

"""Options that say how captures are read, for commands with a snapshot and without."""

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from otterize_pcap.addresses import AddressError, Network, parse_network
from otterize_pcap.cli.processors import processors
from otterize_pcap.errors import UsageError
from otterize_pcap.table.read import ReadOptions

MAX_THREADS = 1024
MOST_CONNECTIONS = 1_000_000_000
"""More rows than any memory holds."""
_SCHEDULER = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:.]+\]|[^\s@/:\[\]]+):\d{1,5}/?", re.ASCII)

VxlanPorts = Annotated[
    list[int] | None,
    typer.Option(
        metavar="PORT",
        min=1,
        max=65535,
        help="Open VXLAN on this UDP port too (4789, 8472). Repeatable.",
    ),
]
GenevePorts = Annotated[
    list[int] | None,
    typer.Option(
        metavar="PORT",
        min=1,
        max=65535,
        help="Open Geneve on this UDP port too (6081). Repeatable.",
    ),
]
TunnelEndpoints = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CIDR",
        help="Open tunnels between addresses in this range, though not known to be nodes' (S25). "
        "Repeatable.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=MAX_THREADS,
        help="Threads that read captures. Default: one a processor.",
        show_default=False,
    ),
]
MaxConnections = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=MOST_CONNECTIONS,
        help="Give up, with an error, beyond so many connections. Default: 20,000,000.",
        show_default=False,
    ),
]


Scheduler = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="Read files by the workers of a Dask cluster, tcp://HOST:PORT, or by N processes that "
        "are begun for it, local:N.",
        show_default=False,
    ),
]
FileNodes = Annotated[
    list[str] | None,
    typer.Option(
        "--node",
        metavar="FILE=NAME",
        help="Say which node a capture file is of, where neither a manifest nor its name does; "
        "files of one node are one recording. Repeatable.",
    ),
]


def reading_options(
    vxlan_ports: Sequence[int] | None,
    geneve_ports: Sequence[int] | None,
    threads: int | None,
    max_connections: int | None,
    file_nodes: Sequence[str] | None = None,
    scheduler: str = "",
) -> ReadOptions:
    """How captures are read, by the options given."""
    default = ReadOptions()
    return ReadOptions(
        vxlan_ports=default.vxlan_ports | frozenset(vxlan_ports or ()),
        geneve_ports=default.geneve_ports | frozenset(geneve_ports or ()),
        threads=threads or processors(),
        max_connections=max_connections or default.max_connections,
        file_nodes=tuple(map(_file_node, file_nodes or ())),
        scheduler=_scheduler(scheduler),
    )


def _file_node(text: str) -> tuple[str, str]:
    file, separator, node = text.rpartition("=")
    if not (file and separator and node) or "/" in node:
        message = f"--node {text}: expected FILE=NAME, for example b.pcap=node-b"
        raise UsageError(message)
    return file, node


def _scheduler(text: str) -> str:
    kind, _, rest = text.partition(":")
    is_local = kind == "local" and rest.isdecimal() and 0 < int(rest[:5]) <= MAX_THREADS
    if text and not is_local and not _SCHEDULER.fullmatch(text):
        shown = re.sub("//.*@", "//…@", text)
        message = f"--scheduler {shown}: expected local:N, as local:4, or tcp://HOST:PORT"
        raise UsageError(message)
    return text


def parse_endpoints(ranges: Sequence[str] | None) -> tuple[Network, ...]:
    """The ranges of `--tunnel-endpoints`.

    Raises:
        UsageError: One is no range of addresses.
    """
    return tuple(map(_network, ranges or ()))


def _network(text: str) -> Network:
    try:
        return parse_network(text)
    except AddressError as error:
        message = f"--tunnel-endpoints {text}: {error}; expected a range such as 192.168.77.0/24"
        raise UsageError(message) from error

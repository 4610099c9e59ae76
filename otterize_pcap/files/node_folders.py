"""What a capture directory saved of its nodes beside packets: addresses, ports, conntrack."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct, field

from otterize_pcap.capture_dir import NodeCapture, node_dir, nodes_dir
from otterize_pcap.connections.conntrack import Dump, parse_conntrack, parse_timeouts
from otterize_pcap.connections.node_files import parse_node_addresses
from otterize_pcap.connections.port_ranges import parse_port_range
from otterize_pcap.files.opening import path_text, read_bytes
from otterize_pcap.files.plain_files import open_plain
from otterize_pcap.table.read import CaptureCounts
from otterize_pcap.timestamps import parse_time

MAX_CONNTRACK_BYTES = 64 << 20
ADDRESSES, PORT_RANGE, TIMEOUTS = "addresses", "ip_local_port_range", "conntrack-timeouts"
NAMES = (ADDRESSES, PORT_RANGE, TIMEOUTS)
DUMPS = ("conntrack-start", "conntrack-end")


class NodeFolder(Struct, frozen=True):
    """The files of one node's folder, by name, none of them whole that is too large; `place`."""

    place: Path
    contents: Mapping[str, bytes]

    def text(self, name: str, encoding: str = "ascii") -> str:
        """One of them, empty where it is not there."""
        return self.contents.get(name, b"").decode(encoding, "replace")


def read_folder(directory: Path, node: str) -> NodeFolder:
    """What a capture directory has of a node.

    Raises:
        InputError: A file of it cannot be read.
    """
    folder = node_dir(directory, node)
    contents = {name: read_bytes(folder / name) for name in NAMES if (folder / name).exists()}
    for name in DUMPS:
        if (folder / name).exists():
            with open_plain(folder / name) as file:
                contents[name] = file.read(MAX_CONNTRACK_BYTES)
    return NodeFolder(folder, contents)


class SavedOfNodes(Struct):
    """What the nodes of a capture saved.

    `addresses` maps each node address to the nodes that have it; `routes` are what `ip addr` and
    `ip route` printed, a text a node; `port_ranges` the ephemeral ports, by node.
    """

    addresses: dict[bytes, frozenset[str]] = field(default_factory=dict)
    routes: list[str] = field(default_factory=list)
    dumps: list[Dump] = field(default_factory=list)
    port_ranges: dict[str, range] = field(default_factory=dict)

    def add(
        self, folder: NodeFolder, node: str, entry: NodeCapture | None, counts: CaptureCounts
    ) -> None:
        """Take in one node's folder.

        `entry` is what a manifest says of it; `counts` have the times of dumps that it does not.
        """
        saved = folder.text(ADDRESSES, "utf-8")
        self.routes.append(saved)
        for address in parse_node_addresses(saved):
            self.addresses[address] = self.addresses.get(address, frozenset()) | {node}
        self.dumps += _dumps(folder, node, entry, counts)
        if PORT_RANGE in folder.contents:
            ports = parse_port_range(folder.text(PORT_RANGE))
            if ports is not None:
                self.port_ranges[node] = ports


def local_addresses(directory: Path) -> frozenset[bytes]:
    """What all nodes of a capture directory said of their own addresses."""
    return frozenset(
        address
        for path in sorted(nodes_dir(directory).glob(f"*/{ADDRESSES}"))
        for address in parse_node_addresses(read_bytes(path).decode("utf-8", "replace"))
    )


def _dumps(
    folder: NodeFolder, node: str, entry: NodeCapture | None, counts: CaptureCounts
) -> Iterator[Dump]:
    start, end = DUMPS
    times = {
        start: parse_time(entry.start) if entry and entry.start else counts.first_ns,
        end: parse_time(entry.end) if entry and entry.end else counts.last_ns,
    }
    timeouts = parse_timeouts(folder.text(TIMEOUTS))
    for name, time_ns in times.items():
        if time_ns is None or name not in folder.contents:
            continue
        yield parse_conntrack(
            folder.text(name).splitlines(),
            node,
            time_ns,
            timeouts,
            path_text(folder.place / name),
            at_start=name == start,
        )

"""What a capture directory saved of its nodes beside packets: addresses, ports, conntrack."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from otterize_pcap.capture_dir import Manifest, node_dir, nodes_dir
from otterize_pcap.connections.conntrack import Dump, parse_conntrack, parse_timeouts
from otterize_pcap.connections.node_files import parse_node_addresses
from otterize_pcap.connections.port_ranges import parse_port_range
from otterize_pcap.files.opening import path_text, read_bytes
from otterize_pcap.table.read import CaptureCounts
from otterize_pcap.timestamps import parse_time

MAX_CONNTRACK_BYTES = 64 << 20


@dataclass(slots=True)
class SavedOfNodes:
    """What the nodes of a capture saved.

    `addresses` maps each node address to the nodes that have it; `routes` are what `ip addr` and
    `ip route` printed, a text a node; `port_ranges` the ephemeral ports, by node.
    """

    addresses: dict[bytes, frozenset[str]] = field(default_factory=dict)
    routes: list[str] = field(default_factory=list)
    dumps: list[Dump] = field(default_factory=list)
    port_ranges: dict[str, range] = field(default_factory=dict)

    def add(
        self, directory: Path, node: str, manifest: Manifest | None, counts: CaptureCounts
    ) -> None:
        """Read one node's folder; `counts` have the times of dumps that a manifest does not say."""
        folder = node_dir(directory, node)
        saved = _addresses(folder)
        self.routes.append(saved)
        for address in parse_node_addresses(saved):
            self.addresses[address] = self.addresses.get(address, frozenset()) | {node}
        self.dumps += _dumps(folder, node, manifest, counts)
        if (ports := _port_range(folder)) is not None:
            self.port_ranges[node] = ports


def local_addresses(directory: Path) -> frozenset[bytes]:
    """What all nodes of a capture directory said of their own addresses."""
    return frozenset(
        address
        for folder in sorted(nodes_dir(directory).glob("*"))
        for address in parse_node_addresses(_addresses(folder))
    )


def _addresses(folder: Path) -> str:
    """What `ip addr` and `ip route` said on a node."""
    path = folder / "addresses"
    return read_bytes(path).decode("utf-8", "replace") if path.exists() else ""


def _port_range(folder: Path) -> range | None:
    path = folder / "ip_local_port_range"
    if not path.exists():
        return None
    return parse_port_range(read_bytes(path).decode("ascii", "replace"))


def _dumps(
    folder: Path, node: str, manifest: Manifest | None, counts: CaptureCounts
) -> Iterator[Dump]:
    known = {entry.name: entry for entry in manifest.nodes} if manifest else {}
    entry = known.get(node)
    times = {
        "conntrack-start": parse_time(entry.start) if entry and entry.start else counts.first_ns,
        "conntrack-end": parse_time(entry.end) if entry and entry.end else counts.last_ns,
    }
    saved = folder / "conntrack-timeouts"
    timeouts = parse_timeouts(
        read_bytes(saved).decode("ascii", "replace") if saved.exists() else ""
    )
    for name, time_ns in times.items():
        path = folder / name
        if time_ns is None or not path.exists():
            continue
        with path.open("rb") as file:
            text = file.read(MAX_CONNTRACK_BYTES).decode("ascii", "replace")
        yield parse_conntrack(
            text.splitlines(),
            node,
            time_ns,
            timeouts,
            path_text(path),
            at_start=name == "conntrack-start",
        )

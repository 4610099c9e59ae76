"""The capture directory: what `otterize capture` writes and every other command reads.

    <dir>/manifest.json    how it was recorded; optional for a directory made by hand
    <dir>/snapshot.json    a Kubernetes List with the intervals observed while capturing
    <dir>/pcap/<node>.pcap one or more parts a node; `<node>.pcap`, `<node>.1.pcapng.gz`, ...
    <dir>/node/<node>/     conntrack-start, conntrack-end, addresses, ...; any may be absent

A directory that holds `*.pcap*` files and a `snapshot.json` side by side is valid too.
This module knows names and the manifest; it parses neither packets nor Kubernetes objects.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from otterize_pcap.errors import CaptureError
from otterize_pcap.json_errors import BROKEN, json_reason
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.timestamps import TimeError, parse_time

MANIFEST_VERSION = 1
MAX_CLOCK_AHEAD_S = 1e9
"""Seconds that a clock is off which stands at 1970; more is no measurement."""
MAX_TIME_NS = (1 << 62) - 1
"""The year 2116, in nanoseconds: whatever is added to it, 64 bits hold it."""
MAX_PARTS = 8
PROFILES = {"calls": 256, "headers": 256, "full": 262144}
"""What a capture may record, with the bytes of each packet that are kept."""
SHOWN = 60


class CapturedFile(msgspec.Struct, frozen=True, rename="camel"):
    """One pcap file: `path` relative to the capture directory, size in bytes, SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str


class PacketCounters(msgspec.Struct, frozen=True, rename="camel"):
    """What tcpdump printed when it stopped (pcap_stats(3PCAP)); None where it printed nothing."""

    captured: int | None = None
    received: int | None = None
    dropped: int | None = None


class NodeCapture(msgspec.Struct, frozen=True, rename="camel"):
    """One node's part of a capture.

    `status` is `captured`, `failed` or `skipped`; the last two carry a `reason`.
    `start` and `end` are RFC 3339 times between which packets were recorded; `end` is early
    where the size limit stopped the capture, and `reason` then says so. `clock_ahead` is by how
    many seconds the node's clock, which those times and the packets' are by, was ahead of the API
    server's, which the snapshot's are by; None where it was not measured.
    """

    name: str
    status: NodeStatus
    reason: str | None = None
    start: str | None = None
    end: str | None = None
    files: tuple[CapturedFile, ...] = ()
    packets: PacketCounters = PacketCounters()
    clock_ahead: float | None = None


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """How a capture was made; times are RFC 3339 in UTC."""

    version: int
    tool: str
    start: str
    end: str
    nodes: tuple[NodeCapture, ...]
    cluster: str | None = None
    server_version: str | None = None
    profile: str | None = None
    filter: str | None = None
    snaplen: int | None = None
    interface: str | None = None
    namespaces: tuple[str, ...] = ()
    pod_selector: str | None = None


def by_name(manifest: Manifest | None) -> dict[str, NodeCapture]:
    """What a manifest says of each node; nothing without one."""
    return {node.name: node for node in manifest.nodes} if manifest else {}


def decode_manifest(document: bytes, where: str) -> Manifest:
    """Parse a manifest.

    Args:
        document: The bytes of manifest.json.
        where: Names the file in errors.

    Raises:
        CaptureError: It is not a manifest, or one of a newer version.
    """
    try:
        manifest = msgspec.json.decode(document, type=Manifest)
    except BROKEN as error:
        reason = json_reason(document, Manifest)
        message = (
            f"{where}: not a capture manifest ({reason}); delete it to use the directory as is"
        )
        raise CaptureError(message) from error
    if manifest.version > MANIFEST_VERSION:
        message = (
            f"{where}: manifest version {manifest.version} is newer than this tool understands "
            f"({MANIFEST_VERSION}); upgrade otterize-pcap"
        )
        raise CaptureError(message)
    for path, told in _odd(manifest):
        message = f"{where}: {path} is {told}; delete the manifest to use the directory as is"
        raise CaptureError(message)
    return manifest


def _odd(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """The path to each value that makes no sense, and what it is.

    Times that are none, clocks that no computer has, and names that lead out of the directory.
    """
    times: list[tuple[str, str | None]] = [("$.start", manifest.start), ("$.end", manifest.end)]
    for number, node in enumerate(manifest.nodes):
        path = f"$.nodes[{number}]"
        times += [(f"{path}.{name}", getattr(node, name)) for name in ("start", "end")]
        if node.clock_ahead is not None and not abs(node.clock_ahead) <= MAX_CLOCK_AHEAD_S:
            yield f"{path}.clockAhead", f"{node.clock_ahead!r}, in seconds"
        if not _stays_inside(node.name, parts=1):
            yield f"{path}.name", f"no name of a folder: {node.name[:SHOWN]!r}"
        for place, file in enumerate(node.files):
            if not _stays_inside(file.path, parts=MAX_PARTS):
                yield f"{path}.files[{place}].path", f"outside of it: {file.path[:SHOWN]!r}"
    for path, text in times:
        try:
            if text is not None and not 0 <= parse_time(text) <= MAX_TIME_NS:
                yield path, f"no time of a computer: {text!r}"
        except TimeError as error:
            yield path, str(error)


def _stays_inside(name: str, parts: int) -> bool:
    """Whether a path, of at most so many parts, cannot lead out of where it begins."""
    found = name.split("/")
    return len(found) <= parts and all(
        part not in {"", ".", ".."}
        and "\0" not in part
        and len(part.encode(errors="replace")) < 256
        for part in found
    )


def encode_manifest(manifest: Manifest) -> bytes:
    """Render a manifest as indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def manifest_path(directory: Path) -> Path:
    """Where a capture directory keeps its manifest."""
    return directory / "manifest.json"


def snapshot_path(directory: Path) -> Path:
    """Where a capture directory keeps its snapshot."""
    return directory / "snapshot.json"


def pcap_dir(directory: Path) -> Path:
    """Where a capture directory keeps its pcap files."""
    return directory / "pcap"


def node_dir(directory: Path, node: str) -> Path:
    """Where a capture directory keeps what else was saved of one node."""
    return nodes_dir(directory) / node


def nodes_dir(directory: Path) -> Path:
    """Where a capture directory keeps a folder for each node."""
    return directory / "node"

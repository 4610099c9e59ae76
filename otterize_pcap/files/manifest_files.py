"""What a manifest promises of its files, and what is there.

Size and packets cost nothing. The SHA-256 of a file is made by a thread while it is read: hashlib
leaves the interpreter to others meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from otterize_pcap.capture_dir import CapturedFile, Manifest, NodeCapture
from otterize_pcap.errors import CaptureError
from otterize_pcap.files.copies import plain_blocks
from otterize_pcap.files.opening import path_text
from otterize_pcap.node_status import NodeStatus

PACKED = (".gz", ".xz", ".bz2", ".zst", ".lz4")
BLOCK = 1 << 20
SMALL = 4 << 20
"""Bytes that are hashed sooner than a thread is begun."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of a manifest; `path` is where it is, perhaps compressed since; None without it."""

    node: str
    listed: CapturedFile
    expected: Path
    path: Path | None

    @property
    def is_packed(self) -> bool:
        """Whether it was compressed after the manifest was written."""
        return self.path != self.expected


@dataclass(frozen=True, slots=True)
class BrokenPromise:
    """A file that is not what the manifest says, and in what."""

    node: str
    file: str
    reason: str


Check = Callable[[], tuple[BrokenPromise, ...]]


def captured_nodes(manifest: Manifest | None) -> tuple[str, ...]:
    """The nodes that were captured, as a manifest says."""
    nodes = manifest.nodes if manifest else ()
    return tuple(node.name for node in nodes if node.status is NodeStatus.CAPTURED)


def listed_files(directory: Path, manifest: Manifest | None) -> list[ListedFile]:
    """The files that a manifest lists, of nodes that were captured."""
    return [
        _find(directory, node.name, file)
        for node in (manifest.nodes if manifest else ())
        if node.status is NodeStatus.CAPTURED
        for file in node.files
    ]


def _find(directory: Path, node: str, file: CapturedFile) -> ListedFile:
    expected = directory / file.path
    names = [expected, *(expected.with_name(expected.name + ending) for ending in PACKED)]
    return ListedFile(node, file, expected, next((name for name in names if name.is_file()), None))


@contextmanager
def checking(files: Sequence[ListedFile]) -> Iterator[Check]:
    """Compare files with what the manifest lists while the caller reads them."""
    size = sum(file.path.stat().st_size for file in files if file.path is not None)
    if size <= SMALL:
        yield lambda: tuple(_broken(files, Event()))
        return
    # With logging that it brings along, this takes 5 ms.
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    cancelled = Event()
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: tuple(_broken(files, cancelled)))
        try:
            yield found.result
        finally:
            cancelled.set()


def _broken(files: Iterable[ListedFile], cancelled: Event) -> Iterator[BrokenPromise]:
    for file in files:
        reason = _difference(file, cancelled)
        if reason is not None:
            yield BrokenPromise(file.node, path_text(file.path or file.expected), reason)


def _difference(file: ListedFile, cancelled: Event) -> str | None:
    """In what a file is not the one that is listed."""
    if file.path is None:
        return "not there, and manifest.json lists it"
    listed = file.listed
    if not file.is_packed and (size := file.path.stat().st_size) != listed.bytes:
        return f"{size:,} bytes, and manifest.json lists {listed.bytes:,}"
    import hashlib  # noqa: PLC0415 - 4 ms of a start, and most need none

    digest = hashlib.sha256()
    size = 0
    try:
        for block in plain_blocks(file.path) if file.is_packed else _blocks(file.path):
            digest.update(block)
            size += len(block)
            if cancelled.is_set():
                return None
    except (OSError, CaptureError):
        # Whoever reads it says why.
        return "cannot be compared with what manifest.json lists"
    if size != listed.bytes:
        return f"{size:,} bytes decompressed, and manifest.json lists {listed.bytes:,}"
    if digest.hexdigest() != listed.sha256.lower():
        return "another content than manifest.json lists (SHA-256)"
    return None


def _blocks(path: Path) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            yield buffer[:count]


def missing_packets(node: NodeCapture, packets: int) -> str | None:
    """What is amiss where files hold fewer packets than tcpdump counted; None where nothing is.

    A ring that overwrote its oldest ones has a reason in the manifest.
    """
    captured = node.packets.captured
    if node.reason is not None or captured is None or packets >= captured:
        return None
    return f"{packets:,} packets, and manifest.json counts {captured:,}"

"""What a manifest promises of its files, and what is there.

Size and packets cost nothing. The SHA-256 of a file is made while it is read: hashlib leaves the
interpreter to others meanwhile.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import MappingProxyType

from msgspec import Struct

from otterize_pcap.capture_dir import CapturedFile, Manifest, NodeCapture
from otterize_pcap.counted import counted
from otterize_pcap.errors import CaptureError
from otterize_pcap.files.compared_beside import ComparedBeside, fits_the_cache
from otterize_pcap.files.copies import plain_blocks
from otterize_pcap.files.hashed_ahead import BLOCK, SMALL, Hashed, hashed_ahead
from otterize_pcap.files.object_path import ObjectPath
from otterize_pcap.files.opening import path_text
from otterize_pcap.files.plain_files import open_plain
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.records.stream import ByteStream

PACKED = (".gz", ".xz", ".bz2", ".zst", ".lz4")
CANNOT_BE_COMPARED = "cannot be compared with what manifest.json lists"


class ListedFile(Struct, frozen=True):
    """A file of a manifest; `path` is where it is, perhaps compressed since; None without it."""

    node: str
    listed: CapturedFile
    expected: Path
    path: Path | None

    @property
    def is_packed(self) -> bool:
        """Whether it was compressed after the manifest was written."""
        return self.path != self.expected


class BrokenPromise(Struct, frozen=True):
    """A file that is not what the manifest says, and in what."""

    node: str
    file: str
    reason: str


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


class Checking:
    """Compares files with what a manifest lists, while the caller reads them.

    With several threads, one of its own does so, from the cache of the system. Else, and where the
    files are larger than the cache, who reads a file from its first byte on hashes it as well.
    """

    def __init__(self, files: Sequence[ListedFile], threads: int) -> None:
        self._files = files
        self._paths = {file.path: file for file in files if file.path is not None}
        size = sum(path.stat().st_size for path in self._paths)
        self._are_small = size <= SMALL
        self._are_cached = threads > 1 and fits_the_cache(size)
        self._hashed: dict[Path, HashedStream] = {}
        self._cancelled = Event()
        self._beside = ComparedBeside(
            lambda path: difference(self._paths[path], self._cancelled, hashed_ahead(path)),
            CANNOT_BE_COMPARED,
        )

    def opened(self, path: Path, stream: ByteStream, *, alone: bool) -> ByteStream:
        """A file's stream, to be read instead; `alone` says that nobody else reads of the file."""
        file = self._paths.get(path)
        if file is None or not _is_worth_hashing(file):
            return stream
        # Of an object, another reader would have all of it sent again.
        is_object = isinstance(path, ObjectPath)
        by_reader = (alone or is_object) and not file.is_packed
        if by_reader and (self._are_small or not self._are_cached or is_object):
            self._hashed[path] = HashedStream(stream)
            return self._hashed[path]
        if not self._are_small:
            self._beside.ask(path)
        return stream

    @property
    def listed(self) -> Mapping[Path, ListedFile]:
        """The files that are compared, those that are there and may be what the manifest says."""
        return {path: file for path, file in self._paths.items() if _is_worth_hashing(file)}

    def broken(
        self, compared: Mapping[Path, str | None] = MappingProxyType({})
    ) -> tuple[BrokenPromise, ...]:
        """What is not as the manifest says; waits until all is compared.

        Some was `compared` by others.
        """
        reasons = ((file, self._reason(file, compared)) for file in self._files)
        return tuple(
            BrokenPromise(file.node, path_text(file.path or file.expected), reason)
            for file, reason in reasons
            if reason is not None
        )

    def _reason(self, file: ListedFile, compared: Mapping[Path, str | None]) -> str | None:
        if file.path is not None and file.path in compared:
            return compared[file.path]
        if file.path is not None and self._beside.was_asked(file.path):
            return self._beside.answer(file.path)
        stream = self._hashed.get(file.path or file.expected)
        return difference(file, self._cancelled, stream.hashed if stream else None)

    def end(self) -> None:
        """Hash no more."""
        self._cancelled.set()


@contextmanager
def checking(files: Sequence[ListedFile], threads: int) -> Iterator[Checking]:
    """Compare files with what the manifest lists while the caller reads them, and afterwards.

    What they are compared with is asked for by `Checking.broken`; nobody does where reading fails.
    """
    found = Checking(files, threads)
    try:
        yield found
    except BaseException:
        found.end()
        raise


class HashedStream:
    """A stream that hashes what is read of it."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.hashed = Hashed()

    def readinto(self, buffer: memoryview) -> int:
        """Read up to the buffer's size; 0 at the end."""
        count = self._stream.readinto(buffer) or 0
        self.hashed.add(buffer[:count])
        return count


def _is_worth_hashing(file: ListedFile) -> bool:
    return file.path is not None and (
        file.is_packed or file.path.stat().st_size == file.listed.bytes
    )


def difference(file: ListedFile, cancelled: Event, begun: Hashed | None = None) -> str | None:
    """In what a file is not the one that is listed; `begun` has hashed its first bytes."""
    if file.path is None:
        return "not there, and manifest.json lists it"
    listed = file.listed
    if not file.is_packed and (size := file.path.stat().st_size) != listed.bytes:
        return f"{counted(size, 'byte')}, and manifest.json lists {listed.bytes:,}"
    hashed = begun or Hashed()
    try:
        for block in plain_blocks(file.path) if file.is_packed else _blocks(file.path, hashed.size):
            hashed.add(block)
            if cancelled.is_set():
                return None
    except (OSError, CaptureError):
        # Whoever reads it says why.
        return CANNOT_BE_COMPARED
    if hashed.size != listed.bytes:
        return (
            f"{counted(hashed.size, 'byte')} decompressed, and manifest.json lists {listed.bytes:,}"
        )
    if hashed.digest.hexdigest() != listed.sha256.lower():
        return "another content than manifest.json lists (SHA-256)"
    return None


def _blocks(path: Path, begin: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(BLOCK))
    with open_plain(path) as file:
        file.seek(begin)
        while count := file.readinto(buffer):
            yield buffer[:count]


def missing_packets(node: NodeCapture, packets: int) -> str | None:
    """What is amiss where files hold fewer packets than tcpdump counted; None where nothing is.

    A ring that overwrote its oldest ones has a reason in the manifest.
    """
    captured = node.packets.captured
    if node.reason is not None or captured is None or packets >= captured:
        return None
    return f"{counted(packets, 'packet')}, and manifest.json counts {captured:,}"

"""SHA-256 of the files that a manifest lists, begun while the command is still being imported.

Until a command has its modules and its snapshot, a second processor has nothing to do. Whoever
compares files with the manifest (`manifest_files`) takes what was hashed ahead; nobody else waits
for it. What goes wrong here is found there, and said.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from otterize_pcap.capture_dir import decode_manifest, manifest_path
from otterize_pcap.errors import CaptureError
from otterize_pcap.files.compared_beside import fits_the_cache, give_way
from otterize_pcap.files.plain_files import open_plain
from otterize_pcap.threads import begin_thread

if TYPE_CHECKING:
    from hashlib import _Hash

BLOCK = 1 << 20
SMALL = 4 << 20
"""Bytes that are hashed sooner than a thread is begun."""
LARGEST_MANIFEST = 16 << 20
"""Of a larger one, who reads it says what is wrong."""


class Hashed:
    """The hash of the first so many bytes of a file."""

    def __init__(self) -> None:
        import hashlib  # noqa: PLC0415 - 4 ms of a start, and most need none

        self.digest: _Hash = hashlib.sha256()
        self.size = 0

    def add(self, block: bytes | memoryview) -> None:
        """Hash what follows."""
        self.digest.update(block)
        self.size += len(block)


class _Ahead:
    """One file that is being hashed; `hashed` stays None where that failed."""

    def __init__(self) -> None:
        self.ended = Event()
        self.hashed: Hashed | None = None


_ahead: dict[Path, _Ahead] = {}


def hash_ahead(directory: Path) -> None:
    """Begin to hash what a capture directory's manifest lists, where that is worth a thread."""
    with suppress(CaptureError, OSError):
        paths = _listed_files(directory)
        size = sum(path.stat().st_size for path in paths)
        if size > SMALL and fits_the_cache(size):
            files = {path: _Ahead() for path in paths}
            # Whoever takes one of them waits for the thread.
            if begin_thread(_hash_all, files) is not None:
                _ahead.update(files)


def hashed_ahead(path: Path) -> Hashed | None:
    """The hash of a file that was begun ahead, as soon as it is there; told once."""
    file = _ahead.pop(path, None)
    if file is None:
        return None
    file.ended.wait()
    return file.hashed


def _listed_files(directory: Path) -> list[Path]:
    manifest = manifest_path(directory)
    if not manifest.is_file() or manifest.stat().st_size > LARGEST_MANIFEST:
        return []
    with open_plain(manifest) as stream:
        nodes = decode_manifest(stream.read(), str(manifest)).nodes
    listed = [(directory / file.path, file.bytes) for node in nodes for file in node.files]
    return [path for path, size in listed if path.is_file() and path.stat().st_size == size]


def _hash_all(files: Mapping[Path, _Ahead]) -> None:
    # Somebody waits for these files, whatever happens here, and hashes those himself that lack.
    try:
        with suppress(Exception):
            give_way()
            buffer = memoryview(bytearray(BLOCK))
            for path, file in files.items():
                file.hashed = _hashed(path, buffer)
                file.ended.set()
    finally:
        for file in files.values():
            file.ended.set()


def _hashed(path: Path, buffer: memoryview) -> Hashed:
    hashed = Hashed()
    with open_plain(path) as stream:
        while count := stream.readinto(buffer):
            hashed.add(buffer[:count])
    return hashed

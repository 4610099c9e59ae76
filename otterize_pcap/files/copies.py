"""The same packets twice: one file named twice, or `x.pcap` beside `x.pcap.gz`.

Counted twice, a call has packets that nobody sent. Two files are copies where their content,
decompressed, is the same to the last byte.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from otterize_pcap.errors import CaptureError
from otterize_pcap.files.opening import STDIN, open_file, path_text
from otterize_pcap.records.compression import compression_of, plain_window
from otterize_pcap.table.read import first_time

FIRST = 4096
"""Bytes whose packets, with times and sequence numbers, no two recordings share."""


def without_copies(
    paths: Iterable[Path], listed: Collection[Path] = ()
) -> tuple[list[Path], list[str]]:
    """The files without those that are another one again, and a note on each of these.

    Of two copies one that a manifest lists is kept, or the one that is not compressed, or else
    the first.
    """
    kept: list[Path] = []
    notes: list[str] = []
    known: dict[object, Path] = {}
    for path in paths:
        identity = _identity(path)
        if identity in known:
            first = known[identity]
            notes.append(f"{path_text(path)} is {path_text(first)} again; it counts once")
        else:
            known[identity] = path
            kept.append(path)
    for copies in _alike(kept):
        best, *others = sorted(copies, key=lambda path: (path not in listed, _is_packed(path)))
        for path in others:
            kept.remove(path)
            notes.append(
                f"{path_text(path)} holds the same packets as {path_text(best)}; they count once"
            )
    return kept, notes


def _identity(path: Path) -> object:
    """What two names of one file have in common."""
    if path == STDIN:
        return STDIN
    try:
        status = path.stat()
    except OSError:
        return path
    return (status.st_dev, status.st_ino) if status.st_ino else path.resolve()


def _alike(paths: Sequence[Path]) -> list[list[Path]]:
    """Files with the same content, in groups of two or more."""
    by_start: dict[bytes, list[Path]] = defaultdict(list)
    for path in paths if len(paths) > 1 else ():
        if path != STDIN and (path.is_file() or not path.exists()):
            by_start[_start(path)].append(path)
    found: list[list[Path]] = []
    for start, candidates in by_start.items():
        if start and len(candidates) > 1:
            by_content: dict[bytes, list[Path]] = defaultdict(list)
            for path in candidates:
                by_content[_digest(path)].append(path)
            found += [same for same in by_content.values() if len(same) > 1]
    return found


def _start(path: Path) -> bytes:
    """A capture's first bytes; none without a packet, which many captures have in common."""
    try:
        with open_file(path) as file:
            if first_time(file, path.name) is None:
                return b""
            return plain_window(file, path.name).peek(FIRST)
    except (OSError, CaptureError):
        return b""


def _digest(path: Path) -> bytes:
    import hashlib  # noqa: PLC0415 - 4 ms of a start, and most need none

    digest = hashlib.sha256()
    for block in plain_blocks(path):
        digest.update(block)
    return digest.digest()


def plain_blocks(path: Path) -> Iterator[bytes]:
    """A file's content, decompressed.

    Raises:
        OSError: It cannot be read.
        CaptureError: What decompresses it is not installed.
    """
    with open_file(path) as file:
        window = plain_window(file, path.name)
        while window.has(1):
            yield window.take(len(window))


def _is_packed(path: Path) -> bool:
    with open_file(path) as file:
        return compression_of(file.read(4)) is not None

"""Files written whole or not at all, private where they tell what a cluster does.

A file is made beside its place under a name that nobody can guess, and renamed when it is complete:
what others may have put there, links above all, is never written through, and nothing is left
where the disk is full.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PRIVATE = 0o600
PRIVATE_DIRECTORY = 0o700
ANYBODY = 0o666
"""What the process's umask leaves of this: the usual rights of a result."""
LONGEST_NAME = 255
"""Bytes of a name that file systems take (Linux, NAME_MAX)."""
_SPECIAL = (Path("/dev"), Path("/proc"))


@contextmanager
def whole_file(path: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """A file to write, which appears at `path` when the block ends well, and else not at all.

    Args:
        path: Its place. What stands there, a link too, is replaced; a device or a pipe is written.
        mode: Its rights.

    Raises:
        OSError: It cannot be written; the error's `filename` is `path`.
    """
    if _is_special(path):
        with BufferedWriter(_Sink(path, path, os.O_WRONLY | os.O_TRUNC)) as stream:
            yield stream
        return
    part = path.with_name(_part_name())
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        with BufferedWriter(_Sink(part, path, flags, mode)) as stream:
            if mode != ANYBODY:
                part.chmod(mode)
            yield stream
            stream.flush()
            with naming(path):
                os.fsync(stream.fileno())
        with naming(path):
            part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


class _Sink(FileIO):
    """A file to write; `place` is the one that failures name."""

    def __init__(self, path: Path, place: Path, flags: int, mode: int = ANYBODY) -> None:
        self._place = place
        with naming(place):
            super().__init__(path, "w", opener=lambda name, _: os.open(name, flags, mode))

    def write(self, data: "ReadableBuffer", /) -> int:
        with naming(self._place):
            return super().write(data)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let failures of a block name the file that it writes: the system names none of a write."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, "", str(path)) from error


def write_whole(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Write one file; see `whole_file`."""
    with whole_file(path, mode) as stream:
        stream.write(content)


def write_all(directory: Path, contents: Mapping[str, bytes], mode: int = ANYBODY) -> None:
    """Write files into a directory, made where it is missing: all of them, or none.

    Raises:
        OSError: One cannot be written; then the directory is as it was.
    """
    made = _missing_parents(directory)
    parts: dict[Path, Path] = {}
    before: dict[Path, Path] = {}
    placed: list[Path] = []
    try:
        directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        for name, content in contents.items():
            part = parts[directory / name] = directory / _part_name()
            write_whole(part, content, mode)
        for path, part in parts.items():
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "", str(path))
            if os.path.lexists(path):
                before[path] = path.replace(directory / _part_name())
            placed.append(part.replace(path))
    except BaseException:
        _take_back(parts.values(), placed, before, made)
        raise
    for kept in before.values():
        kept.unlink(missing_ok=True)


def _take_back(
    parts: Iterable[Path], placed: Iterable[Path], before: Mapping[Path, Path], made: Iterable[Path]
) -> None:
    """Remove what was written so far, and put what was there before back."""
    for path in (*parts, *placed):
        with suppress(OSError):
            path.unlink(missing_ok=True)
    for path, kept in before.items():
        with suppress(OSError):
            kept.replace(path)
    for each in made:
        with suppress(OSError):
            each.rmdir()


def _part_name() -> str:
    return f".otterize-{os.urandom(8).hex()}.part"


def private_directory(path: Path) -> None:
    """Make a directory, and those above it that are missing, with what `rights_of` leaves.

    Raises:
        OSError: It cannot be made.
    """
    for missing in reversed(_missing_parents(path)):
        missing.mkdir(exist_ok=True)


@contextmanager
def rights_of(mode: int) -> Iterator[None]:
    """Let all that is made within the block have at most these rights, whoever makes it.

    Directories may be entered by whoever may read their files.
    """
    before = os.umask(0o777 & ~(mode | (mode & 0o444) >> 2))
    try:
        yield
    finally:
        os.umask(before)


def _missing_parents(directory: Path) -> list[Path]:
    """The directories that are not there, the innermost first."""
    return [each for each in (directory, *directory.parents) if not each.exists()]


def _is_special(path: Path) -> bool:
    """Whether a path is a device or a pipe, or leads to what a process has open."""
    if any(path.absolute().is_relative_to(place) for place in _SPECIAL):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()

"""URLs of objects as paths, so that all who read files read objects too.

An object is asked for once: what it was then is what is read from then on, or an error. A folder
is listed once, with all below it. What a URL is signed with belongs to the one object; no name
shows it.
"""

import os
import re
import stat
from collections.abc import Generator, Iterable, Iterator
from io import BufferedReader
from pathlib import Path, PosixPath
from typing import Any, Self

from msgspec import Struct, field

from otterize_pcap.errors import UsageError
from otterize_pcap.files.object_store import (
    SCHEMES,
    WITH_FOLDERS,
    ObjectPlace,
    ObjectState,
    find_object,
    list_objects,
    open_store,
)
from otterize_pcap.files.object_stream import ObjectStream, read_head, read_heads

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
SHOWN = 80


def named_path(text: str) -> Path:
    """What somebody named: a path of this machine, or a URL.

    Raises:
        UsageError: It is a URL of a kind that is not read, or has a user's name in it.
    """
    match = _URL.fullmatch(text)
    if match is None:
        return Path(text)
    scheme, rest = match["scheme"].lower(), match["rest"]
    if scheme not in SCHEMES:
        among = ", ".join(f"{each}://" for each in SCHEMES)
        message = f"{scheme}://: no kind of URL that is read; expected one of {among}"
        raise UsageError(message)
    where, _, query = rest.partition("?") if scheme == "https" else (rest, "", "")
    bucket, _, key = where.partition("/")
    if "@" in bucket:
        message = f"{scheme}://: a user's name or password in a URL; put them into the environment"
        raise UsageError(message)
    if not bucket or (scheme == "https" and not key.strip("/")):
        message = f"{scheme}://{bucket[:SHOWN]}: names no file; expected {scheme}://HOST/PATH"
        raise UsageError(message)
    if scheme == "https":
        from urllib.parse import unquote  # noqa: PLC0415 - 3 ms of a start

        # Keys of stores are taken as they are; obstore writes URLs itself.
        key = unquote(key)
    path = ObjectPath(f"{scheme}:", bucket, *filter(None, key.split("/")))
    path.query = query.partition("#")[0]
    return path


class _Known(Struct):
    """What was asked for: objects by their names, and all folders that were listed."""

    objects: dict[str, ObjectState | None] = field(default_factory=dict)
    listed: dict[str, dict[str, dict[str, bool]]] = field(default_factory=dict)


_KNOWN = _Known()


def forget() -> None:
    """Ask for everything again: a program that lives on reads what is there then."""
    _KNOWN.objects.clear()
    _KNOWN.listed.clear()
    open_store.cache_clear()
    read_head.cache_clear()


class ObjectPath(PosixPath):
    """The URL of an object, or of a folder of them, as a path that is read-only."""

    query = ""
    state: ObjectState | None = None
    """How it was where it was listed, if that was elsewhere."""

    def __str__(self) -> str:
        """The URL, without what it may be signed with."""
        return super().__str__().replace(":/", "://", 1)

    def __reduce__(self) -> tuple[Any, ...]:
        """To whoever reads it elsewhere goes along what it is here."""
        return _again, (self.parts, self.query, self._state())

    @property
    def place(self) -> ObjectPlace:
        """Where it is."""
        scheme, bucket, *key = self.parts
        return ObjectPlace(scheme.removesuffix(":"), bucket, "/".join(key), self.query)

    @property
    def known(self) -> ObjectState:
        """How an object is known to be.

        Raises:
            FileNotFoundError: There is none.
        """
        state = self._state()
        if state is None:
            raise FileNotFoundError(2, os.strerror(2), str(self))
        return state

    def _state(self) -> ObjectState | None:
        """What the object is, None where there is none."""
        if self.state is not None:
            return self.state
        name = str(self)
        if name not in _KNOWN.objects:
            is_known = self._is_within_an_object() or self._listing_above() is not None
            _KNOWN.objects[name] = None if is_known else find_object(self.place)
        return _KNOWN.objects[name]

    def _is_within_an_object(self) -> bool:
        """Whether a part of the path is an object, such as an archive."""
        return any(_KNOWN.objects.get(str(each)) is not None for each in self.parents)

    def _listing_above(self) -> dict[str, dict[str, bool]] | None:
        """The listing that would show it, where it was made."""
        listed = (_KNOWN.listed.get(str(each)) for each in self.parents)
        return next((each for each in listed if each is not None), None)

    def _inside(self) -> dict[str, bool]:
        """The names in a folder, and which of them are folders; none where it is none."""
        name = str(self)
        listing = _KNOWN.listed.get(name)
        if listing is None:
            listing = self._listing_above()
        has_folders = self.place.scheme in WITH_FOLDERS
        if listing is None and has_folders and not self._is_within_an_object():
            listing = _KNOWN.listed[name] = self._list()
        return (listing or {}).get(name, {})

    def _list(self) -> dict[str, dict[str, bool]]:
        folders: dict[str, dict[str, bool]] = {}
        root = f"{self.place.scheme}://{self.place.bucket}"
        begin = len(str(self))
        for key, state in list_objects(self.place).items():
            name = f"{root}/{key}"
            parts = name[begin + 1 :].split("/")
            if not {"", ".", ".."}.isdisjoint(parts):
                # What no path can name, such as the empty objects that stand for folders.
                continue
            _KNOWN.objects[name] = state
            folder = str(self)
            for number, part in enumerate(parts):
                folders.setdefault(folder, {}).setdefault(part, number < len(parts) - 1)
                folder = f"{folder}/{part}"
        return folders

    def is_file(self) -> bool:
        """Whether there is such an object."""
        return self._state() is not None

    def is_dir(self) -> bool:
        """Whether there are objects below it."""
        return self._state() is None and bool(self._inside())

    def exists(self) -> bool:
        """Whether it is there, as one or the other."""
        return self.is_file() or self.is_dir()

    def is_fifo(self) -> bool:
        """It never is."""
        return False

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:  # noqa: ARG002
        """Kind, size and time.

        Raises:
            NotADirectoryError: There is nothing, and above it is an object.
            FileNotFoundError: There is nothing.
        """
        if self._is_within_an_object():
            raise NotADirectoryError(20, os.strerror(20), str(self))
        state = self._state()
        if state is None and not self._inside():
            raise FileNotFoundError(2, os.strerror(2), str(self))
        if state is None:
            return os.stat_result((stat.S_IFDIR, 0, 0, 1, 0, 0, 0, 0, 0, 0))
        seconds = state.changed_ns // 1_000_000_000
        fields = (stat.S_IFREG, 0, 0, 1, 0, 0, state.size, seconds, seconds, seconds)
        return os.stat_result(fields, {"st_mtime_ns": state.changed_ns})

    def open(self, *_: Any, **__: Any) -> BufferedReader:  # type: ignore[override]  # noqa: ANN401
        """Its bytes; nothing is read before they are asked for.

        Raises:
            FileNotFoundError: There is none.
        """
        return ObjectFile(ObjectStream(self.place, self.known))

    def iterdir(self) -> Generator[Self, None, None]:
        """What is in a folder."""
        yield from (self / name for name in self._inside())

    def glob(self, pattern: str, **_: Any) -> Iterator[Self]:  # type: ignore[override]  # noqa: ANN401
        """Objects below a folder by a pattern, which may match several folders down."""
        depth = len(self.parts) + len(Path(pattern).parts)
        return (path for path in self.rglob(pattern) if len(path.parts) == depth)

    def rglob(self, pattern: str, **_: Any) -> Iterator[Self]:  # type: ignore[override]  # noqa: ANN401
        """Objects anywhere below a folder by a pattern."""
        for name, is_folder in self._inside().items():
            entry = self / name
            if is_folder:
                yield from entry.rglob(pattern)
            elif entry.match(pattern):
                yield entry

    def absolute(self) -> Self:
        """It is."""
        return self

    def resolve(self, strict: bool = False) -> Self:  # noqa: ARG002
        """No object is another one's name."""
        return self


class ObjectFile(BufferedReader):
    """An object's bytes, of which no more are fetched than there are at once."""

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - as its base has it
        """Read what is there, at most the buffer's size; 0 at the end."""
        return self.readinto1(buffer)


def _again(parts: Iterable[str], query: str, state: ObjectState | None) -> ObjectPath:
    path = ObjectPath(*parts)
    path.query, path.state = query, state
    return path


def look_ahead(paths: Iterable[Path]) -> None:
    """Fetch the first bytes of many objects at once, before each is asked what it is."""
    found = [path for path in paths if isinstance(path, ObjectPath) and path.is_file()]
    read_heads((path.place, path.known) for path in found)

"""One object as a stream: ranges of it, a few fetched ahead, and never more than some MB held.

The first range is small, since most who open a file want to know what it is; it is kept for the
next one who asks. Ranges grow while they are read one after the other, and begin small again where
somebody seeks.
"""

import io
from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from otterize_pcap.errors import OtterizeError
from otterize_pcap.files.object_store import ObjectPlace, ObjectState, read_range
from otterize_pcap.records.foreign_files import SEARCHED
from otterize_pcap.threads import begin_thread

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HEAD = SEARCHED
"""Bytes that tell what a file is."""
MOST_HEADS = 2048
"""Beginnings that are kept: 128 MB."""
SECOND = 256 << 10
LARGEST = 4 << 20
GROWTH = 4
AHEAD = 3
"""Ranges that are fetched while one is read."""
AT_ONCE = 16


class ObjectStream(io.RawIOBase):
    """An object from any place on."""

    def __init__(self, place: ObjectPlace, state: ObjectState) -> None:
        super().__init__()
        self.place = place
        self.state = state
        self._position = 0
        self._begin = 0
        self._content = memoryview(b"")
        self._ahead: deque[_Range] = deque()
        self._step = SECOND

    @property
    def length(self) -> int:
        """Bytes in it."""
        return self.state.size

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where reading goes on."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere else; nothing is fetched."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.length}[whence]
        if begin + offset < 0:
            message = "before the beginning"
            raise ValueError(message)
        self._position = begin + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read what is there, at most the buffer's size; 0 at the end.

        Raises:
            StoreError: It is another object meanwhile, or nobody answers.
        """
        view = memoryview(buffer).cast("B")
        if self._position >= self.length or not view:
            return 0
        at = self._position - self._begin
        if not 0 <= at < len(self._content):
            self._fetch()
            at = 0
        content = self._content[at : at + len(view)]
        view[: len(content)] = content
        self._position += len(content)
        return len(content)

    def from_offset(self, offset: int) -> "ObjectStream":
        """The same object, read from elsewhere by somebody else."""
        stream = ObjectStream(self.place, self.state)
        stream.seek(offset)
        return stream

    def read_at(self, count: int, offset: int) -> bytes:
        """Some bytes from an offset, fewer at the end; where reading goes on stays as it is.

        Raises:
            StoreError: It is another object meanwhile, or nobody answers.
        """
        end = min(offset + count, self.length)
        return bytes(read_range(self.place, self.state, offset, end)) if offset < end else b""

    def close(self) -> None:
        """Fetch no more."""
        self._ahead.clear()
        self._content = memoryview(b"")
        super().close()

    def _fetch(self) -> None:
        """Hold the range at the position, and have those after it fetched."""
        position = self._position
        # Who reads on behind the beginning may want to know what it is, no more.
        goes_on = 0 < self._begin == position - len(self._content)
        self._begin = position
        if not position:
            self._content = memoryview(read_head(self.place, self.state))
            return
        if not self._ahead or self._ahead[0].begin != position:
            self._ahead.clear()
            self._step = SECOND
            self._ahead.append(self._range_from(position))
        found = self._ahead.popleft()
        if goes_on:
            # Before this one is waited for, those behind it are under way.
            self._fill(self._ahead[-1].end if self._ahead else found.end)
        self._content = found.content()

    def _fill(self, end: int) -> None:
        """Have what follows fetched, in ranges that grow."""
        while len(self._ahead) < AHEAD and end < self.length:
            self._step = min(self._step * GROWTH, LARGEST)
            self._ahead.append(self._range_from(end))
            end = self._ahead[-1].end

    def _range_from(self, begin: int) -> "_Range":
        return _Range(self.place, self.state, begin, min(begin + self._step, self.length))


class _Range:
    """A range that is being fetched by a thread of its own, which ends with the process."""

    def __init__(self, place: ObjectPlace, state: ObjectState, begin: int, end: int) -> None:
        # With logging that it brings along, this takes 5 ms.
        from concurrent.futures import Future  # noqa: PLC0415

        self.begin = begin
        self.end = end
        self._fetched: Future[memoryview] = Future()
        if begin_thread(self._run, place, state) is None:
            self._run(place, state)

    def _run(self, place: ObjectPlace, state: ObjectState) -> None:
        try:
            self._fetched.set_result(read_range(place, state, self.begin, self.end))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._fetched.set_exception(error)

    def content(self) -> memoryview:
        """What it is, once it is there.

        Raises:
            StoreError: It could not be fetched.
        """
        return self._fetched.result()


@lru_cache(MOST_HEADS)
def read_head(place: ObjectPlace, state: ObjectState) -> bytes:
    """The beginning of an object, kept for the next one who asks.

    Raises:
        StoreError: It could not be fetched.
    """
    end = min(HEAD, state.size)
    return bytes(read_range(place, state, 0, end)) if end else b""


def read_heads(objects: Iterable[tuple[ObjectPlace, ObjectState]]) -> None:
    """Have the beginnings of many objects fetched, some at a time; failures show again later."""
    wanted = deque(list(objects)[:MOST_HEADS])
    threads = [begin_thread(_read_some, wanted) for _ in range(min(AT_ONCE, len(wanted)))]
    for thread in threads:
        if thread is not None:
            thread.join()


def _read_some(wanted: "deque[Any]") -> None:
    while wanted:
        try:
            read_head(*wanted.popleft())
        except (OtterizeError, IndexError):
            continue

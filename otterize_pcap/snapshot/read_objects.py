"""Snapshot documents → objects, out of JSON, YAML or kubectl's tables.

Input: one document's text: a List as `kubectl get -o json` prints it, a single object, or YAML
with several documents. Output: its objects, and what a watch saw.

JSON that is laid out in lines, as kubectl and `otterize snapshot` write it, is taken apart item by
item, so that no more than one is in memory with all its fields: a mapped file of 150 MB needs
70 MB in all. Any other layout is decoded as a whole.
"""

import json
import mmap as mapping
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from mmap import PAGESIZE, mmap

import msgspec
from msgspec import Struct, field

from otterize_pcap.counted import counted
from otterize_pcap.errors import SnapshotError
from otterize_pcap.json_errors import BROKEN, json_reason
from otterize_pcap.snapshot.decode_items import KIND, Listed, decode_item
from otterize_pcap.snapshot.envelopes import Document, WatchEvent
from otterize_pcap.snapshot.objects import Item, Metadata, Watch
from otterize_pcap.snapshot.odd_fields import OddFields, read_watch
from otterize_pcap.snapshot.plain_text import DocumentText, json_values, utf8_text, yaml_values
from otterize_pcap.snapshot.pod_table import LACKS, is_table, read_tables

# Kubernetes API reference, metav1.WatchEvent.
STATES = ("ADDED", "MODIFIED", "DELETED")
NO_STATES = ("BOOKMARK", "ERROR")

FIRST_ITEM = re.compile(rb'"items":\s*\[\n([ \t]*)\{')
HEADINGS_WITHIN = 256
FORGET_BYTES = 16 << 20
# Windows has no such advice, and takes the memory back by itself.
FORGET: int | None = getattr(mapping, "MADV_DONTNEED", None)


def _decode_document(document: DocumentText, where: str) -> Document:
    try:
        return msgspec.json.decode(document, type=Document)
    except BROKEN as error:
        reason = json_reason(bytes(document), Document)
        message = f"{where}: broken or unexpected JSON ({reason}); write the snapshot again"
        raise SnapshotError(message) from error


def _without_kind(where: str) -> SnapshotError:
    return SnapshotError(
        f"{where}: no Kubernetes objects (there is no `kind`); "
        "expected the List that `kubectl get -o json` prints"
    )


def _was_cut(text: bytes) -> bool:
    """Whether a JSON value that cannot be read is the beginning of one object."""
    if b'"items"' in text:
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return not (text.rstrip().endswith(b"}") and error.doc[error.pos :].strip())
    except (ValueError, RecursionError):
        return False
    return False


class Part(Struct):
    """What one list, or the objects of one document that are in none, hold.

    `view` names a list: what is not in it was not there then. It is None where absence says
    nothing, as of an object alone. `is_table` is whether pods came out of a table for people.
    """

    items: list[Item]
    watches: list[Watch] = field(default_factory=list)
    view: str | None = None
    is_table: bool = False


def read_objects(document: DocumentText, where: str, odd: OddFields) -> list[Part]:
    """All objects of one document: JSON, several JSON values, YAML, or kubectl's table of pods.

    Args:
        document: JSON is recognised by its first character and never passes through the YAML
            parser, which is 30 to 50 times slower.
        where: Names the file in errors.
        odd: Takes note of fields and objects that are not what they should be.

    Raises:
        SnapshotError: It is none of these, or holds no Kubernetes objects.
    """
    text = utf8_text(document, where)
    beginning = re.search(rb"\S", text)
    if beginning is None:
        message = f"{where}: empty; write it with `kubectl get pods,services,... -A -o json`"
        raise SnapshotError(message)
    reader = _Reader(where, odd)
    if beginning[0] == b"{":
        if not reader.read_in_lines(text):
            reader.read_json(text)
    elif beginning[0] == b"[" and (values := _array(text)) is not None:
        reader.read_values(values)
    elif is_table(text[beginning.start() : beginning.start() + HEADINGS_WITHIN]):
        reader.read_table(bytes(text))
    else:
        reader.read_values(list(yaml_values(bytes(text), where)))
    return reader.parts()


def _array(text: DocumentText) -> list[bytes] | None:
    """The values of a JSON list (`jq .items`); None where it is none, as YAML may not be."""
    try:
        values = msgspec.json.decode(text, type=list[msgspec.Raw])
    except BROKEN:
        return None
    found = [bytes(value) for value in values]
    return found if all(value.startswith(b"{") for value in found) else None


class _Reader:
    """Reads the documents of one file."""

    def __init__(self, where: str, odd: OddFields) -> None:
        self._where = where
        self._odd = odd
        self._lists: list[Part] = []
        self._alone = Part([])

    def parts(self) -> list[Part]:
        """What was read: each list, and the objects that are in none."""
        alone = self._alone
        if len(alone.items) > 1:
            # A file of several objects is one view of its cluster, as a list is.
            alone.view = self._where
        return [*self._lists, alone] if alone.items or alone.watches else self._lists

    def read_json(self, text: DocumentText) -> None:
        """One JSON value, or several that follow one another."""
        try:
            self._read_value(text, _decode_document(text, self._where))
        except SnapshotError:
            values = list(json_values(bytes(text)))
            if len(values) < 2:
                raise
            self.read_values(values)

    def read_values(self, values: Sequence[bytes]) -> None:
        """Several JSON values: Lists, objects and events of a watch (`kubectl get -w`)."""
        strange = 0
        for number, value in enumerate(values, 1):
            try:
                whole = _decode_document(value, self._where)
            except SnapshotError as error:
                if isinstance(error.__cause__, msgspec.ValidationError):
                    strange += 1
                    continue
                if not _was_cut(value) or number < len(values) or number == 1:
                    raise
                # A watch that was interrupted.
                self._odd.files.add(f"{self._where}: its last object is cut off")
                break
            if whole.kind:
                self._read_value(value, whole)
            elif not self._read_event(value):
                strange += 1
        if strange and strange == len(values):
            raise _without_kind(self._where)
        if strange:
            self._odd.files.add(f"{self._where}: {strange} JSON values are no Kubernetes objects")

    def read_table(self, text: bytes) -> None:
        """What `kubectl get pods -o wide` prints."""
        items, strange = read_tables(text, self._where)
        self._lists.append(Part(items, view=self._where, is_table=True))
        self._odd.files.add(f"{self._where}: {LACKS}")
        if strange:
            lines = counted(strange, "line fits", "lines fit")
            self._odd.files.add(f"{self._where}: {lines} no headings of the table")

    def _read_event(self, value: bytes) -> bool:
        """An event of a watch; the object that it tells of is its state then."""
        try:
            event = msgspec.json.decode(value, type=WatchEvent)
        except BROKEN:
            return False
        if event.type in STATES:
            self._add([event.object], Listed(""), self._alone)
        elif event.type not in NO_STATES:
            return False
        return True

    def _read_value(self, document: DocumentText, whole: Document) -> None:
        if not whole.kind:
            raise _without_kind(self._where)
        if whole.items is None and not whole.kind.endswith("List"):
            part = self._alone
            self._add([bytes(document)], Listed(whole.kind), part)
        else:
            part = Part([], view=self._view(whole))
            self._lists.append(part)
            self._add(self._forgetting(document, whole.items or ()), Listed.by(whole), part)
        self._take_watch(whole, part)

    def _forgetting(
        self, document: DocumentText, items: Iterable[msgspec.Raw]
    ) -> Iterator[msgspec.Raw]:
        unread = FORGET_BYTES
        for item in items:
            # Finding the items has read the whole file once; each is read from it again.
            if isinstance(document, mmap) and FORGET is not None and unread >= FORGET_BYTES:
                document.madvise(FORGET)
                unread = 0
            unread += len(memoryview(item))
            yield item

    def _add(self, texts: Iterable[bytes | msgspec.Raw], listed: Listed, part: Part) -> None:
        for text in texts:
            item = decode_item(text, listed, self._odd, self._where)
            if item is not None:
                part.items.append(item)

    def _take_watch(self, whole: Document, part: Part) -> None:
        text = bytes(whole.otterize)
        if text not in (b"", b"null"):
            part.watches.append(read_watch(text, self._odd, self._where))

    def _view(self, whole: Document) -> str:
        """A name for a list; pages of one have one version (Kubernetes API concepts, "limit")."""
        version = ""
        with suppress(*BROKEN):
            version = msgspec.json.decode(whole.metadata, type=Metadata).resourceVersion
        return f"version {version}" if version else f"{self._where} {len(self._lists)}"

    def read_in_lines(self, document: DocumentText) -> bool:
        """Read a List whose items begin on lines of their own; False where it is not laid out so.

        JSON text has no newline within a string, and what is left without the items must be a
        document by itself, so that nothing but the layout is taken on trust.
        """
        found = FIRST_ITEM.search(document)
        if found is None:
            return False
        begin, indent = found.start(1), found[1]
        named = KIND.search(document, 0, begin)
        listed = Listed(named[1].decode().removesuffix("List") if named else "")
        part = Part([])
        at, forgotten, more = begin, 0, True
        odd = self._odd
        self._odd = OddFields()
        try:
            while more:
                end = _line_after(document, at, indent)
                if end is None:
                    return False
                text = document[at : end - 1]
                more = text.endswith(b",")
                self._add([text.removesuffix(b",")], listed, part)
                forgotten = _forget(document, forgotten, at)
                at = end
            rest = bytes(document[:begin]) + bytes(document[at:])
            whole = msgspec.json.decode(rest, type=Document)
            if not whole.kind or whole.items != [] or Listed.by(whole) != listed:
                return False
            part.view = self._view(whole)
            self._take_watch(whole, part)
            odd.update(self._odd)
        except (*BROKEN, SnapshotError):
            return False
        finally:
            self._odd = odd
        self._lists.append(part)
        return True


def _line_after(document: DocumentText, at: int, indent: bytes) -> int | None:
    """Where the line after an item begins: one in a single line, or up to its closing brace."""
    end = document.find(b"\n", at)
    if end == at + len(indent) + 1:
        closing = document.find(b"\n" + indent + b"}", at)
        end = document.find(b"\n", closing + 1) if closing >= 0 else -1
    return None if end < 0 else end + 1


def _forget(document: DocumentText, forgotten: int, until: int) -> int:
    """Give the memory of a mapped file's part that was read back to the system, now and then."""
    if isinstance(document, mmap) and FORGET is not None and until - forgotten > FORGET_BYTES:
        until -= until % PAGESIZE
        document.madvise(FORGET, forgotten, until - forgotten)
        return until
    return forgotten

"""Snapshot documents → objects, out of JSON or YAML.

Input: one document's text: a List as `kubectl get -o json` prints it, a single object, or YAML
with several documents. Output: its objects, and what a watch saw.

JSON that is laid out in lines, as kubectl and `otterize snapshot` write it, is taken apart item by
item, so that no more than one is in memory with all its fields: a mapped file of 150 MB needs
70 MB in all. Any other layout is decoded as a whole.
"""

import mmap as mapping
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from mmap import PAGESIZE, mmap
from typing import Any

import msgspec

from otterize_pcap.api_groups import group_of
from otterize_pcap.errors import SnapshotError
from otterize_pcap.json_errors import json_reason, unencodable
from otterize_pcap.snapshot.endpoints import EndpointsItem
from otterize_pcap.snapshot.object_fields import describe
from otterize_pcap.snapshot.objects import (
    Document,
    EndpointSliceItem,
    Item,
    NodeItem,
    PodItem,
    ServiceItem,
    Watch,
)
from otterize_pcap.yaml_documents import YamlError, load_documents

DocumentText = bytes | mmap
Parts = tuple[list[Item], list[Watch]]

DECODERS: dict[str, msgspec.json.Decoder[Item]] = {
    "Pod": msgspec.json.Decoder(PodItem),
    "Service": msgspec.json.Decoder(ServiceItem),
    "EndpointSlice": msgspec.json.Decoder(EndpointSliceItem),
    "Endpoints": msgspec.json.Decoder(EndpointsItem),
    "Node": msgspec.json.Decoder(NodeItem),
}
OTHER = msgspec.json.Decoder(Item)
# msgspec gives up on objects nested thousands deep with a RecursionError.
BROKEN = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

KIND = re.compile(rb'"kind":\s*"(\w+)"')
FIRST_ITEM = re.compile(rb'"items":\s*\[\n([ \t]*)\{')
KIND_WITHIN = 256
FORGET_BYTES = 16 << 20
# Windows has no such advice, and takes the memory back by itself.
FORGET: int | None = getattr(mapping, "MADV_DONTNEED", None)


@dataclass(frozen=True, slots=True)
class Listed:
    """What a typed list (PodList, from the API itself) says once, and its items leave out."""

    kind: str
    #: Only of custom resources, which alone it tells apart (S7).
    api_version: str = ""

    @classmethod
    def by(cls, whole: Document) -> "Listed":
        """What a document says of its items; a plain List says nothing."""
        kind = whole.kind.removesuffix("List")
        return cls(kind, whole.apiVersion if kind and group_of(whole.apiVersion) else "")

    def completes(self, item: Item) -> Item:
        """An item with kind and version, where it left them out."""
        if item.kind or not self.kind:
            return item
        version = item.apiVersion or self.api_version
        return msgspec.structs.replace(item, kind=self.kind, apiVersion=version)


def read_objects(document: DocumentText, where: str) -> Parts:
    """All objects of one JSON or YAML document.

    Args:
        document: UTF-8 text. JSON is recognised by its first character and never passes through
            the YAML parser, which is 30 to 50 times slower.
        where: Names the file in errors.

    Raises:
        SnapshotError: It is neither, or holds no Kubernetes objects.
    """
    beginning = re.search(rb"\S", document)
    if beginning is None:
        message = f"{where}: empty; write it with `kubectl get pods,services,... -A -o json`"
        raise SnapshotError(message)
    if beginning[0] == b"{":
        return _read_in_lines(document) or _read_json(document, where)
    items: list[Item] = []
    watches: list[Watch] = []
    for part in _yaml_documents(bytes(document), where):
        more_items, more_watches = _read_json(_as_json(part, where), where)
        items += more_items
        watches += more_watches
    return items, watches


def _as_json(part: dict[str, Any], where: str) -> bytes:
    try:
        return msgspec.json.encode(part)
    except (TypeError, ValueError, OverflowError) as error:
        place = unencodable(part)
        message = f"{where}: YAML that has no JSON form (see {place}); write the snapshot again"
        raise SnapshotError(message) from error


def _read_json(document: DocumentText, where: str) -> Parts:
    whole = _decode_document(document, where)
    watches = [] if whole.otterize is None else [whole.otterize]
    if whole.items is None and not whole.kind.endswith("List"):
        return [_item(bytes(document), Listed(whole.kind), where)], watches
    listed = Listed.by(whole)
    items: list[Item] = []
    unread = FORGET_BYTES
    for item in whole.items or ():
        # Finding the items has read the whole file once; each is read from it again.
        if isinstance(document, mmap) and FORGET is not None and unread >= FORGET_BYTES:
            document.madvise(FORGET)
            unread = 0
        unread += len(memoryview(item))
        items.append(_item(item, listed, where))
    return items, watches


def _decode_document(document: DocumentText, where: str) -> Document:
    try:
        whole = msgspec.json.decode(document, type=Document)
    except BROKEN as error:
        reason = json_reason(bytes(document), Document)
        message = f"{where}: broken or unexpected JSON ({reason}); write the snapshot again"
        raise SnapshotError(message) from error
    if not whole.kind:
        message = (
            f"{where}: no Kubernetes objects (there is no `kind`); "
            "expected the List that `kubectl get -o json` prints"
        )
        raise SnapshotError(message)
    return whole


def _read_in_lines(document: DocumentText) -> Parts | None:
    """Read a List whose items begin on lines of their own; None where it is laid out otherwise.

    JSON text has no newline within a string, and what is left without the items must be a
    document by itself, so that nothing but the layout is taken on trust.
    """
    found = FIRST_ITEM.search(document)
    if found is None:
        return None
    begin, indent = found.start(1), found[1]
    named = KIND.search(document, 0, begin)
    listed = Listed(named[1].decode().removesuffix("List") if named else "")
    items: list[Item] = []
    at, forgotten, more = begin, 0, True
    try:
        while more:
            end = _line_after(document, at, indent)
            if end is None:
                return None
            text = document[at : end - 1]
            more = text.endswith(b",")
            items.append(_decode(text.removesuffix(b","), listed))
            forgotten = _forget(document, forgotten, at)
            at = end
        rest = bytes(document[:begin]) + bytes(document[at:])
        whole = msgspec.json.decode(rest, type=Document)
    except BROKEN:
        return None
    by = Listed.by(whole)
    if not whole.kind or whole.items != [] or by != listed:
        return None
    return items, [] if whole.otterize is None else [whole.otterize]


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


def _item(text: bytes | msgspec.Raw, listed: Listed, where: str) -> Item:
    try:
        return _decode(text, listed)
    except BROKEN as error:
        what, shape = "an object", DECODERS.get(listed.kind, OTHER).type
        with suppress(*BROKEN):
            known = listed.completes(OTHER.decode(text))
            what, shape = describe(known), _decoder_of(known).type
        reason = json_reason(bytes(memoryview(text)), shape)
        message = f"{where}: {what}: {reason}; take the snapshot again"
        raise SnapshotError(message) from error


def _decode(text: bytes | msgspec.Raw, listed: Listed) -> Item:
    """An object as the type of its kind, which kubectl writes near the beginning."""
    guess = KIND.search(bytes(memoryview(text)[:KIND_WITHIN]))
    guessed = DECODERS.get(guess[1].decode() if guess else listed.kind, OTHER)
    try:
        item = listed.completes(guessed.decode(text))
    except msgspec.ValidationError:
        if guessed is OTHER:
            raise
        # What reads like a Service may be somebody else's kind, with other fields (S7).
        item = listed.completes(OTHER.decode(text))
        if _decoder_of(item) is guessed:
            raise
    decoder = _decoder_of(item)
    return item if decoder is guessed else listed.completes(decoder.decode(text))


def _decoder_of(item: Item) -> msgspec.json.Decoder[Item]:
    """The decoder for an object's kind; one that has no fields for a custom resource (S7)."""
    return OTHER if group_of(item.apiVersion) else DECODERS.get(item.kind, OTHER)


def _yaml_documents(document: bytes, where: str) -> Iterator[dict[str, Any]]:
    try:
        for part in load_documents(document):
            if part is None:
                continue
            if not isinstance(part, dict):
                message = (
                    f"{where}: no Kubernetes objects (YAML {type(part).__name__}); "
                    "expected what `kubectl get -o yaml` prints"
                )
                raise SnapshotError(message)
            yield part
    except YamlError as error:
        message = f"{where}: neither JSON nor YAML ({error}); write the snapshot again"
        raise SnapshotError(message) from error

"""JSON of one object → the type of its kind."""

import re
from contextlib import suppress

import msgspec
from msgspec import Struct

from otterize_pcap.api_groups import group_of
from otterize_pcap.errors import SnapshotError
from otterize_pcap.json_errors import BROKEN, json_reason
from otterize_pcap.snapshot.endpoints import EndpointsItem
from otterize_pcap.snapshot.envelopes import Document
from otterize_pcap.snapshot.objects import (
    EndpointSliceItem,
    Item,
    NodeItem,
    PodItem,
    ServiceItem,
    WorkloadItem,
)
from otterize_pcap.snapshot.odd_fields import OddFields, read_item
from otterize_pcap.snapshot.policy_objects import NetworkPolicyItem

DECODERS: dict[str, msgspec.json.Decoder[Item]] = {
    "Pod": msgspec.json.Decoder(PodItem),
    "Service": msgspec.json.Decoder(ServiceItem),
    "EndpointSlice": msgspec.json.Decoder(EndpointSliceItem),
    "Endpoints": msgspec.json.Decoder(EndpointsItem),
    "NetworkPolicy": msgspec.json.Decoder(NetworkPolicyItem),
    "Node": msgspec.json.Decoder(NodeItem),
    "Deployment": msgspec.json.Decoder(WorkloadItem),
    "StatefulSet": msgspec.json.Decoder(WorkloadItem),
    "DaemonSet": msgspec.json.Decoder(WorkloadItem),
}
OTHER = msgspec.json.Decoder(Item)

KIND = re.compile(rb'"kind":\s*"(\w+)"')
KIND_WITHIN = 256


class Listed(Struct, frozen=True):
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


def decode_item(
    text: bytes | msgspec.Raw, listed: Listed, odd: OddFields, where: str
) -> Item | None:
    """An object, without what is not as it should be; None where nothing of it can be used.

    Raises:
        SnapshotError: It is no JSON.
    """
    item = _read(text, listed, odd, where)
    if item is not None and not item.kind:
        odd.fields.add(f"{where}: an object without kind: {item.metadata.name or 'it has no name'}")
        return None
    return item


def _read(text: bytes | msgspec.Raw, listed: Listed, odd: OddFields, where: str) -> Item | None:
    try:
        try:
            return _decode(text, listed)
        except msgspec.ValidationError:
            # What stands behind the odd field may be no JSON, or no UTF-8, still.
            return _fitting_item(text, listed, odd, where)
    except BROKEN as error:
        reason = json_reason(bytes(memoryview(text)), Item)
        message = f"{where}: an object: {reason}; take the snapshot again"
        raise SnapshotError(message) from error


def _fitting_item(
    text: bytes | msgspec.Raw, listed: Listed, odd: OddFields, where: str
) -> Item | None:
    """An object without its fields that are of a wrong type."""
    value = msgspec.json.decode(text)
    shape: type[Item] = DECODERS.get(listed.kind, OTHER).type
    if isinstance(value, dict):
        if not value.get("kind") and listed.kind:
            value |= {"kind": listed.kind, "apiVersion": value.get("apiVersion", "")}
        with suppress(msgspec.ValidationError):
            named = msgspec.convert({**value, "metadata": {}}, Item)
            shape = _decoder_of(listed.completes(named)).type
    found = read_item(value, shape, odd, where)
    return None if found is None else listed.completes(found)


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

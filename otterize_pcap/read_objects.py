"""Snapshot documents → objects, out of JSON or YAML.

Input: one document as bytes: a List as `kubectl get -o json` prints it, a single object, or YAML
with several documents. Output: its objects, and what a watch saw.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from otterize_pcap.errors import SnapshotError
from otterize_pcap.objects import Document, Item, Watch


def read_objects(document: bytes, where: str) -> tuple[list[Item], list[Watch]]:
    """All objects of one JSON or YAML document.

    Args:
        document: UTF-8 text. JSON is recognised by its first character and never passes through
            the YAML parser, which is 30 to 50 times slower.
        where: Names the file in errors.

    Raises:
        SnapshotError: It is neither, or holds no Kubernetes objects.
    """
    if not document.strip():
        message = f"{where}: empty; write it with `kubectl get pods,services,... -A -o json`"
        raise SnapshotError(message)
    if document.lstrip()[:1] == b"{":
        return _read_json(document, where)
    items: list[Item] = []
    watches: list[Watch] = []
    for part in _yaml_documents(document, where):
        more_items, more_watches = _read_json(msgspec.json.encode(part), where)
        items += more_items
        watches += more_watches
    return items, watches


def _read_json(document: bytes, where: str) -> tuple[list[Item], list[Watch]]:
    try:
        whole = msgspec.json.decode(document, type=Document)
        if not whole.kind:
            message = (
                f"{where}: no Kubernetes objects (there is no `kind`); "
                "expected the List that `kubectl get -o json` prints"
            )
            raise SnapshotError(message)
        watches = [] if whole.otterize is None else [whole.otterize]
        if whole.items is None and not whole.kind.endswith("List"):
            return [msgspec.json.decode(document, type=Item)], watches
    except msgspec.MsgspecError as error:
        message = f"{where}: broken or unexpected JSON ({error}); write the snapshot again"
        raise SnapshotError(message) from error
    # A typed list (PodList, from the API itself) leaves `kind` out of its items.
    kind = whole.kind.removesuffix("List") if whole.kind != "List" else ""
    items = whole.items or []
    if kind:
        items = [item if item.kind else msgspec.structs.replace(item, kind=kind) for item in items]
    return items, watches


def _yaml_documents(document: bytes, where: str) -> Iterator[dict[str, Any]]:
    # PyYAML costs 18 ms to import, and most snapshots are JSON.
    import yaml  # noqa: PLC0415

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for part in yaml.load_all(document, Loader=loader):
            if part is None:
                continue
            if not isinstance(part, dict):
                message = (
                    f"{where}: no Kubernetes objects (YAML {type(part).__name__}); "
                    "expected what `kubectl get -o yaml` prints"
                )
                raise SnapshotError(message)
            yield part
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        message = f"{where}: neither JSON nor YAML ({reason}); write the snapshot again"
        raise SnapshotError(message) from error

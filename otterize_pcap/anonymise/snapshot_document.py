"""A snapshot's document → the same under other names.

Whatever its form was, it comes out as JSON: each list as a List whose items stand on lines of their
own, as `otterize snapshot` writes it, and one after the other, as absence says something of each.
"""

from typing import Any

import msgspec

from otterize_pcap.addresses import AddressError
from otterize_pcap.anonymise.objects import anonymised
from otterize_pcap.anonymise.renaming import Renaming
from otterize_pcap.errors import SnapshotError
from otterize_pcap.snapshot.object_fields import describe
from otterize_pcap.snapshot.odd_fields import OddFields
from otterize_pcap.snapshot.plain_text import DocumentText
from otterize_pcap.snapshot.read_objects import Part, read_objects
from otterize_pcap.timestamps import TimeError

VERSIONED = "version "
"""How the name of a list begins that has a version, which its pages share."""


def anonymise_snapshot(
    document: DocumentText, where: str, renaming: Renaming, odd: OddFields
) -> bytes:
    """One document under other names.

    Args:
        document: JSON or YAML.
        where: Names the file in errors.
        renaming: What stands for what.
        odd: Takes note of fields and objects that are not what they should be; they are left out.

    Raises:
        SnapshotError: It cannot be read, or a time or an address in it is none.
    """
    parts = read_objects(document, where, odd)
    if odd.doubtful:
        message = f"{where}: when a pod had its addresses is in doubt ({min(odd.fields)}); mend it"
        raise SnapshotError(message)
    return b"".join(_list(part, where, renaming) for part in parts)


def _list(part: Part, where: str, renaming: Renaming) -> bytes:
    """One list, or an object that is in none."""
    if part.is_table:
        message = f"{where}: a table for people, which says little; write it with -o json"
        raise SnapshotError(message)
    if len(part.watches) > 1:
        message = f"{where}: several watches in one list; give each a file of its own"
        raise SnapshotError(message)
    items = [_renamed(item, f"{where}: {describe(item)}", renaming) for item in part.items]
    if part.view is None and len(items) == 1 and not part.watches:
        return msgspec.json.format(msgspec.json.encode(items[0]), indent=1) + b"\n"
    whole: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "items": items}
    version = (part.view or "").removeprefix(VERSIONED)
    if version.isascii() and version.isdigit():
        whole["metadata"] = {"resourceVersion": version}
    for watch in part.watches:
        whole["otterize"] = _renamed(watch, f"{where}: otterize", renaming)
    return msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n"


def _renamed(item: object, where: str, renaming: Renaming) -> Any:  # noqa: ANN401 - as JSON has it
    """A part of a document, without fields that say nothing."""
    try:
        return _filled(msgspec.to_builtins(anonymised(renaming, item)))
    except (AddressError, TimeError) as error:
        message = f"{where}: {error}; take the snapshot again"
        raise SnapshotError(message) from error


def _filled(value: Any) -> Any:  # noqa: ANN401 - what JSON holds
    if isinstance(value, dict):
        return {key: _filled(part) for key, part in value.items() if part is not None}
    if isinstance(value, (list, tuple)):
        return [_filled(part) for part in value]
    return value

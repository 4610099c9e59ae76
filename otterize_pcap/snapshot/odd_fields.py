"""Fields that are not what Kubernetes writes: each costs itself, and is told.

People redact snapshots; clouds and old API servers write what the API's types do not allow. Such a
field is left out, with what would not be true without it: a port without its protocol, a Service's
selector without one of its labels, a pod of which nobody knows whether it has its node's network.
A pod that lost what says when it had its addresses perhaps always had them: it is in doubt.
"""

from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from otterize_pcap.json_errors import BROKEN
from otterize_pcap.snapshot.field_checks import is_sound
from otterize_pcap.snapshot.fitting import Fitting, UnfitError
from otterize_pcap.snapshot.object_fields import describe, uid_of
from otterize_pcap.snapshot.objects import Item, PodItem, Watch

T = TypeVar("T", bound=Item)

TIMES = ("$.status", "$.metadata.creationTimestamp", "$.metadata.deletionTimestamp")
NO_TIMES = ("IP", "IPs", ".ip")


class OddFields(Struct):
    """What was left out of a snapshot.

    `fields` say which field or object, and why (`Pod shop/kafka-0: $.status.phase is 1; expected
    text`); `files` are the same of whole files or documents. `doubtful` are the uids of pods whose
    times are in doubt for it.
    """

    fields: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)

    def update(self, other: "OddFields") -> None:
        """Add what was left out elsewhere."""
        self.fields |= other.fields
        self.files |= other.files
        self.doubtful |= other.doubtful


def read_item(value: Any, shape: type[T], odd: OddFields, where: str) -> T | None:  # noqa: ANN401 - JSON
    """An object that msgspec refused, without what does not fit; None where nothing is left.

    Args:
        value: JSON.
        shape: What it should be.
        odd: Takes note of what was left out.
        where: Names the file, for objects that have no name.
    """
    return _fitted(value, shape, odd, where)


def sound_item(item: T, odd: OddFields) -> T | None:
    """An object without addresses, ranges and times that are none; None where nothing is left."""
    return item if is_sound(item) else _fitted(msgspec.to_builtins(item), type(item), odd, "")


def read_watch(text: bytes, odd: OddFields, where: str) -> Watch:
    """What a watch saw, without what does not fit; pods that lost an interval are in doubt."""
    try:
        value = msgspec.json.decode(text)
    except BROKEN:
        odd.fields.add(f"{where}: $.otterize is no JSON")
        return Watch()
    fitting = Fitting()
    try:
        watch = msgspec.convert(fitting.struct(value, Watch, "$.otterize"), Watch)
    except UnfitError as error:
        odd.fields.add(f"{where}: {error}")
        return Watch()
    odd.fields.update(f"{where}: {reason}" for reason in fitting.reasons)
    odd.doubtful |= fitting.lost_uids
    return watch


def sound_watch(watch: Watch, odd: OddFields) -> Watch:
    """What a watch saw, without addresses and times that are none."""
    if is_sound(watch):
        return watch
    return read_watch(msgspec.json.encode(watch), odd, "otterize")


def _fitted(value: Any, shape: type[T], odd: OddFields, where: str) -> T | None:  # noqa: ANN401 - JSON
    fitting = Fitting()
    try:
        found = msgspec.convert(fitting.struct(value, shape, "$"), shape)
    except UnfitError as error:
        odd.fields.add(f"{_named(value, where)}: {error}")
        return None
    odd.fields.update(f"{describe(found)}: {reason}" for reason in fitting.reasons)
    if isinstance(found, PodItem) and any(map(_says_when, fitting.reasons)):
        odd.doubtful.add(uid_of(found))
    return found


def _named(value: object, where: str) -> str:
    """An object as far as it can be named, else its file."""
    try:
        return describe(msgspec.convert(value, Item))
    except msgspec.ValidationError:
        return f"{where}: an object"


def _says_when(reason: str) -> bool:
    """Whether a pod's field, with whose path this reason begins, says when it had its addresses."""
    path = reason.partition(" ")[0].rstrip("]0123456789[")
    return path.startswith(TIMES) and not path.endswith(NO_TIMES)

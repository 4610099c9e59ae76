"""JSON values without the parts that do not fit their type."""

from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from otterize_pcap.json_errors import expected, json_reason
from otterize_pcap.snapshot.field_checks import CHECKS, UNDIVIDED, Check, is_vital, passes
from otterize_pcap.snapshot.nodes import ADDRESS_TYPES
from otterize_pcap.snapshot.objects import EndpointSliceItem, NodeAddress, Observed


class UnfitError(Exception):
    """A value that does not fit: where, and why."""


class Fitting:
    """Takes out of one JSON value what does not fit its type.

    After `struct`: `reasons` say what went, by path; `lost_uids` are of objects of which
    an interval went that a watch saw.
    """

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.lost_uids: set[str] = set()
        self._names = False

    def struct(self, value: Any, shape: type[msgspec.Struct], path: str) -> dict[str, Any]:  # noqa: ANN401 - as JSON has it
        """An object's fields that fit.

        Raises:
            UnfitError: It is none, or a field without which it is useless does not fit.
        """
        if not isinstance(value, dict):
            raise UnfitError(expected(path, value, shape))
        found: dict[str, Any] = {}
        if shape is EndpointSliceItem:
            self._names = value.get("addressType") == "FQDN"
        names = self._names or (shape is NodeAddress and value.get("type") not in ADDRESS_TYPES)
        for entry in msgspec.structs.fields(shape):
            below = f"{path}.{entry.encode_name}"
            if entry.encode_name not in value:
                if entry.required:
                    message = f"{below} is missing"
                    raise UnfitError(message)
                continue
            try:
                part = value[entry.encode_name]
                found[entry.encode_name] = self._field(part, shape, entry, below, names=names)
            except UnfitError as error:
                if entry.required or is_vital(shape, entry.name):
                    if shape is Observed and isinstance(value.get("uid"), str):
                        self.lost_uids.add(value["uid"])
                    raise
                self.reasons.append(str(error))
        return found

    def _field(
        self,
        value: Any,  # noqa: ANN401 - JSON
        shape: type[msgspec.Struct],
        entry: msgspec.structs.FieldInfo,
        path: str,
        *,
        names: bool,
    ) -> Any:  # noqa: ANN401 - JSON
        check = None if names else CHECKS.get((shape, entry.name))
        if (shape, entry.name) in UNDIVIDED:
            try:
                return msgspec.convert(value, entry.type)
            except msgspec.ValidationError:
                message = json_reason(msgspec.json.encode(value), entry.type)
                raise UnfitError(message.replace("$", path, 1)) from None
        return self._value(value, entry.type, path, check)

    def _value(self, value: Any, shape: Any, path: str, check: tuple[str, Check] | None) -> Any:  # noqa: ANN401 - as JSON has it
        kind = get_origin(shape) or shape
        if kind in (Union, UnionType):
            options = [each for each in get_args(shape) if each is not NoneType]
            if value is None and len(options) < len(get_args(shape)):
                return None
            if len(options) == 1:
                return self._value(value, options[0], path, check)
        elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.struct(value, kind, path)
        elif kind in (list, tuple) and isinstance(value, list | tuple):
            return list(self._entries(enumerate(value), get_args(shape)[0], f"{path}[%s]", check))
        elif kind is dict and isinstance(value, dict):
            known = self._labels(value, get_args(shape)[1], path)
            return dict(known)
        return _scalar(value, shape, path, check)

    def _entries(
        self,
        entries: Iterable[tuple[int, Any]],
        shape: Any,  # noqa: ANN401 - a type
        path: str,
        check: tuple[str, Check] | None,
    ) -> Iterator[Any]:
        for at, part in entries:
            try:
                yield self._value(part, shape, path % at, check)
            except UnfitError as error:
                self.reasons.append(str(error))

    def _labels(self, value: dict[str, Any], shape: Any, path: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - as JSON has it
        for name, part in value.items():
            try:
                yield name, self._value(part, shape, f"{path}.{name}", None)
            except UnfitError as error:
                self.reasons.append(str(error))


def _scalar(value: Any, shape: Any, path: str, check: tuple[str, Check] | None) -> Any:  # noqa: ANN401 - as JSON has it
    try:
        found = msgspec.convert(value, shape)
    except msgspec.ValidationError:
        raise UnfitError(expected(path, value, shape)) from None
    if check is not None and not passes(found, check[1]):
        raise UnfitError(expected(path, value, check[0]))
    return found

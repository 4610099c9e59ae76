"""Fields of a parsed document, checked: what is read must be what the form says.

Every reader takes the value and where it stands, and raises GraphFormatError with that place.
"""

from collections.abc import Mapping
from typing import Any

from otterize_pcap.api_groups import split_kind
from otterize_pcap.errors import GraphFormatError

Document = Mapping[str, Any]


def name_of(value: Document, where: str) -> str:
    """The name that every client and server needs."""
    if not value.get("name"):
        message = f"{where}: no name; every client and server needs one"
        raise GraphFormatError(message)
    return text_of(value["name"], f"{where}.name")


def kind_of(value: Document, where: str) -> tuple[str, str]:
    """The kind and its API group, each empty where it is left out."""
    return split_kind(text_of(value.get("kind", ""), f"{where}.kind"))


def text_of(value: Any, where: str) -> str:  # noqa: ANN401
    """A value that must be text."""
    if not isinstance(value, str):
        message = f"{where}: {value!r} is no text; quote it"
        raise GraphFormatError(message)
    return value


def fields_of(value: Any, where: str) -> Document:  # noqa: ANN401
    """A value that must be a mapping."""
    if not isinstance(value, dict):
        message = f"{where}: expected fields, found {_found(value)}"
        raise GraphFormatError(message)
    return value


def entries_of(value: Any, where: str) -> list[Any]:  # noqa: ANN401
    """A value that must be a list."""
    if not isinstance(value, list):
        message = f"{where}: expected a list, found {_found(value)}"
        raise GraphFormatError(message)
    return value


def _found(value: object) -> str:
    return "nothing" if value is None else type(value).__name__

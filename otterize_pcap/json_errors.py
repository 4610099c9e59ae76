"""What is wrong with a JSON document, and where, in words of ours.

msgspec says both only within its message, whose wording may change with any version. So a document
that msgspec refused is looked at again: for its syntax by the standard library, whose error has the
place as a number, and for its shape by going down to the innermost value that does not fit.
"""

import json
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

Part = tuple[str, Any, Any]
"""A value within another: its path from `$`, itself, and the type that it should have."""

NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "null",
    list: "a list",
    tuple: "a list",
    dict: "an object",
}
SHOWN = 40
BROKEN = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""All that msgspec raises at a document: it checks the UTF-8 of what it is asked for alone, and
gives up on what is nested thousands deep."""


def json_reason(document: bytes, shape: Any) -> str:  # noqa: ANN401 - any type of msgspec
    """Why a document that was refused is not JSON of this type: one line, with the place."""
    try:
        value = msgspec.json.decode(document)
    except BROKEN:
        return _syntax_reason(document)
    return _shape_reason("$", value, shape)


def expected(path: str, value: Any, shape: Any) -> str:  # noqa: ANN401 - any value and type
    """That a value is not what it should be: of a type, or what a text names."""
    named = shape if isinstance(shape, str) else _named(shape)
    return f"{path} is {_shown(value)}; expected {named}"


def unencodable(value: Any, path: str = "$") -> str:  # noqa: ANN401 - any value
    """The path to the innermost part of a value that JSON cannot express."""
    items: Iterator[tuple[str, Any]] = iter(())
    if isinstance(value, dict):
        items = ((f"{path}.{name}", part) for name, part in value.items())
    elif isinstance(value, list):
        items = ((f"{path}[{index}]", part) for index, part in enumerate(value))
    for below, part in items:
        try:
            msgspec.json.encode(part)
        except (TypeError, ValueError, OverflowError):
            return unencodable(part, below)
    return path


def _syntax_reason(document: bytes) -> str:
    try:
        json.loads(document.decode())
    except UnicodeDecodeError as error:
        return f"byte {error.start} is not UTF-8"
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        if not error.doc[error.pos :].strip():
            return f"it ends too early, at {place}"
        return f"a syntax error at {place}"
    except RecursionError:
        return "it is nested too deep"
    except ValueError:
        return "a number of thousands of digits"
    return "a syntax error"


def _shape_reason(path: str, value: Any, shape: Any) -> str:  # noqa: ANN401 - any value and type
    for below, part, part_shape in _parts(path, value, shape):
        if part is msgspec.UNSET:
            return f"{below} is missing"
        if not _fits(part, part_shape):
            return _shape_reason(below, part, part_shape)
    return expected(path, value, shape)


def _fits(value: Any, shape: Any) -> bool:  # noqa: ANN401 - as above
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=shape)
    except (msgspec.MsgspecError, TypeError, OverflowError):
        return False
    return True


def _parts(path: str, value: Any, shape: Any) -> Iterator[Part]:  # noqa: ANN401 - as above
    """The values right below one, where it is of the right kind; UNSET for each that is missing."""
    kind = get_origin(shape) or shape
    if kind in (Union, UnionType):
        fitting = next((option for option in get_args(shape) if _is_kind(value, option)), None)
        if fitting is not None:
            yield from _parts(path, value, fitting)
    elif not _is_kind(value, shape):
        return
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for field in msgspec.structs.fields(kind):
            part = value.get(field.encode_name, msgspec.UNSET)
            if part is not msgspec.UNSET or field.required:
                yield f"{path}.{field.encode_name}", part, field.type
    elif kind is dict and get_args(shape):
        yield from ((f"{path}.{name}", part, get_args(shape)[1]) for name, part in value.items())
    elif kind in (list, tuple) and get_args(shape):
        yield from ((f"{path}[{at}]", part, get_args(shape)[0]) for at, part in enumerate(value))


def _is_kind(value: Any, shape: Any) -> bool:  # noqa: ANN401 - as above
    """Whether a container's type is for such a value, whatever is in it."""
    kind = get_origin(shape) or shape
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        tag = kind.__struct_config__.tag
        field = kind.__struct_config__.tag_field
        return isinstance(value, dict) and (tag is None or value.get(field) == tag)
    return (kind is dict and isinstance(value, dict)) or (
        kind in (list, tuple) and isinstance(value, list)
    )


def _shown(value: Any) -> str:  # noqa: ANN401 - any value
    if isinstance(value, list | dict):
        return NAMES[type(value)]
    text = json.dumps(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _named(shape: Any) -> str:  # noqa: ANN401 - any type
    kind = get_origin(shape) or shape
    if kind in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_named, get_args(shape))))
    if kind is Literal:
        return " or ".join(json.dumps(value) for value in get_args(shape))
    return NAMES.get(kind, "an object")

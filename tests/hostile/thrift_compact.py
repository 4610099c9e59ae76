"""Thrift's compact protocol, which Parquet's footers and page headers are written in.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md. A struct is its
fields by number, each with its type: whatever a document says can be changed and written again.
"""

from dataclasses import dataclass
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
INTEGERS = {I16, I32, I64}
Struct = dict[int, "Field"]


@dataclass
class Field:
    """A value with its type; a list's is its elements' type and values."""

    kind: int
    value: Any


@dataclass
class Elements:
    """A list's elements, all of one type."""

    kind: int
    values: list[Any]


def decode_struct(data: bytes, at: int = 0) -> tuple[Struct, int]:
    """A struct's fields, and where it ends."""
    fields: Struct = {}
    number = 0
    while data[at]:
        kind, step = data[at] & 15, data[at] >> 4
        at += 1
        if step:
            number += step
        else:
            number, at = _zigzag(data, at)
        value, at = (kind == TRUE, at) if kind in {TRUE, FALSE} else _value(data, at, kind)
        fields[number] = Field(kind, value)
    return fields, at + 1


def encode_struct(fields: Struct) -> bytes:
    """The struct as bytes, its fields in the order in which they stand."""
    out = bytearray()
    last = 0
    for number, field in fields.items():
        step = number - last
        if 0 < step <= 15:
            out.append(step << 4 | field.kind)
        else:
            out.append(field.kind)
            out += _as_varint(_as_zigzag(number))
        if field.kind not in {TRUE, FALSE}:
            out += _as_bytes(field.kind, field.value)
        last = number
    return bytes(out) + b"\0"


def _value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in {TRUE, FALSE, BYTE}:
        return data[at], at + 1
    if kind in INTEGERS:
        return _zigzag(data, at)
    if kind == DOUBLE:
        return data[at : at + 8], at + 8
    if kind == BINARY:
        size, at = _varint(data, at)
        return data[at : at + size], at + size
    if kind == STRUCT:
        return decode_struct(data, at)
    if kind not in {LIST, SET}:
        raise ValueError(kind)
    size, inner = data[at] >> 4, data[at] & 15
    at += 1
    if size == 15:
        size, at = _varint(data, at)
    values = []
    for _ in range(size):
        value, at = _value(data, at, inner)
        values.append(value)
    return Elements(inner, values), at


def _as_bytes(kind: int, value: Any) -> bytes:  # noqa: ANN401 - whatever its type says
    if kind in {TRUE, FALSE, BYTE}:
        return bytes([value & 255])
    if kind in INTEGERS:
        return _as_varint(_as_zigzag(value))
    if kind == DOUBLE:
        return bytes(bytearray(value))
    if kind == BINARY:
        return bytes(_as_varint(len(value)) + value)
    if kind == STRUCT:
        return encode_struct(value)
    count = len(value.values)
    head = bytes([count << 4 | value.kind]) if count < 15 else bytes([15 << 4 | value.kind])
    size = b"" if count < 15 else _as_varint(count)
    return head + size + b"".join(_as_bytes(value.kind, each) for each in value.values)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def _as_varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return value >> 1 ^ -(value & 1), at


def _as_zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1

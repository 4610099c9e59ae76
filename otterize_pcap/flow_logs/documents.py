"""Bytes → the records of a flow log, one by one: JSON lines, a JSON list, Loki's answer, CSV.

JSON may be on one line, or on several as `jq .` writes it, with a comma after each object as by
NetObserv's CLI. What is neither is passed over, and counted: port-forwards write among it.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from otterize_pcap.flow_logs.flow import LogReader, LogRecords, Writer
from otterize_pcap.flow_logs.hubble import EVENTS, HubbleReader
from otterize_pcap.flow_logs.netobserv import NetObservReader
from otterize_pcap.json_errors import BROKEN
from otterize_pcap.records.stream import Window

HEAD = 1 << 16
"""Bytes that tell what a file is."""
MOST_VALUE = 1 << 26
"""Bytes of one JSON value: Loki answers with some thousand flows at once."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NOT_JSON = "that is no JSON"
TOO_LONG = "of more than 64 MiB"
GRAPH = b'"otterize-graph"'

_HUBBLE = re.compile(
    rb'"(?:flow|%s)"\s*:\s*\{|"verdict"\s*:\s*"|"IP"\s*:\s*\{' % "|".join(EVENTS).encode()
)
_NETOBSERV = re.compile(rb'\\?"(?:SrcAddr|TimeFlowStartMs)\\?"\s*:')
_JSON = re.compile(rb"[\s,\[]*\{")

_READERS: dict[Writer, Callable[[LogRecords], LogReader]] = {
    Writer.HUBBLE: HubbleReader,
    Writer.NETOBSERV: NetObservReader,
}


def writer_of(head: bytes) -> Writer | None:
    """Whose flow log a file is, by its first `HEAD` bytes; None where it is none."""
    text = head.removeprefix(BYTE_ORDER_MARK)
    columns = text.partition(b"\n")[0].replace(b'"', b"").strip().split(b",")
    if {b"SrcAddr", b"DstAddr"} <= set(columns):
        return Writer.NETOBSERV
    lines = text.split(b"\n")
    begun = next((at for at, line in enumerate(lines[:10]) if _JSON.match(line)), None)
    if begun is None and not text.lstrip().startswith(b"["):
        return None
    if b"\0" in text or GRAPH in text[:256]:
        return None
    found = [
        (match.start(), writer)
        for pattern, writer in ((_HUBBLE, Writer.HUBBLE), (_NETOBSERV, Writer.NETOBSERV))
        if (match := pattern.search(text)) is not None
    ]
    return min(found)[1] if found else None


def read_flow_log(window: Window, name: str, writer: Writer, most: int) -> LogRecords:
    """All records of a flow log that make sense, up to the first flow beyond `most`."""
    found = LogRecords(name, writer)
    reader = _READERS[writer](found)
    lines = _lines(window)
    first = next(lines, b"").removeprefix(BYTE_ORDER_MARK)
    if b"SrcAddr" in first and not _JSON.match(first):
        records = _csv_records(first, lines, found)
    else:
        records = _json_records(first, lines, found)
    for line, record in records:
        found.records += 1
        reader.read(record, line)
        if len(found.flows) > most:
            break
    reader.finish()
    return found


def _lines(window: Window) -> Iterator[bytes]:
    """The lines of a stream; one of more than `MOST_VALUE` in pieces of that size."""
    searched = 0
    while True:
        end = window.data.find(b"\n", window.start + searched, window.end)
        if end >= 0:
            yield window.take(end + 1 - window.start)
            searched = 0
            continue
        searched = len(window)
        if searched >= MOST_VALUE or not window.refill(searched + 1):
            break
    if len(window):
        yield window.take(len(window))
        yield from _lines(window)


def _json_records(
    first: bytes, lines: Iterator[bytes], found: LogRecords
) -> Iterator[tuple[int, dict[str, Any]]]:
    held: list[bytes] = []
    size = depth = begun = 0
    for number, line in enumerate(_with_first(first, lines), 1):
        text = line.strip()
        if not held:
            text = text.lstrip(b",").lstrip()
            if not text or text in (b"[", b"]"):
                continue
            value = _decoded(text)
            if value is not None:
                yield from _unfolded(number, value, found)
                continue
            if not text.startswith((b"{", b"[")):
                found.pass_over(NOT_JSON)
                continue
            depth, size, begun = 0, 0, number
        held.append(line)
        size += len(line)
        # Braces within texts miscount: then another line is waited for, or the value is no JSON.
        depth += text.count(b"{") + text.count(b"[") - text.count(b"}") - text.count(b"]")
        if depth > 0 and size <= MOST_VALUE:
            continue
        value = _decoded(b"".join(held).strip()) if size <= MOST_VALUE else None
        if value is None:
            found.pass_over(NOT_JSON if size <= MOST_VALUE else TOO_LONG)
        else:
            yield from _unfolded(begun, value, found)
        held = []
    if held:
        found.pass_over(NOT_JSON)
        found.damage = "it ends within a record"


def _decoded(text: bytes) -> Any:  # noqa: ANN401 - JSON
    """A value, without a comma behind it, or a list's brackets around it; None where it is none."""
    trimmed = text.rstrip(b",").rstrip()
    for attempt in (trimmed, trimmed.lstrip(b"[").rstrip(b"]")):
        if not attempt.startswith((b"{", b"[")) or len(attempt) > MOST_VALUE:
            continue
        try:
            return msgspec.json.decode(attempt)
        except BROKEN:
            continue
    return None


def _unfolded(number: int, value: Any, found: LogRecords) -> Iterator[tuple[int, dict[str, Any]]]:  # noqa: ANN401 - JSON
    """The records in a value: itself, those of a list, those of Loki's answer."""
    if isinstance(value, list):
        for each in value:
            yield from _unfolded(number, each, found)
    elif not isinstance(value, dict):
        found.pass_over("that is no object")
    elif isinstance(value.get("data"), dict) and isinstance(value["data"].get("result"), list):
        yield from _of_loki(number, value["data"]["result"], found)
    else:
        yield number, value


def _of_loki(
    number: int, streams: list[Any], found: LogRecords
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records of Loki's `query_range`: a stream's labels are fields of each of its lines."""
    for stream in streams:
        labels = stream.get("stream") if isinstance(stream, dict) else None
        values = stream.get("values") if isinstance(stream, dict) else None
        if not isinstance(labels, dict) or not isinstance(values, list):
            found.pass_over("of Loki without lines")
            continue
        for entry in values:
            text = entry[1] if isinstance(entry, list) and len(entry) > 1 else None
            line = _decoded(text.encode()) if isinstance(text, str) else None
            if isinstance(line, dict):
                yield number, {**labels, **line}
            else:
                found.pass_over(NOT_JSON)


def _csv_records(
    first: bytes, lines: Iterator[bytes], found: LogRecords
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines of CSV (RFC 4180) by the names of their columns; Go writes nothing as `<nil>`."""
    rows = csv.reader(line.decode("utf-8", "replace") for line in _with_first(first, lines))
    columns: list[str] | None = None
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            found.pass_over("that is no CSV")
            continue
        if columns is None:
            columns = row
            continue
        if len(row) != len(columns):
            found.pass_over("with other columns than the first")
            continue
        yield (
            rows.line_num,
            {
                name: _list_of_go(value)
                for name, value in zip(columns, row, strict=True)
                if value not in ("", "<nil>")
            },
        )


def _list_of_go(value: str) -> Any:  # noqa: ANN401 - as JSON has it
    """A list, as Go prints it: its elements in brackets, with spaces between."""
    if value.startswith("[") and value.endswith("]"):
        return value[1:-1].split()
    return value


def _with_first(first: bytes, lines: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from lines

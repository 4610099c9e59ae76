"""A snapshot document's bytes as UTF-8 text, and the values in one text apart, JSON or YAML.

PowerShell writes what it redirects as UTF-16; editors on Windows begin UTF-8 with a byte order
mark. `kubectl get … >> FILE`, `kubectl get -w -o json` and JSON lines put one value after another.
"""

import json
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from mmap import mmap
from typing import Any

import msgspec

from otterize_pcap.errors import SnapshotError
from otterize_pcap.json_errors import unencodable
from otterize_pcap.yaml_documents import YamlError, load_documents

DocumentText = bytes | mmap

# A line break is none within a string, and within a value a comma stands between two others.
BETWEEN_LINES = re.compile(rb"(?<=[}\]])\s*\n\s*(?=[{\[])")
WITHIN_A_LINE = re.compile(rb"[}\]][ \t]*[{\[]")


def utf8_text(document: DocumentText, where: str) -> DocumentText:
    """A document without its byte order mark, in UTF-8.

    Raises:
        SnapshotError: It says that it is UTF-16 and is not.
    """
    head = document[:3]
    if head == BOM_UTF8:
        return document[3:]
    if head[:2] not in (BOM_UTF16_LE, BOM_UTF16_BE):
        return document
    try:
        return document[:].decode("utf-16").encode()
    except UnicodeError as error:
        message = f"{where}: broken UTF-16; write the snapshot again"
        raise SnapshotError(message) from error


def json_values(text: bytes) -> Iterator[bytes]:
    """The JSON values of a text, one after another; what is none comes as it is, and last."""
    for lines in BETWEEN_LINES.split(text):
        if WITHIN_A_LINE.search(lines) is None:
            yield lines
        else:
            yield from _joined_values(lines)


def _joined_values(text: bytes) -> Iterator[bytes]:
    """Values that nothing parts, as `cat` joins files without a last line break."""
    try:
        rest = text.decode().strip()
        while rest:
            _, end = json.JSONDecoder().raw_decode(rest)
            yield rest[:end].encode()
            rest = rest[end:].lstrip()
    except (ValueError, RecursionError):
        yield rest.encode() if text.isascii() else text


def yaml_values(document: bytes, where: str) -> Iterator[bytes]:
    """The documents of a YAML text, each as JSON.

    Raises:
        SnapshotError: It is no YAML, or a document of it has no fields, or no JSON form.
    """
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
            yield _as_json(part, where)
    except YamlError as error:
        message = f"{where}: neither JSON nor YAML ({error}); write the snapshot again"
        raise SnapshotError(message) from error


def _as_json(part: dict[str, Any], where: str) -> bytes:
    try:
        return msgspec.json.encode(part)
    except (TypeError, ValueError, OverflowError) as error:
        place = unencodable(part)
        message = f"{where}: YAML that has no JSON form (see {place}); write the snapshot again"
        raise SnapshotError(message) from error

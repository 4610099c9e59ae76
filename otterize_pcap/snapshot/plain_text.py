"""A snapshot document's bytes as UTF-8 text, and several JSON values in one text apart.

PowerShell writes what it redirects as UTF-16; editors on Windows begin UTF-8 with a byte order
mark. `kubectl get … >> FILE`, `kubectl get -w -o json` and JSON lines put one value after another.
"""

import json
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from mmap import mmap

from otterize_pcap.errors import SnapshotError

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

"""Files that are no capture: what they are, by their first bytes, and what to do about it.

Most were a capture once, and met a terminal, a text editor's idea of bytes, or the messages of the
command that wrote them.
"""

import re
import struct

_FORMATS = {
    b"snoo": "a Solaris snoop file",
    b"\xab\xcd\xef\x00": "a Microsoft Network Monitor file",
    b"GMBU": "a Microsoft Network Monitor file",
    b"RTSS": "a Microsoft Network Monitor file",
    b"TRSN": "a Sniffer file",
    b"XCP\x00": "a Network Instruments file",
}
"""What editcap converts."""

_PACKED = {
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x02\x21\x4c\x18": "lz4-compressed in the format before 1.0 (lz4 -l)",
}
"""What has to be unpacked first; what is read is told apart before."""

SEARCHED = 1 << 16
"""Bytes in which a capture's beginning is looked for."""
SHOWN = 40

# A header of version 2.4 in either byte order, µs or ns; a Section Header Block with its length.
_CAPTURE = re.compile(
    rb"(?s)(?:\xd4\xc3|\x4d\x3c)\xb2\xa1\x02\x00\x04\x00"
    rb"|\xa1\xb2(?:\xc3\xd4|\x3c\x4d)\x00\x02\x00\x04"
    rb"|\x0a\x0d\x0d\x0a....(?:\x4d\x3c\x2b\x1a|\x1a\x2b\x3c\x4d)"
)
_PRINTED = re.compile(rb"(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d+ ")
_REPLACED = "\N{REPLACEMENT CHARACTER}".encode()
# The line feeds in a Section Header Block's type, each made CR LF.
_PCAPNG_CRLF = b"\x0d\x0a\x0d\x0d\x0d\x0a"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def not_a_capture(head: bytes) -> str:
    """What a file is that is no capture, and what to do: the end of a sentence "the file is".

    Args:
        head: Its first bytes, at most `SEARCHED`.
    """
    return (
        _translated(head)
        or _packed(head)
        or _document(head)
        or _behind_something(head)
        or _known(head)
        or f"no capture (it begins with {head[:4].hex(' ')}); pcap and pcapng are read: "
        "convert it with editcap -F pcap"
    )


def _translated(head: bytes) -> str | None:
    """A capture whose bytes became others: it cannot be repaired."""
    if _REPLACED in head[:64]:
        return (
            "a capture of which bytes were replaced, as where text is not UTF-8; copy it again, "
            "as binary: not through a terminal or `kubectl logs`"
        )
    if head[:2] in _UTF_16:
        return (
            "text in UTF-16, which PowerShell's > makes of all that it writes; copy it again from "
            "another shell, or with cmd /c"
        )
    if head.startswith(_PCAPNG_CRLF):
        return f"a capture in which {CRLF_CAUSE}"
    return None


CRLF_CAUSE = (
    "every line feed became CR LF, as a terminal does; copy it again without: "
    "`kubectl exec` without -t, FTP in binary mode"
)


def _behind_something(head: bytes) -> str | None:
    """A capture that something else was written in front of."""
    found = _CAPTURE.search(head)
    if found is None:
        return None
    at = found.start()
    return (
        f"a capture behind {at} other bytes ({_shown(head[:at])}); cut them off with "
        f"tail -c +{at + 1}, and keep stderr apart next time (2> FILE)"
    )


_TEXTS = (
    (rb'"format"\s*:\s*"otterize-graph"', "graph JSON, which has no packets; {GRAPH}"),
    (rb'"?kind"?\s*:\s*"?ClientIntents', "ClientIntents, which have no packets; {GRAPH}"),
    (
        rb'"?kind"?\s*:\s*"?\w*NetworkPolicy\b',
        "a network policy; give it to otterize netpol check, and a capture",
    ),
    (
        rb'"profile"\s*:.*"nodes"\s*:|"nodes"\s*:.*"sha256"\s*:',
        "a capture's manifest; give the directory that it lies in",
    ),
    (
        rb'"?kind"?\s*:\s*"?(\w*List|Pod|Service|Deployment|Node)\b',
        "objects of Kubernetes, not packets; give it with --snapshot, and a capture",
    ),
    (rb'"flow"\s*:\s*\{', "flows of Hubble, not packets; record packets with tcpdump -w FILE"),
    (rb'"\$schema"[^,]*sarif|sarif-schema', "SARIF, what check or diff found, not packets"),
    (rb"(?i)^\s*(<!doctype html|<html)", "a page of HTML, not packets"),
    (rb"^\s*(<\?xml[^>]*>\s*)?<svg", "a picture (SVG), not packets"),
)
"""What texts say, and what the file is then."""
_BINARIES = {
    b"\x89PNG": "a picture (PNG), not packets",
    b"\xff\xd8\xff": "a picture (JPEG), not packets",
    b"%PDF": "a PDF, not packets",
    b"\x7fELF": "a program, not packets",
    b"PAR1": "a Parquet table, not packets",
    b"ARROW1": "an Arrow table, not packets",
    b"SQLite format 3": "a SQLite database, not packets",
}
_GRAPH = "intents list, export, graph, diff and check read it"


def _document(head: bytes) -> str | None:
    """A text or picture that people have beside captures."""
    for begin, what in _BINARIES.items():
        if head.startswith(begin):
            return what
    start = head[:4096]
    if b"\0" in start:
        return None
    found = (what for pattern, what in _TEXTS if re.search(pattern, start, re.DOTALL))
    return next((what.replace("{GRAPH}", _GRAPH) for what in found), None)


def _packed(head: bytes) -> str | None:
    packed = (what for begin, what in _PACKED.items() if head.startswith(begin))
    return next((f"{what}, which is not read; unpack it first" for what in packed), None)


def _known(head: bytes) -> str | None:
    if head[:4] in _FORMATS:
        return f"{_FORMATS[head[:4]]}; pcap and pcapng are read: convert it with editcap -F pcap"
    if _is_event_trace(head):
        return (
            "an event trace of Windows (netsh trace, pktmon); convert it with "
            "pktmon etl2pcap, or etl2pcapng"
        )
    if _PRINTED.match(head):
        return "what tcpdump prints of packets, not the packets; record them with tcpdump -w FILE"
    if _is_text(head):
        return (
            f"text, no capture ({_shown(head)}); record packets with tcpdump -w FILE, stderr apart"
        )
    return None


def _is_event_trace(head: bytes) -> bool:
    """Whether a file begins as Windows' ETL: a buffer header, then the trace's own event.

    `WMI_BUFFER_HEADER` has 72 bytes, the first four the buffer's size; `SYSTEM_TRACE_HEADER` ends
    its first word with its type and 0xC0 (Windows SDK, evntrace.h and wmistr.h).
    """
    if len(head) < 76:
        return False
    (size,) = struct.unpack_from("<I", head)
    return size > 0 and size % 1024 == 0 and head[74:76] in (b"\x01\xc0", b"\x02\xc0")


def _is_text(head: bytes) -> bool:
    start = head[:512]
    return all(byte >= 32 or byte in b"\t\r\n" for byte in start) and start.isascii()


def _shown(head: bytes) -> str:
    """The first line, as far as it can be printed."""
    line = head[: 4 * SHOWN].split(b"\n", 1)[0].decode("ascii", "replace")
    text = "".join(letter if letter.isprintable() else "?" for letter in line.strip())
    return f"{text[:SHOWN]}…" if len(text) > SHOWN else text


def is_crlf(content: bytes) -> bool:
    """Whether every line feed in a stretch of packets follows a carriage return: none is meant."""
    feeds = content.count(b"\n")
    return feeds > 1 and feeds == content.count(b"\r\n")

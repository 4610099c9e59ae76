"""What a capture file's name says: which node, and whether it is one part of several.

Parts are named by tcpdump -C (`n.pcap`, `n.pcap1`) and -G (any strftime form), dumpcap -b
(`n_00001_20231114221320.pcap`), Suricata (`log.pcap.1700000000`), logrotate (`n.pcap.1.gz`,
`n.pcap-20231114`) and `otterize capture` (`n.1.pcap`). A number that ends an address is none:
nodes of some clouds are named by theirs (`cn-hangzhou.10.0.1.23`, `ip-10-0-1-23`).

A name alone proves nothing: files of one stem are one recording only where their times say so too.
"""

import re
from collections.abc import Collection

from msgspec import Struct

_COMPRESSED = r"(?:\.(?:gz|zst|lz4|xz|bz2))?"
_FILE = re.compile(
    rf"(?P<base>.+?)\.(?:pcapng|pcap|cap|dmp|conntable)(?P<after>[0-9]*(?:[-._][-0-9._:T]*[0-9])?){_COMPRESSED}",
    re.IGNORECASE,
)
_DATE = r"(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d"
_HOUR = r"[T_.-]?[0-2]\d[-:._]?[0-5]\d(?:[-:._]?[0-5]\d)?Z?"
_MARK = re.compile(
    rf"""[-._] (?:
        {_DATE} (?:{_HOUR})?            # a date, perhaps with a time of day
        | 1\d{{9}} | 1\d{{12}}           # seconds or milliseconds since the epoch
        | [0-2]\d[-:][0-5]\d[-:][0-5]\d  # a time of day
        | \d{{5,6}}                      # dumpcap's counter; hour, minute and second
    ) $""",
    re.VERBOSE,
)
_COUNTER = re.compile(r"\.\d{1,4}$")
_ADDRESS = re.compile(r"(?<![0-9])(?<![0-9][.-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:[.-]|$)){4}$")
_MAX_MARKS = 3
"""A date, a counter and a second counter, in any order."""


class RecordingName(Struct, frozen=True):
    """What several files are told apart and put together by.

    `stem` is what all parts of a recording have in common; `whole` the name that a recording has
    which is one file; `apart` a name that no other file beside it has.
    """

    stem: str
    whole: str
    apart: str


def is_capture_name(name: str) -> bool:
    """Whether a file is named as captures are."""
    return _FILE.fullmatch(name) is not None


def read_name(name: str, known: Collection[str] = ()) -> RecordingName:
    """What a file is named after; `known` are names of nodes, which are whole as they stand."""
    match = _FILE.fullmatch(name)
    base, after = (match["base"], match["after"]) if match else (name, "")
    stem = base
    for _ in range(_MAX_MARKS):
        shorter = _without_mark(stem)
        if stem in known or not shorter:
            break
        stem = shorter
    if stem in known:
        return RecordingName(stem, stem, base)
    return RecordingName(stem, base, f"{base}.{after.lstrip('-._')}" if after else base)


def _without_mark(base: str) -> str | None:
    """A name without the mark of a part at its end; None where it has none."""
    if _ADDRESS.search(base):
        return None
    mark = _MARK.search(base) or _COUNTER.search(base)
    return base[: mark.start()] if mark and mark.start() else None

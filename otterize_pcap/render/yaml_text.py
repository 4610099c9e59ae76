"""Plain mappings → YAML text that every reader takes for the same values.

Only what ClientIntents and policies need: mappings, lists, strings, integers, booleans, and lines
of comment before a mapping. Lists are indented below their key, as the tutorial and the real tool
write them. A string stays unquoted only where
neither a YAML 1.1 nor a YAML 1.2 reader could take it for anything else.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from otterize_pcap.graph.naming import printable

# Starts with a letter or digit; a colon or a slash only inside.
PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_./:-]*[A-Za-z0-9_/-])?")
# Words that a YAML 1.1 or 1.2 reader takes for a boolean, null or a number.
RESERVED = frozenset(
    {"true", "false", "yes", "no", "on", "off", "y", "n", "null", "inf", "infinity", "nan"}
)
# Made only of what numbers, dates and times are made of: 1_000, 12:30, 0x1f, 7763114e68, 2001-1-1,
# 0x1p4. Too much is quoted rather than too little.
NUMERIC = re.compile(r"[0-9][0-9a-fA-FoOpPxXtTzZ_.:+-]*")
# Line breaks and other characters that YAML does not print as they are (YAML 1.2, 5.1).
UNPRINTABLE = re.compile(r'["\\\x00-\x1f\x7f-\xa0\xad\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]')


class Commented(dict[str, Any]):
    """A mapping that is written below lines of comment, each without its `#`."""

    def __init__(self, value: Mapping[str, Any], lines: Iterable[str]) -> None:
        super().__init__(value)
        self.lines = tuple(lines)


def comment(line: str) -> str:
    """A line of comment; nothing in it ends the line, or is anything to a terminal."""
    return f"# {printable(line)}"


def render_documents(documents: Sequence[Mapping[str, Any]]) -> str:
    """Several documents, separated by `---`."""
    return "---\n".join("\n".join(_document(document)) + "\n" for document in documents)


def _document(document: Mapping[str, Any]) -> Iterator[str]:
    yield from _comments(document, "")
    yield from _mapping(document, "")


def _comments(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    if isinstance(value, Commented):
        yield from (f"{indent}{comment(line)}" for line in value.lines)


def scalar(value: str | int) -> str:
    """A value as YAML, quoted where it would be read as something else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value if is_plain(value) else f'"{UNPRINTABLE.sub(_escape, value)}"'


def is_plain(value: str) -> bool:
    """Whether a string needs no quotes: no YAML reader takes it for anything else.

    Neither by YAML 1.1 nor by 1.2, nor as Kubernetes does, whose parser mixes the two.
    """
    if value.lower() in RESERVED or NUMERIC.fullmatch(value):
        return False
    return PLAIN.fullmatch(value) is not None


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return f"\\{character}" if character in '"\\' else f"\\u{ord(character):04x}"


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, entry in value.items():
        if isinstance(entry, Mapping | list) and not entry:
            yield f"{indent}{scalar(key)}: {'[]' if isinstance(entry, list) else '{}'}"
        elif isinstance(entry, Mapping):
            yield f"{indent}{scalar(key)}:"
            yield from _mapping(entry, indent + "  ")
        elif isinstance(entry, list):
            yield f"{indent}{scalar(key)}:"
            yield from _list(entry, indent + "  ")
        else:
            yield f"{indent}{scalar(key)}: {scalar(entry)}"


def _list(entries: Sequence[Any], indent: str) -> Iterator[str]:
    for entry in entries:
        if not isinstance(entry, Mapping):
            yield f"{indent}- {scalar(entry)}"
            continue
        yield from _comments(entry, indent)
        if not entry:
            yield f"{indent}- {{}}"
            continue
        # The first field stands on the line of the dash, the others below it.
        lines = list(_mapping(entry, indent + "  "))
        lines[0] = f"{indent}- {lines[0].lstrip(' ')}"
        yield from lines

"""Documents a little wrong, or very: what a seed makes of one that is right."""

import json
from random import Random
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 65536, 1 << 63, 1 << 64, -(1 << 63), 10**400, 1e308, -1e308,
    5e-324,
    "", " ", "\0", "\n", "é", "\u202e", "\U0001f9a6", "::error::x", "a" * 5000, "9" * 5000, "-" * 9,
    "null", "NaN", "0x1p4", "1e309", "2026-02-30T25:61:61Z", "9999-12-31T23:59:59Z",
    "0000-00-00T00:00:00Z", "2026-11-23T06:54:31+99:99", "0001-01-01T00:00:00Z", "256.1.1.1",
    "::", "::ffff:0:0", "fe80::1%eth0", "10.0.0.0/33", "0.0.0.0/0", "../../etc/passwd", "a/b", ".",
    [], {}, [[]], [{}], {"": None}, [None] * 50,
)  # fmt: skip
ODD_BYTES = (b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\0", b"\x1b[31m", b"\xef\xbb\xbf", b"\\ud800")
DEEP = 3000


def mutated(document: bytes, seed: int) -> bytes:
    """A document, changed in one to four places: by its structure where it, or a line, is JSON."""
    random = Random(seed)
    for _ in range(random.choice((1, 1, 2, 4))):
        value = _as_json(document) if random.random() < 0.75 else None
        if value is not None:
            document = _written(changed_value(value, random), random)
        elif document.count(b"\n{") > 1 and random.random() < 0.75:
            document = _changed_line(document, random)
        else:
            document = changed_bytes(document, random)
    return document


def _changed_line(document: bytes, random: Random) -> bytes:
    """JSON lines with one of them changed by its structure, where it is JSON."""
    lines = document.split(b"\n")
    place = random.randrange(len(lines))
    value = _as_json(lines[place].rstrip(b","))
    if value is None:
        lines[place] = changed_bytes(lines[place], random)
    else:
        lines[place] = json.dumps(changed_value(value, random)).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def _as_json(document: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(document)
    except (ValueError, RecursionError):
        return None


def _written(value: object, random: Random) -> bytes:
    try:
        text = json.dumps(value, indent=random.choice((None, 1, 4)))
    except RecursionError:
        text = "[]"
    return text.encode("utf-8", "surrogatepass")


def changed_value(value: Any, random: Random) -> Any:  # noqa: ANN401 - any JSON
    """The same JSON with one value, somewhere within, replaced, removed, repeated or renamed."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(sorted(value, key=str))
        changed = dict(value)
        match random.randrange(8):
            case 0:
                del changed[key]
            case 1:
                changed[random.choice((str(key).upper(), "", "\0", "kind", "x" * 300))] = (
                    changed.pop(key)
                )
            case 2:
                changed[key] = random.choice(ODD_VALUES)
            case _:
                changed[key] = changed_value(changed[key], random)
        return changed
    if isinstance(value, list) and value and random.random() < 0.85:
        place = random.randrange(len(value))
        entries = list(value)
        match random.randrange(8):
            case 0:
                del entries[place]
            case 1:
                entries += [entries[place]] * random.choice((1, 50))
            case 2:
                entries[place] = random.choice(ODD_VALUES)
            case _:
                entries[place] = changed_value(entries[place], random)
        return entries
    return random.choice(ODD_VALUES)


def changed_bytes(document: bytes, random: Random) -> bytes:
    """The same bytes cut, flipped, repeated, nested, or with others put in between."""
    place = random.randrange(len(document) + 1)
    end = min(len(document), place + random.choice((1, 2, 8, 64)))
    match random.randrange(7):
        case 0:
            return document[:place]
        case 1:
            return document[:place] + random.choice(ODD_BYTES) + document[place:]
        case 2:
            return document[:place] + document[end:]
        case 3:
            return document[:end] + document[place:end] * random.choice((1, 100)) + document[end:]
        case 4:
            return document[:place] + bytes([random.randrange(256)]) + document[place + 1 :]
        case 5:
            odd = str(random.choice(ODD_VALUES)).encode("utf-8", "surrogatepass")
            return document[:place] + odd + document[end:]
    opening = random.choice((b"[", b"{", b'{"a":', b"- ", b"a: "))
    return document[:place] + opening * random.choice((1, DEEP)) + document[place:]

"""Times: RFC 3339 text, as Kubernetes writes it, and integer nanoseconds since the epoch."""

from datetime import UTC, datetime

SECOND_NS = 1_000_000_000
SHOWN = 60


class TimeError(ValueError):
    """A text that is no RFC 3339 time with a zone."""


def parse_time(text: str) -> int:
    """Nanoseconds of an RFC 3339 time; raises TimeError on anything else."""
    try:
        return _nanoseconds(text)
    except ValueError:
        message = f"not an RFC 3339 time with a zone: {text[:SHOWN]!r}"
        raise TimeError(message) from None


def _nanoseconds(text: str) -> int:
    head, dot, tail = text.partition(".")
    if not dot:
        return _seconds(text) * SECOND_NS
    digits = tail.rstrip("Zz")
    zone = "Z"
    for sign in "+-":
        if sign in digits:
            digits, _, offset = digits.partition(sign)
            zone = sign + offset
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError
    return _seconds(head + zone) * SECOND_NS + int(digits[:9].ljust(9, "0"))


def _seconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return int(moment.timestamp())


def hour_of(time_ns: int) -> int:
    """The hour of the day, in UTC."""
    return time_ns // SECOND_NS // 3600 % 24


def format_time(time_ns: int) -> str:
    """RFC 3339 in UTC with nine digits of a second."""
    seconds, nanoseconds = divmod(time_ns, SECOND_NS)
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{nanoseconds:09d}Z"


def kubernetes_time(time_ns: int) -> str:
    """RFC 3339 in UTC as Kubernetes writes it: no more digits of a second than there are."""
    whole, _, digits = format_time(time_ns).rstrip("Z").partition(".")
    digits = digits.rstrip("0")
    return f"{whole}.{digits}Z" if digits else f"{whole}Z"

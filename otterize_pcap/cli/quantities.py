"""Durations and sizes as people write them: `90s`, `5m`, `1h30m`; `100Mi`, `2Gi`, `500k`."""

import re

from otterize_pcap.errors import UsageError

DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s?)?\Z")
SIZE = re.compile(r"([0-9]+)(|k|M|G|Ki|Mi|Gi)\Z")
UNITS = {
    "": 1,
    "k": 1000,
    "M": 1000**2,
    "G": 1000**3,
    "Ki": 1024,
    "Mi": 1024**2,
    "Gi": 1024**3,
}


def parse_duration(text: str, option: str) -> int:
    """Whole seconds of a duration, at least one.

    Raises:
        UsageError: It is no duration; `option` names what it was given for.
    """
    found = DURATION.match(text)
    if found is not None:
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        total = hours * 3600 + minutes * 60 + seconds
        if total > 0:
            return total
    message = f"{option} {text!r} is no duration; write it as 60s, 5m or 1h30m"
    raise UsageError(message)


def parse_size(text: str, option: str) -> int:
    """Bytes of a size in the units of Kubernetes quantities.

    Raises:
        UsageError: It is no size; `option` names what it was given for.
    """
    found = SIZE.match(text)
    if found is None or int(found.group(1)) == 0:
        message = f"{option} {text!r} is no size; write it as 100Mi or 2Gi"
        raise UsageError(message)
    return int(found.group(1)) * UNITS[found.group(2)]


def split_list(values: list[str] | None) -> tuple[str, ...]:
    """The items of an option that may be repeated and may hold comma lists; sorted, each once."""
    items = {item.strip() for value in values or () for item in value.split(",")}
    return tuple(sorted(items - {""}))

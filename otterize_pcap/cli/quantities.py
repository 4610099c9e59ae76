"""Durations and sizes as people write them: `90s`, `5m`, `1h30m`, `7d`; `100Mi`, `2Gi`, `500k`.

And the rights of files, in octal.
"""

import re
from typing import Annotated

import typer

from otterize_pcap.errors import UsageError

DURATION = re.compile(
    r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s?)?\Z"
)
SIZE = re.compile(r"([0-9]{1,15})(|k|M|G|Ki|Mi|Gi)\Z")
MODE = re.compile(r"[0-7]{3,4}", re.ASCII)
HOUR_S, DAY_S = 3600, 24 * 3600
LONGEST_WAIT_S = DAY_S
"""Of what somebody waits for, and …"""
LONGEST_SPAN_S = 3660 * DAY_S
"""… of what lies behind: recorded times."""
LARGEST_BYTES = 1 << 40
UNITS = {
    "": 1,
    "k": 1000,
    "M": 1000**2,
    "G": 1000**3,
    "Ki": 1024,
    "Mi": 1024**2,
    "Gi": 1024**3,
}


Mode = Annotated[
    str,
    typer.Option(metavar="OCTAL", help="Rights of the files written, for example 0640."),
]


def parse_mode(text: str) -> int:
    """The rights of files: octal, readable and writable for the owner, executable for nobody.

    Raises:
        UsageError: It is something else.
    """
    mode = int(text, 8) if MODE.fullmatch(text) else 0
    if mode & 0o600 != 0o600 or mode & ~0o666:
        message = f"--mode {text!r} is no mode of a file that its owner writes; write it as 0640"
        raise UsageError(message)
    return mode


def parse_duration(text: str, option: str, longest_s: int = LONGEST_WAIT_S) -> int:
    """Whole seconds of a duration, from one to `longest_s`.

    Raises:
        UsageError: It is no duration, or longer; `option` names what it was given for.
    """
    found = DURATION.match(text)
    if found is not None:
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        total = (days * 24 + hours) * 3600 + minutes * 60 + seconds
        if total > longest_s:
            days, hours = longest_s // DAY_S, longest_s // HOUR_S
            longest = f"{days}d" if days > 1 else f"{hours}h"
            message = f"{option} is longer than {longest}; give a shorter time"
            raise UsageError(message)
        if total > 0:
            return total
    message = f"{option} {text!r} is no duration; write it as 60s, 5m or 1h30m"
    raise UsageError(message)


def parse_size(text: str, option: str) -> int:
    """Bytes of a size in the units of Kubernetes quantities, at most 1Ti.

    Raises:
        UsageError: It is no size, or larger; `option` names what it was given for.
    """
    found = SIZE.match(text)
    if found is None or int(found.group(1)) == 0:
        message = f"{option} {text!r} is no size; write it as 100Mi or 2Gi"
        raise UsageError(message)
    size = int(found.group(1)) * UNITS[found.group(2)]
    if size > LARGEST_BYTES:
        message = f"{option} is larger than {LARGEST_BYTES >> 30}Gi; give a smaller size"
        raise UsageError(message)
    return size


def split_list(values: list[str] | None) -> tuple[str, ...]:
    """The items of an option that may be repeated and may hold comma lists; sorted, each once."""
    items = {item.strip() for value in values or () for item in value.split(",")}
    return tuple(sorted(items - {""}))

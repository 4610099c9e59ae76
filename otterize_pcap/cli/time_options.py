"""`--from`, `--to` and `--last`: the time that a reader asks for."""

from typing import Annotated

import typer

from otterize_pcap.cli.quantities import LONGEST_SPAN_S, parse_duration
from otterize_pcap.cli.usage_errors import shown
from otterize_pcap.errors import UsageError
from otterize_pcap.resolve.time_asked import TimeAsked
from otterize_pcap.timestamps import SECOND_NS, TimeError, parse_time

FromTime = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TIME",
        help="Keep connections that lasted until this time or longer, as 2026-11-23T06:56:47Z.",
    ),
]
ToTime = Annotated[
    str | None,
    typer.Option("--to", metavar="TIME", help="Keep connections that began by this time."),
]
LastTime = Annotated[
    str | None,
    typer.Option(
        "--last",
        metavar="DURATION",
        help="Keep connections of the last 90s, 1h30m or 7d before the newest packet of all "
        "captures; several are read twice for it.",
    ),
]


def parse_times(begin: str | None, end: str | None, last: str | None) -> TimeAsked:
    """The time that the options ask for.

    Raises:
        UsageError: One is no time, or they leave none.
    """
    if last is not None and (begin or end):
        message = "--last counts back from the newest packet; drop it, or --from and --to"
        raise UsageError(message)
    asked = TimeAsked(
        _time("--from", begin),
        _time("--to", end),
        None if last is None else parse_duration(last, "--last", LONGEST_SPAN_S) * SECOND_NS,
    )
    if asked.from_ns is not None and asked.to_ns is not None and asked.from_ns > asked.to_ns:
        message = f"--from {shown(begin)} is later than --to {shown(end)}; exchange them"
        raise UsageError(message)
    return asked


def _time(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_time(text)
    except TimeError as error:
        message = f"{option} {shown(text)}: expected a time with its zone, as 2026-11-23T06:56:47Z"
        raise UsageError(message) from error

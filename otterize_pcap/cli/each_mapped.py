"""The captures that a command was given, mapped one after the other: in the room of the largest."""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from otterize_pcap.cli.inputs import each_capture
from otterize_pcap.cli.selection import Selection
from otterize_pcap.errors import UsageError
from otterize_pcap.files.captures import ServicesAsked, count_captures, no_service
from otterize_pcap.files.opening import STDIN
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.capture_coverage import last_ns
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import MappedCapture, map_capture

Result = TypeVar("Result")


def of_each(
    arguments: Sequence[Path] | None,
    selection: Selection,
    take: Callable[[MappedCapture], Result],
    asked: ServicesAsked = no_service,
) -> Iterator[Result]:
    """What `take` makes of each capture; nothing else of one is held when the next one is read."""
    for mapped in each_mapped(arguments, selection, asked):
        taken = take(mapped)
        del mapped
        yield taken


def each_mapped(
    arguments: Sequence[Path] | None, selection: Selection, asked: ServicesAsked = no_service
) -> Iterator[MappedCapture]:
    """Each capture, in the room of the largest if who asks for the next one has let this one go.

    With `--last`, several are read twice: where it begins is known when all have ended.
    """
    are_several = arguments is not None and count_captures(arguments) > 1
    if are_several:
        # What is there now stays, so that nobody need look at it again.
        gc.freeze()
    rules = _until_the_last(arguments or (), selection) if are_several else selection.rules
    for capture in each_capture(arguments, selection.snapshots, selection.reading, asked):
        mapped = [map_capture(capture, rules)]
        del capture
        # A list gives away what a name would hold.
        yield mapped.pop()
        if are_several:
            # Nobody else does it (`cli.main`), and each leaves values that refer to each other.
            gc.collect()


def with_time_of(captures: Iterable[Capture], rules: Rules) -> Rules:
    """Rules whose `--last` is counted back from the last packet of all captures."""
    ends = (last_ns(contents_of(capture).files_read) for capture in captures)
    end_ns = max((each for each in ends if each is not None), default=None)
    return replace(rules, time=rules.time.until(end_ns))


def _until_the_last(arguments: Sequence[Path], selection: Selection) -> Rules:
    rules = selection.rules
    if rules.time.last_ns is None:
        return rules
    if STDIN in arguments:
        message = (
            "--last of several captures reads them twice, which standard input cannot be; "
            "write it to a file, or give --from"
        )
        raise UsageError(message)
    return with_time_of(each_capture(arguments, selection.snapshots, selection.reading), rules)

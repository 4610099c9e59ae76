"""Capture files → which of them are one recording, and of which node.

Somebody's word comes first (`--node FILE=NAME`), then the manifest's, then names. Names alone never
join files: whether those of one stem follow one another in time is known when they were read.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.errors import UsageError
from otterize_pcap.files.opening import path_text
from otterize_pcap.files.recording_names import read_name
from otterize_pcap.records.stream import NO_STOP
from otterize_pcap.table.read import Progress
from otterize_pcap.timestamps import SECOND_NS

OVERLAP_NS = SECOND_NS
"""By how much one part may end after the next one began: packets of several queues are unsorted."""

Watch = Callable[[str, Sequence[Path]], AbstractContextManager[Progress | None]]
"""What is told of each recording before its files are read: its node, and these."""


class Planned(Struct, frozen=True):
    """Files to read as the recording of one node.

    `is_guess` marks those that names alone put together; `apart` are then the nodes that they are
    of where their times do not follow one another.
    """

    node: str
    paths: tuple[Path, ...]
    is_guess: bool = False
    apart: tuple[str, ...] = ()

    def in_order(self, times: Mapping[Path, int | None]) -> "Planned":
        """The files that have a time, by it; those without packets come last, as they stand."""
        names = self.apart or (self.node,) * len(self.paths)
        parts = sorted(
            (NO_STOP if (time_ns := times[path]) is None else time_ns, number, path, name)
            for number, (path, name) in enumerate(zip(self.paths, names, strict=True))
            if path in times
        )
        paths = tuple(path for _, _, path, _ in parts)
        apart = tuple(name for _, _, _, name in parts) if self.apart else ()
        return replace(self, paths=paths, apart=apart)


def plan_recordings(
    files: Sequence[Path], nodes: Mapping[Path, str], known: Collection[str] = ()
) -> list[Planned]:
    """Put files together, in the order of their paths.

    Args:
        files: The capture files.
        nodes: Which node some files are of, by what somebody or a manifest says.
        known: Names of nodes.
    """
    by_node: dict[str, list[Path]] = {}
    by_stem: dict[tuple[Path, str], list[Path]] = {}
    for path in sorted(files):
        if path in nodes:
            by_node.setdefault(nodes[path], []).append(path)
        else:
            stem = read_name(path.name, known).stem
            # Files named alike in two directories are two recordings.
            by_stem.setdefault((path.parent, stem), []).append(path)
    said = [Planned(node, tuple(paths)) for node, paths in by_node.items()]
    guessed = [_guess(stem, paths, known) for (_, stem), paths in by_stem.items()]
    return sorted([*said, *guessed], key=lambda planned: planned.paths)


def _guess(stem: str, paths: Sequence[Path], known: Collection[str]) -> Planned:
    names = [read_name(path.name, known) for path in paths]
    if len(paths) == 1:
        return Planned(names[0].whole, tuple(paths))
    apart = [name.apart for name in names]
    if len(set(apart)) < len(apart):
        apart = [path.name for path in paths]
    return Planned(stem, tuple(paths), is_guess=True, apart=tuple(apart))


def are_parts(times: Iterable[tuple[int, int] | None]) -> bool:
    """Whether files follow one another: each begins where the one before it ends, or later."""
    spans = sorted(span for span in times if span is not None)
    for (first, last), (next_first, next_last) in pairwise(spans):
        shorter = min(last - first, next_last - next_first)
        if next_first < last - min(OVERLAP_NS, shorter // 2):
            return False
    return True


def separated(planned: Planned) -> list[Planned]:
    """The files of a recording that turned out to be none, each as its own."""
    return [Planned(node, (path,)) for node, path in zip(planned.apart, planned.paths, strict=True)]


def named_nodes(files: Sequence[Path], assignments: Iterable[tuple[str, str]]) -> dict[Path, str]:
    """Which files somebody gave to which nodes: by path, or by name alone.

    Raises:
        UsageError: No file is meant.
    """
    nodes: dict[Path, str] = {}
    for file, node in assignments:
        meant = [path for path in files if Path(file) == path or file in (path.name, str(path))]
        if not meant:
            among = ", ".join(path_text(path.name) for path in files[:5]) or "none"
            message = f"--node {file}={node}: no such capture file is read; those read: {among}"
            raise UsageError(message)
        nodes |= dict.fromkeys(meant, node)
    return nodes

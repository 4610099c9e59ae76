"""One thing of a capture damaged or lost: a file, its tail, a node, an object, a field."""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import unpack_from
from typing import Any

SNAPSHOT = "snapshot.json"
Step = str | int


@dataclass(frozen=True, slots=True)
class Damage:
    """What is damaged: `file` below the directory, and where in it.

    `keep` is how many of its bytes stay, with as many `zeros` behind them; `path` leads to what is
    taken out of its JSON. With neither the file is gone, and so are the `others`.
    """

    file: str
    keep: int | None = None
    zeros: int = 0
    path: tuple[Step, ...] = ()
    others: tuple[str, ...] = ()

    def apply(self, source: Path, target: Path) -> None:
        """Copy a capture directory with this damage."""
        shutil.copytree(source, target, symlinks=True)
        hurt = target / self.file
        if self.path:
            document = json.loads(hurt.read_bytes())
            hurt.write_text(json.dumps(without(document, self.path)), encoding="utf-8")
        elif self.keep is None:
            for file in (self.file, *self.others):
                (target / file).unlink()
        else:
            hurt.write_bytes(hurt.read_bytes()[: self.keep] + bytes(self.zeros))


def without(document: Any, path: tuple[Step, ...]) -> Any:  # noqa: ANN401 - any JSON
    """A document without what a path leads to."""
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    return document


def files_of(source: Path) -> list[str]:
    """The files that a capture directory consists of."""
    return sorted(
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and path.suffix != ".md" and path.name != "truth.json"
    )


def nodes_of(source: Path) -> list[tuple[str, ...]]:
    """The files of each node: its recordings, and what was saved beside them."""
    nodes: dict[str, list[str]] = defaultdict(list)
    for file in files_of(source):
        match Path(file).parts:
            case ("pcap" | "pcap-uplink", name):
                nodes[name.partition(".")[0]].append(file)
            case ("node", name, _):
                nodes[name].append(file)
    return [tuple(files) for _, files in sorted(nodes.items())]


def record_ends(content: bytes) -> list[int]:
    """Where the records of a pcap end, the last one excepted; the file header ends as one does."""
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(content[:4])
    order = order or {b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}.get(content[:4])
    ends = [] if order is None else [24]
    while ends and ends[-1] < len(content):
        (size,) = unpack_from(f"{order}I", content, ends[-1] + 8)
        ends.append(ends[-1] + 16 + size)
    return ends[:-1]


def objects_of(source: Path) -> list[tuple[Step, ...]]:
    """The paths of a snapshot's objects."""
    items = json.loads((source / SNAPSHOT).read_bytes()).get("items", [])
    return [("items", place) for place in range(len(items))]


def fields_of(source: Path) -> list[tuple[Step, ...]]:
    """The paths of all fields and entries within a snapshot's objects."""
    items = json.loads((source / SNAPSHOT).read_bytes()).get("items", [])
    return [
        ("items", place, *path) for place, item in enumerate(items) for path in _paths(item) if path
    ]


def _paths(value: Any) -> Iterator[tuple[Step, ...]]:  # noqa: ANN401 - any JSON
    yield ()
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for step, child in inside:
            yield from ((step, *path) for path in _paths(child))

"""One thing of a capture directory damaged or removed: a file, its tail, an object, a field."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SNAPSHOT = "snapshot.json"
Step = str | int


@dataclass(frozen=True, slots=True)
class Damage:
    """What is damaged: `file` below the directory, and where in it.

    `keep` is the share of its bytes that stay; `path` leads to what is taken out of its JSON. With
    neither the file is gone.
    """

    file: str
    keep: float | None = None
    path: tuple[Step, ...] = ()

    def apply(self, source: Path, target: Path) -> None:
        """Copy a capture directory with this damage."""
        shutil.copytree(source, target, symlinks=True)
        hurt = target / self.file
        if self.path:
            document = json.loads(hurt.read_bytes())
            hurt.write_text(json.dumps(without(document, self.path)), encoding="utf-8")
        elif self.keep is None:
            hurt.unlink()
        else:
            content = hurt.read_bytes()
            hurt.write_bytes(content[: int(len(content) * self.keep)])


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

"""Fixtures and what anonymising makes of them, for the tests beside."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from otterize_pcap.anonymise.renaming import Renaming
from otterize_pcap.files.anonymised_capture import Anonymised, anonymise_capture
from otterize_pcap.files.found_files import find_captures
from tests.conftest import FIXTURES

KEY = bytes(range(100, 132))


@dataclass(frozen=True, slots=True)
class Given:
    """A capture among the fixtures, and the snapshots that are not its own."""

    capture: Path
    snapshots: tuple[Path, ...] = ()

    def __str__(self) -> str:
        """The fixture's name in test reports."""
        return str(self.capture.relative_to(FIXTURES))


def _captures() -> Iterator[Given]:
    folders = {path.parent for path in FIXTURES.rglob("*.pcap*") if path.is_file()}
    for folder in sorted({path.parent if path.name == "pcap" else path for path in folders}):
        if (folder / "snapshot.json").exists():
            yield Given(folder)
        elif (folder / "before.json").exists():
            yield Given(folder, (folder / "before.json", folder / "after.json"))


CAPTURES = tuple(_captures())


@dataclass(frozen=True, slots=True)
class Made:
    """A fixture, anonymised."""

    given: Given
    directory: Path
    renaming: Renaming
    done: Anonymised

    @property
    def snapshots(self) -> tuple[Path, ...]:
        """The snapshots to read it with, where they are not its own."""
        return (self.directory / "snapshots",) if len(self.given.snapshots) > 1 else ()

    def recordings(self) -> Iterator[tuple[Path, Path]]:
        """Each pcap file of the fixture that is alone on its node, and what it became."""
        for path in find_captures(self.given.capture).captures:
            name = self.renaming.names.name(path.name.partition(".pcap")[0])
            yield path, self.directory / "pcap" / f"{name}.pcapng"


@cache
def _scratch() -> TemporaryDirectory[str]:
    return TemporaryDirectory()


@cache
def made(given: Given, *, keep_dns: bool, key: bytes = KEY) -> Made:
    """A fixture anonymised with a fixed key, once for all tests."""
    renaming = Renaming.by(key)
    target = Path(_scratch().name) / f"{len(list(Path(_scratch().name).iterdir()))}"
    done = anonymise_capture(
        given.capture, target, renaming, snapshots=given.snapshots, keep_dns=keep_dns
    )
    return Made(given, target, renaming, done)

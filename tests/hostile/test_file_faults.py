"""Every command against every fault of the file system: one line, exit code 3, nothing left."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otterize_pcap.cli.app import run
from otterize_pcap.files.table_journal import JOURNAL, Journal, JournalEntry
from otterize_pcap.files.writing import whole_file
from tests.command_tree import READERS, Words
from tests.conftest import FIXTURES, GOLDEN
from tests.hostile.mounts import small_disk

CAPTURE = str(FIXTURES / "tutorial-before")
OTHER = str(FIXTURES / "tutorial-after")
PCAP = str(FIXTURES / "tutorial-before" / "pcap" / "node-a.pcap")
SNAPSHOT = str(FIXTURES / "tutorial-before" / "snapshot.json")
POLICIES = str(GOLDEN / "netpol" / "policies.yaml")
NOBODY = 65534
PAGE = 4096
PRINTING = {
    "list": ("intents", "list", CAPTURE),
    "export": ("intents", "export", CAPTURE),
    "graph": ("graph", CAPTURE),
    "explain": ("explain", "checkout", "kafka", CAPTURE),
    "connections": ("connections", CAPTURE),
    "inspect": ("snapshot", "inspect", CAPTURE),
    "diff": ("diff", CAPTURE, OTHER),
    "check": ("check", CAPTURE, "--allow", OTHER),
    "netpol check": ("netpol", "check", POLICIES, CAPTURE),
    "netpol export": ("netpol", "export", CAPTURE),
}
READING = {
    "list": ("intents", "list", "{}"),
    "list, pcap": ("intents", "list", "{}", "--snapshot", SNAPSHOT),
    "list, snapshot": ("intents", "list", PCAP, "--snapshot", "{}"),
    "export": ("intents", "export", "{}"),
    "graph": ("graph", "{}"),
    "explain": ("explain", "a", "b", "{}"),
    "connections": ("connections", "{}"),
    "inspect": ("snapshot", "inspect", "{}"),
    "anonymise": ("anonymise", "{}", "-o", "{}-out"),
    "diff": ("diff", "{}", CAPTURE),
    "diff, second": ("diff", CAPTURE, "{}"),
    "check": ("check", "{}", "--allow", CAPTURE),
    "check, allowed": ("check", CAPTURE, "--allow", "{}"),
    "check, ignored": ("check", CAPTURE, "--allow", CAPTURE, "--ignore", "{}"),
    "netpol check": ("netpol", "check", POLICIES, "{}"),
    "netpol check, policies": ("netpol", "check", "{}", CAPTURE),
    "netpol export": ("netpol", "export", "{}"),
    "reduce": ("reduce", "{}", "-o", "{}-out"),
    "reduce, snapshot": ("reduce", PCAP, "--snapshot", "{}", "-o", "{}-out"),
}
WRITING = {
    "list": ("intents", "list", CAPTURE, "-o", "{}"),
    "export": ("intents", "export", CAPTURE, "-o", "{}"),
    "export, dir": ("intents", "export", CAPTURE, "--output-type", "dir", "-o", "{}"),
    "graph": ("graph", CAPTURE, "-o", "{}"),
    "explain": ("explain", "checkout", "kafka", CAPTURE, "-o", "{}"),
    "connections": ("connections", CAPTURE, "-o", "{}"),
    "inspect": ("snapshot", "inspect", CAPTURE, "-o", "{}"),
    "diff": ("diff", CAPTURE, OTHER, "-o", "{}"),
    "check": ("check", CAPTURE, "--allow", CAPTURE, "-o", "{}"),
    "anonymise": ("anonymise", CAPTURE, "-o", "{}"),
    "netpol check": ("netpol", "check", POLICIES, CAPTURE, "-o", "{}"),
    "netpol export": ("netpol", "export", CAPTURE, "--format", "json", "-o", "{}"),
    "netpol export, dir": ("netpol", "export", CAPTURE, "-o", "{}"),
    "reduce": ("reduce", CAPTURE, "-o", "{}"),
}
DIRECTORIES = {"export, dir", "anonymise", "netpol export, dir"}
# Only a new directory is taken: to name another is a mistake in the command.
USAGE = {("anonymise", "another kind"): 2}


@contextmanager
def no_rights(folder: Path) -> Iterator[None]:
    """Nobody may do anything in a folder for as long as the block lasts; root is somebody else."""
    is_root = os.geteuid() == 0
    folder.chmod(0)
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o700)


def failed(
    words: tuple[str, ...],
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int = 3,
) -> str:
    """Run a command that must fail as it should; the path stands where {} is. What it says."""
    monkeypatch.setattr(
        sys, "argv", ["otterize", *(word.replace("{}", str(path)) for word in words)]
    )
    ended = run()
    shown = capsys.readouterr()
    assert (ended, shown.out) == (code, ""), shown.err
    last = shown.err.splitlines()[-1]
    assert last.startswith("otterize: ")
    assert "a fault of our own" not in last
    return last


def options_of(words: Words) -> dict[str, bool]:
    """The names of a command's parameters, and whether each must be given."""
    return {param.name: param.required for param in READERS[words].params}


@pytest.mark.parametrize(
    ("table", "commands"),
    [
        # What must be told where to write prints no result.
        ("PRINTING", [words for words in READERS if not options_of(words).get("output")]),
        ("READING", list(READERS)),
        ("WRITING", [words for words in READERS if "output" in options_of(words)]),
    ],
)
def test_every_command_is_in_the_tables(table: str, commands: list[Words]) -> None:
    """A new command is here once it is in the command line; those of clusters read no files."""
    called = [line[:2] for line in globals()[table].values()]
    assert [
        words for words in commands if words not in {*called, *(two[:1] for two in called)}
    ] == []


@pytest.mark.parametrize("fault", ["full", "closed"])
@pytest.mark.parametrize("command", PRINTING)
def test_what_cannot_be_printed(
    command: str,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each command says that its result arrived nowhere."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full if fault == "full" else None)
        failed(PRINTING[command], Path(), monkeypatch, capsys)


@pytest.mark.parametrize(
    "fault", ["absent", "too long", "loop", "no directory", "no rights", "a directory"]
)
@pytest.mark.parametrize("command", READING)
def test_what_cannot_be_read(
    command: str,
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each command names what it could not read; an empty directory is nothing to read either."""
    (tmp_path / "file").write_text("a")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty").mkdir()
    locked = tmp_path / "locked"
    locked.mkdir()
    path = {
        "absent": tmp_path / "absent",
        "too long": tmp_path / ("a" * 300),
        "loop": tmp_path / "loop",
        "no directory": tmp_path / "file" / "below",
        "no rights": locked / "file",
        "a directory": tmp_path / "empty",
    }[fault]
    if fault == "no rights":
        with no_rights(locked):
            failed(READING[command], path, monkeypatch, capsys)
    else:
        failed(READING[command], path, monkeypatch, capsys)


FULL = {"full": "nr_inodes=1", "no room": "", "read-only": "ro"}
"""Options of a disk of one page: no room for a file, none for what is in it, nothing changes."""


@pytest.mark.parametrize("fault", [*FULL, "too long", "no directory", "no rights", "another kind"])
@pytest.mark.parametrize("command", WRITING)
def test_what_cannot_be_written(
    command: str,
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each command says which path and why, and leaves nothing behind."""
    if fault in FULL:
        with small_disk(PAGE, FULL[fault]) as disk:
            before = filled(disk, fault)
            said = failed(WRITING[command], disk / "out", monkeypatch, capsys)
            assert (f" {disk / 'out'}: " in said, list(disk.iterdir())) == (True, before), said
        return
    (tmp_path / "file").write_text("a")
    (tmp_path / "folder").mkdir()
    place = {
        "no directory": tmp_path / "file" / "out",
        "too long": tmp_path / ("a" * 300),
        "no rights": tmp_path / "folder" / "out",
        "another kind": tmp_path / ("file" if command in DIRECTORIES else "folder"),
    }[fault]
    if fault == "no rights":
        with no_rights(tmp_path / "folder"):
            said = failed(WRITING[command], place, monkeypatch, capsys)
    else:
        said = failed(WRITING[command], place, monkeypatch, capsys, USAGE.get((command, fault), 3))
    assert f"{place}: " in said
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "a"


def filled(disk: Path, fault: str) -> list[Path]:
    """What lies on a disk beforehand: where there is to be no room, a file that takes all."""
    if fault != "no room":
        return []
    (disk / "filler").write_bytes(b"a" * PAGE)
    return [disk / "filler"]


@pytest.mark.parametrize("fault", FULL)
def test_key_that_cannot_be_written(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a key left behind would be refused the next time."""
    words = ("anonymise", CAPTURE, "--key", "{}", "-o", str(tmp_path / "out"))
    with small_disk(PAGE, FULL[fault]) as disk:
        before = filled(disk, fault)
        said = failed(words, disk / "key", monkeypatch, capsys)
        assert (f" {disk / 'key'}: " in said, list(disk.iterdir())) == (True, before), said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", FULL)
def test_journal_that_cannot_be_written(fault: str) -> None:
    """What a node's reducer writes as it goes is named, too."""
    with small_disk(PAGE, FULL[fault]) as disk:
        before = filled(disk, fault)
        with pytest.raises(OSError, match=r".") as caught:
            Journal(disk).append(JournalEntry("table", 1, "0" * 64, 1, 1, {}))
        assert caught.value.filename == str(disk / JOURNAL)
        assert [path for path in disk.iterdir() if path.name != JOURNAL] == before


def test_what_was_read_is_not_taken_for_what_is_written(tmp_path: Path) -> None:
    """A failure of something else within the block keeps its name, or none."""
    with pytest.raises(OSError, match=r".") as caught, whole_file(tmp_path / "out"):
        raise OSError(errno.EIO, "")
    assert (caught.value.filename, list(tmp_path.iterdir())) == (None, [])


@pytest.mark.parametrize("command", WRITING)
def test_device_that_is_full(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A device is written as it is, and named as well."""
    code = 2 if command == "anonymise" else 3
    said = failed(WRITING[command], Path("/dev/full"), monkeypatch, capsys, code)
    assert "/dev/full: " in said

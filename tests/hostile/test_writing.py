"""Files are written whole or not at all, and never through what somebody else put there."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from otterize_pcap.cli.quantities import parse_mode
from otterize_pcap.cli.terminal import emit, emit_files
from otterize_pcap.errors import InputError, UsageError
from otterize_pcap.files.writing import LONGEST_NAME, rights_of, whole_file, write_all, write_whole
from tests.conftest import FIXTURES, Otterize
from tests.hostile.mounts import small_disk

CAPTURE = FIXTURES / "tutorial-before"


def rights(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_file_is_its_owners_unless_widened(tmp_path: Path) -> None:
    """0600 whatever the umask, and exactly what is asked for instead."""
    write_whole(tmp_path / "private", b"a")
    write_whole(tmp_path / "shared", b"a", 0o664)
    assert (rights(tmp_path / "private"), rights(tmp_path / "shared")) == (0o600, 0o664)


@pytest.mark.parametrize(("mode", "file", "folder"), [(0o600, 0o600, 0o700), (0o640, 0o640, 0o750)])
def test_rights_of_all_that_is_made(mode: int, file: int, folder: int, tmp_path: Path) -> None:
    """A capture's files and folders have the rights of `--mode`, whoever makes them."""
    with rights_of(mode):
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").write_bytes(b"")
    assert (rights(tmp_path / "file"), rights(tmp_path / "folder")) == (file, folder)


@pytest.mark.parametrize(
    "text", ["", "600a", "0777", "0400", "9", "-600", "0o600", "00600", "٠٦٠٠"]
)
def test_mode_that_is_none(text: str) -> None:
    """A mode that the owner could not write with, or that makes programs of files."""
    with pytest.raises(UsageError):
        parse_mode(text)


def test_link_in_the_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """Whoever may write the directory cannot have another file written."""
    victim = tmp_path / "victim"
    victim.write_text("kept")
    place = tmp_path / "out.yaml"
    place.symlink_to(victim)
    (tmp_path / "out.yaml.part").symlink_to(victim)
    emit("text", place)
    assert (victim.read_text(), place.read_text(), place.is_symlink()) == ("kept", "text", False)


def write_pieces(place: Path, pieces: list[Any]) -> None:
    """Write one piece after the other into a file."""
    with whole_file(place) as stream:
        for piece in pieces:
            stream.write(piece)


def test_nothing_is_left_where_writing_ends_early(tmp_path: Path) -> None:
    """Neither a part nor a first half, and what was there before stays."""
    place = tmp_path / "a"
    place.write_text("before")
    with pytest.raises(TypeError):
        write_pieces(place, [b"half", "no bytes"])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert place.read_text() == "before"


def test_directory_of_files_is_written_all_or_not(tmp_path: Path) -> None:
    """The second file cannot be written: the first is not there, and neither is the directory."""
    directory = tmp_path / "made" / "out"
    with pytest.raises(OSError, match="Errno"):
        write_all(directory, {"a": b"1", "no/such/b": b"2"})
    with pytest.raises(OSError, match="Errno"):
        write_all(directory, {"a": b"1", "x" * 300: b"2"})
    assert not (tmp_path / "made").exists()
    directory.mkdir(parents=True)
    (directory / "b").mkdir()
    (directory / "a").write_text("before")
    with pytest.raises(OSError, match="Errno"):
        write_all(directory, {"a": b"1", "b": b"2"})
    assert sorted(path.name for path in directory.iterdir()) == ["a", "b"]
    assert (directory / "a").read_text() == "before"


def test_full_disk_leaves_nothing() -> None:
    """A result, a directory of results: no part of them stays, and the reason is said."""
    with small_disk(64 << 10) as disk:
        (disk / "old").write_text("before")
        with pytest.raises(InputError, match="the disk is full"):
            emit("x" * 100_000, disk / "new")
        with pytest.raises(InputError, match="the disk is full"):
            emit_files({"a": "x", "b": "x" * 100_000}, disk / "out")
        assert [path.name for path in disk.iterdir()] == ["old"]


def test_long_names_are_shortened_apart(tmp_path: Path) -> None:
    """A name longer than file systems take is cut where a character ends, with a digest."""
    names = ["ä" * 200 + f"{number}.yaml" for number in range(3)]
    emit_files(dict.fromkeys(names, "a"), tmp_path)
    found = [path.name for path in tmp_path.iterdir()]
    assert len(found) == 3
    assert all(len(name.encode()) <= LONGEST_NAME for name in found)
    assert all(name.endswith(".yaml") for name in found)


def test_output_may_be_a_device(otterize: Otterize) -> None:
    """`-o /dev/stdout` is written as it is, and stays what it is; one that is full is said."""
    before = os.lstat("/dev/stdout")
    done = otterize("intents", "export", CAPTURE, "-q", "-o", "/dev/stdout")
    assert done.stdout.startswith("apiVersion: ")
    after = os.lstat("/dev/stdout")
    assert (before.st_mode, before.st_ino) == (after.st_mode, after.st_ino)
    assert otterize("intents", "export", CAPTURE, "-q", "-o", "/dev/full").returncode == 3

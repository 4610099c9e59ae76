"""Directories as people have them: odd files beside good ones, odd names, copies."""

import bz2
import gzip
import lzma
import os
import shutil
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.cli.connections import table_connections
from otterize_pcap.connections.listed import ListedConnection
from otterize_pcap.errors import CaptureError
from otterize_pcap.files.bare_recordings import read_recordings
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.found_files import is_capture_directory
from otterize_pcap.files.pcap_files import ReadFiles
from otterize_pcap.table.read import ReadOptions
from tests.capture_bytes import START, ethernet, ipv4, pcap, section, tcp
from tests.conftest import FIXTURES, Otterize
from tests.strategies import laws

SERVICES = FIXTURES / "services"
GOOD = pcap([ethernet(ipv4(tcp(1000, 80)))])
OTHER = pcap([ethernet(ipv4(tcp(1001, 81)))])


def read(*paths: Path) -> ReadFiles:
    """Read as `otterize connections` does."""
    return read_recordings(paths, ReadOptions())


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        pytest.param("b.pcap", b"", "the file is empty", id="empty"),
        pytest.param("a.pcap1", b"", "the file is empty", id="empty part"),
        pytest.param("b.pcap", GOOD[:10], "ends within its header (10 of 24", id="cut header"),
        pytest.param("b.pcap", pcap([b"x" * 20], 253), "link type 253 (NETLINK)", id="link type"),
        pytest.param("a.pcap1", pcap([b"x" * 20], 253), "link type 253", id="part's link type"),
        pytest.param("b.pcap", b"text", "no capture", id="text"),
        pytest.param("b.pcap.gz", gzip.compress(b"x"), "no capture", id="packed text"),
        pytest.param("b.pcap", GOOD + GOOD, "a second capture file begins", id="joined by cat"),
        pytest.param("a.pcap1", GOOD + GOOD, "a second capture file begins", id="joined part"),
    ],
)
def test_bad_file_costs_itself(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    """What is beside it is read; it is named, with what is wrong, and of its node."""
    (tmp_path / "a.pcap").write_bytes(OTHER)
    (tmp_path / name).write_bytes(content)
    found = read(tmp_path)
    assert [(node, len(table)) for node, table in found.recordings] == [("a", 1)]
    (unread,) = found.unread
    assert (unread.path.name, unread.node) == (name, name[0])
    assert reason in unread.reason
    assert not unread.reason.startswith(str(tmp_path))
    (captured,) = open_captures([tmp_path], [SERVICES / "snapshot.json"], ReadOptions())
    assert [(file.node, file.truncated) for file in captured.files] == [
        ("a", False),
        (name[0], True),
    ]


def test_bad_file_alone_is_an_error(tmp_path: Path) -> None:
    """Where nothing can be read there is nothing to go on with, whoever named the file."""
    path = tmp_path / "b.pcap"
    path.write_bytes(b"")
    for given_path in (path, tmp_path):
        with pytest.raises(CaptureError, match=r"b\.pcap: the file is empty"):
            read(given_path)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    """Who names a file wants it, whatever else was named."""
    (tmp_path / "a.pcap").write_bytes(GOOD)
    with pytest.raises(CaptureError, match=r"z\.pcap: there is no such file"):
        read(tmp_path / "a.pcap", tmp_path / "z.pcap")


def test_strict_counts_what_was_not_read(otterize: Otterize, tmp_path: Path) -> None:
    """Exit 0 with a line, and 6 under --strict."""
    directory = tmp_path / "capture"
    shutil.copytree(SERVICES, directory)
    (directory / "pcap" / "node-c.pcap").write_bytes(b"")
    done = otterize("intents", "list", directory)
    assert (done.returncode, done.stdout) == (0, otterize("intents", "list", SERVICES).stdout)
    assert "node-c.pcap: not read: the file is empty" in done.stderr
    assert "in 2 files" in done.stderr
    assert otterize("intents", "list", directory, "--strict", "-q").returncode == 6


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("b.PCAP", bytes),
        ("b.pcap-20231114", bytes),
        ("log.pcap.1700000000", bytes),
        ("b.pcap.xz", lzma.compress),
        ("b.pcap.bz2", bz2.compress),
        ("b.pcap.gz", gzip.compress),
        ("b", bytes),
        ("capture.data", bytes),
    ],
)
def test_captures_by_content(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    """A name says nothing of whether a file is a capture."""
    (tmp_path / "a.pcap").write_bytes(OTHER)
    (tmp_path / name).write_bytes(pack(GOOD))
    found = read(tmp_path)
    assert sum(len(table) for _, table in found.recordings) == 2
    assert (found.unread, found.notes) == ((), ())
    assert is_capture_directory(tmp_path)


def test_what_is_no_capture_is_named(tmp_path: Path) -> None:
    """Texts and hidden files are counted; what else lies there is named."""
    (tmp_path / "a.pcap").write_bytes(GOOD)
    (tmp_path / "._a.pcap").write_bytes(b"\0\5\26\7 of macOS")
    (tmp_path / ".b.pcap.Xy12").write_bytes(OTHER)
    (tmp_path / "README.md").write_text("notes")
    (tmp_path / "image.bin").write_bytes(b"\1\0\2")
    (tmp_path / "notes.txt.gz").write_bytes(gzip.compress(b"notes"))
    (tmp_path / "snapshot.json.gz").write_bytes(gzip.compress(b"{}"))
    with tarfile.open(tmp_path / "logs.tgz", "w:gz") as logs:
        logs.add(tmp_path / "notes.txt.gz", "notes.txt.gz")
    (tmp_path / "old.pcap").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "x").write_bytes(section())
    found = read(tmp_path)
    assert (len(found.recordings), found.unread) == (1, ())
    assert found.notes == (
        f"left out of {tmp_path}: image.bin, logs.tgz, notes.txt.gz, snapshot.json.gz (no capture)",
        f"left out of {tmp_path}: more, old.pcap (a directory of its own; give it by itself)",
        f"left out of {tmp_path}: .b.pcap.Xy12 (hidden)",
        f"passed over in {tmp_path}: texts (1), hidden files (1)",
    )
    assert found.aside == (f"passed over in {tmp_path}: directories (1)",)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("b.pcap", OTHER, id="a file"),
        pytest.param("uplink/b.pcap", OTHER, id="in a directory"),
        pytest.param("old/2023/b.pcap.gz", gzip.compress(OTHER), id="packed, deep in one"),
        pytest.param("old/capture", gzip.compress(OTHER), id="told by content alone"),
        pytest.param("node/a/x.pcap", OTHER, id="beside what a node saved"),
    ],
)
def test_capture_beside_the_folder_of_captures_is_named(
    otterize: Otterize, tmp_path: Path, name: str, content: bytes
) -> None:
    """Where there is `pcap/`, nothing else is read, and captures that lie elsewhere are told."""
    directory = tmp_path / "capture"
    shutil.copytree(SERVICES, directory)
    expected = otterize("intents", "list", directory)
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    done = otterize("intents", "list", directory)
    note = f"left out of {directory}: {name.partition('/')[0]} (not in pcap/)"
    assert (done.returncode, done.stdout) == (0, expected.stdout)
    assert note in done.stderr
    assert note not in expected.stderr
    assert read(directory).notes == (note,)


def test_what_lies_beside_the_folder_of_captures_is_counted(
    otterize: Otterize, tmp_path: Path
) -> None:
    """Texts and directories are no captures; `-v` says that they are there; others are named."""
    directory = tmp_path / "capture"
    shutil.copytree(SERVICES, directory)
    for name in ("README.md", "truth.json"):
        (directory / name).unlink()
    (directory / "pod-logs.txt").write_text("of kubectl")
    (directory / "intents").mkdir()
    (directory / "core").write_bytes(b"\0\1")
    (directory / "pcap" / "notes").mkdir()
    said = otterize("intents", "list", directory).stderr
    assert f"note: left out of {directory}: core (no capture)" in said
    assert "passed over" not in said
    more = otterize("intents", "list", directory, "-v").stderr
    assert f"passed over in {directory}: texts (1), directories (1)" in more
    assert f"passed over in {directory}/pcap: directories (1)" in more


@pytest.mark.parametrize("with_snapshot", [True, False])
@pytest.mark.parametrize(
    "command",
    [
        ["connections"],
        ["intents", "list"],
        ["intents", "export"],
        ["graph"],
        ["explain", "a", "b"],
        ["check", "--allow", FIXTURES / "tutorial" / "export.yaml"],
        ["diff", FIXTURES / "tutorial" / "export.yaml"],
        ["anonymise"],
    ],
    ids=lambda command: command[0],
)
def test_directory_without_captures(
    otterize: Otterize, tmp_path: Path, command: list[str], with_snapshot: bool
) -> None:
    """The same error in every command; it names the directories in which there are captures."""
    directory = tmp_path / "none"
    directory.mkdir()
    if with_snapshot:
        shutil.copy(SERVICES / "snapshot.json", directory)
    target = ["-o", tmp_path / "made"] if command == ["anonymise"] else []
    done = otterize(*command, directory, *target)
    assert done.returncode == 3
    message = (
        f"otterize: {directory}: no capture files in this directory; is it a capture directory?"
    )
    assert done.stderr.strip() == message
    shutil.copytree(SERVICES / "pcap", directory / "monday" / "pcap")
    done = otterize(*command, directory, *target)
    assert done.stderr.strip() == (
        f"{message}; left out of {directory}: monday (a directory of its own; give it by itself)"
    )


def test_same_packets_count_once(tmp_path: Path) -> None:
    """A file beside its compressed copy, a file named twice and a link: once, with a note."""
    path, packed, link = tmp_path / "a.pcap", tmp_path / "a.pcap.gz", tmp_path / "b.pcap"
    path.write_bytes(GOOD)
    packed.write_bytes(gzip.compress(GOOD))
    os.link(path, link)
    found = read(packed, path, link, path)
    ((node, table),) = found.recordings
    assert (node, table.counts.packets) == ("a", 1)
    assert table.files == (str(path),)
    assert found.notes == (
        f"{link} is {path} again; it counts once",
        f"{path} is {path} again; it counts once",
        f"{packed} holds the same packets as {path}; they count once",
    )


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_shorter_copy_adds_nothing(tmp_path: Path, share: float) -> None:
    """A copy that stopped early is another view of the same calls: nothing counts twice."""
    whole = (SERVICES / "pcap" / "node-a.pcap").read_bytes()
    path, copy = tmp_path / "node-a.pcap", tmp_path / "node-a-copy.pcap"
    path.write_bytes(whole)
    alone = _counted(read(path))
    copy.write_bytes(whole[: int(len(whole) * share)])
    assert _counted(read(path, copy)) == alone
    copy.rename(tmp_path / "node-a.1.pcap")
    assert _counted(read(tmp_path)) == alone


def _counted(found: ReadFiles) -> list[tuple[object, ...]]:
    """Connections with their packets and outcomes, wherever they were seen."""
    return sorted(
        (each.first_ns, each.client, each.server, each.outcome, each.packets, each.bytes)
        for each in table_connections(found.recordings)
    )


def test_files_without_packets_are_no_copies(tmp_path: Path) -> None:
    """Two nodes where nothing happened recorded the same bytes."""
    for name in ("a.pcap", "b.pcap"):
        (tmp_path / name).write_bytes(pcap([]))
    found = read(tmp_path)
    assert ([node for node, _ in found.recordings], found.notes) == (["a", "b"], ())


def test_directory_named_twice_is_one_capture() -> None:
    """Calls of one directory are not added up."""
    captures = open_captures([SERVICES, SERVICES], None, ReadOptions())
    assert len(captures) == 1


@cache
def listed(*contents: tuple[str, bytes]) -> list[ListedConnection]:
    """The connections of files in a directory of their own; places are names alone."""
    with TemporaryDirectory() as name:
        for file, content in contents:
            (Path(name) / file).write_bytes(content)
        try:
            found = read(Path(name))
        except CaptureError:
            return []
        return [
            each for each in table_connections(found.recordings) if each.file.endswith("other.pcap")
        ]


@laws
@given(st.data())
def test_damage_of_one_file_changes_nothing_of_others(data: st.DataObject) -> None:
    """Whatever becomes of one file, another one's own connections are listed as before."""
    broken = bytearray((SERVICES / "pcap" / "node-a.pcap").read_bytes()[:4000])
    kind = data.draw(st.sampled_from(("cut", "zeros", "byte", "empty", "noise")))
    at = data.draw(st.integers(0, len(broken) - 1))
    if kind == "cut":
        del broken[at:]
    elif kind == "zeros":
        broken[at:] = bytes(len(broken) - at)
    elif kind == "byte":
        broken[at] ^= data.draw(st.integers(1, 255))
    else:
        broken[:] = b"" if kind == "empty" else data.draw(st.binary(max_size=64))
    frames = [ethernet(ipv4(tcp(port, 80), source="192.0.2.1")) for port in range(1, 9)]
    other = ("other.pcap", pcap(frames, start=START))
    alone = _keyed(listed(other))
    assert len(alone) == len(frames)
    assert _keyed(listed(("broken.pcap", bytes(broken)), other)) == alone


def _keyed(connections: list[ListedConnection]) -> list[tuple[object, ...]]:
    return [(each.first_ns, each.packet, each.client, each.server) for each in connections]

"""Files that are none: made by the system while they are read, without end, or no files at all."""

import ast
import os
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from itertools import chain
from pathlib import Path
from types import FrameType
from unittest.mock import patch

import pytest

from otterize_pcap.errors import InputError
from otterize_pcap.files import opening
from otterize_pcap.files.found_files import is_capture
from otterize_pcap.files.opening import map_file, read_bytes
from otterize_pcap.files.plain_files import _Named, open_plain
from otterize_pcap.files.reduced_files import is_reduced
from otterize_pcap.records.ranged_file import FileSlice
from otterize_pcap.system_errors import UnsizedFileError, system_reason
from tests.conftest import ROOT
from tests.hostile.test_file_faults import READING, failed

PATIENCE_S = 20.0
SYSTEM_FILES = [
    Path(name)
    for name in (
        *("/proc/kmsg", "/proc/cpuinfo", "/proc/self/pagemap", "/proc/self/mem"),
        *("/proc/self/status", "/proc/sys/kernel/random/uuid", "/proc/sys/kernel/ns_last_pid"),
        *("/sys/kernel/notes", "/sys/class/net/lo/mtu", "/sys/kernel/tracing/trace_pipe"),
        *("/dev/kmsg", "/dev/random", "/dev/full", "/dev/ptmx"),
    )
    if os.access(name, os.R_OK)
]
"""Those that this machine has; every one of them is another way to be no file on a disk."""
TEXTS = {
    ("check, ignored", "/sys/kernel/notes"): 2,
    ("check, ignored", "/sys/class/net/lo/mtu"): 2,
    ("netpol check", "/sys/class/net/lo/mtu"): 2,
}
"""What is found to be none of what the command takes: a wrong command line."""
PLACES = (*("/proc", "/proc/self", "/proc/sys/kernel", "/proc/sys/vm"), "/sys/kernel")
OF_THE_NODE = {"files/recorded_parts.py", "files/table_journal.py", "files/reduce_recording.py"}
"""These read what runs beside them on a node wrote, in a directory of its own."""
OTHERWISE = {"files/opening.py", "files/plain_files.py"}
"""One opens devices, to see what they are; the other is the place."""


@contextmanager
def patience() -> Iterator[None]:
    """Whatever waits for longer fails."""

    def give_up(_number: int, _frame: FrameType | None) -> None:
        message = "it waits"
        raise AssertionError(message)

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("path", SYSTEM_FILES, ids=str)
@pytest.mark.parametrize("command", READING)
def test_no_command_waits_for_the_system(
    command: str,
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each says of it on one line that it is nothing to be read, and where."""
    # What is written lies elsewhere.
    words = tuple(word.replace("{}-out", str(tmp_path / "out")) for word in READING[command])
    with patience():
        said = failed(words, path, monkeypatch, capsys, TEXTS.get((command, str(path)), 3))
    assert str(path) in said or (command, str(path)) in TEXTS
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", READING)
def test_socket_is_no_file(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It cannot be opened, and is named as what it is."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("sock")
        assert "sock: a socket, no file; name a file" in failed(
            READING[command], Path("sock"), monkeypatch, capsys
        )


@pytest.mark.parametrize("place", PLACES)
def test_nothing_of_the_system_holds_up_who_looks(place: str) -> None:
    """Whatever lies there is read within bounds or refused, also by who looks what it is."""
    looked_at = 0
    for path in sorted(Path(place).iterdir()):
        if not path.is_file():
            continue
        looked_at += 1
        with patience():
            assert not is_reduced(path)
            assert isinstance(is_capture(path), bool)
            for read in (read_bytes, map_file):
                # Nothing else is raised.
                with suppress(InputError):
                    assert len(read(path)) <= path.stat().st_size
    assert looked_at


def test_file_that_grows_is_one(tmp_path: Path) -> None:
    """A recording that is just beginning is empty when it is looked at, and then is not."""
    path = tmp_path / "a.pcap"
    path.write_bytes(b"packets")
    real = path.stat()
    empty = os.stat_result([*real[:6], 0, *real[7:10]])
    with patch.object(Path, "stat", lambda *_, **__: empty), open_plain(path) as file:
        assert file.read() == b"packets"


def test_empty_file_is_one(tmp_path: Path) -> None:
    """By its size, and by what is read of it."""
    (tmp_path / "empty").touch()
    assert read_bytes(tmp_path / "empty") == b""


def test_unsized_file_is_refused() -> None:
    """Not by its kind: it is a regular file."""
    path = Path("/proc/self/status")
    assert stat.S_ISREG(path.stat().st_mode)
    with pytest.raises(UnsizedFileError) as caught:
        open_plain(path)
    assert caught.value.filename == str(path)
    assert system_reason(caught.value).startswith("the system makes it")


def test_failure_while_reading_names_the_file(tmp_path: Path) -> None:
    """The system names what it cannot open, and nothing that it cannot read."""
    with BufferedReader(_Named("/proc/self/mem", "rb")) as file:
        for count in (4, -1):
            with pytest.raises(OSError, match=r".") as caught:
                file.read(count)
            assert caught.value.filename == "/proc/self/mem"
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError) as of_slice:
            FileSlice(descriptor, 0, "a.pcap").readinto(memoryview(bytearray(4)))
        assert of_slice.value.filename == "a.pcap"
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("size", [100, 1 << 40])
def test_large_snapshot_is_refused_before_it_is_copied(size: int, tmp_path: Path) -> None:
    """A sparse file has any size and takes no room: a copy of it took all that the disk had."""
    path = tmp_path / "snapshot.json"
    path.touch()
    os.truncate(path, size)
    with (
        patch.object(opening, "LARGE", 1),
        patch.object(opening, "MAX_DOCUMENT", 99),
        patch.object(opening, "_mapped_copy", side_effect=AssertionError),
        pytest.raises(InputError, match="which no document needs"),
    ):
        map_file(path)


def test_snapshot_that_grows_while_it_is_copied(tmp_path: Path) -> None:
    """What is copied is bounded by what was there to begin with."""
    path = tmp_path / "snapshot.json"
    path.write_bytes(b"a" * 100)
    with path.open("rb") as file:
        assert bytes(opening._mapped_copy(file, 60)[:]) == b"a" * 60


def opens(source: str) -> bool:
    """Whether a module opens or reads a path by itself."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (
            node.func.attr in {"read_bytes", "read_text"}
            or (node.func.attr == "open" and [ast.unparse(each) for each in node.args] == ["'rb'"])
        )
        for node in ast.walk(ast.parse(source))
    )


def test_files_are_opened_in_one_place() -> None:
    """Whoever opens one by himself may wait for it."""
    assert opens("path.open('rb')")
    assert opens("path.read_bytes()")
    package = ROOT / "otterize_pcap"
    modules = chain((package / "files").glob("*.py"), (package / "cli").glob("*.py"))
    found = {
        str(path.relative_to(package))
        for path in modules
        if opens(path.read_text(encoding="utf-8"))
    }
    assert found - OF_THE_NODE - OTHERWISE == set()

"""The progress bar: on a terminal, after a second, and nowhere else."""

import gzip
import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from otterize_pcap.cli.inputs import _Watch
from otterize_pcap.cli.progress import reading_progress, time_left, time_of_all
from tests.capture_bytes import ethernet, ipv4, pcap, udp
from tests.conftest import ROOT

CONTENT = pcap([ethernet(ipv4(udp(1, 2), 17))] * 20)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def drawn(path: Path, patience_s: float) -> str:
    """What is drawn while a file is said to be half read and then read."""
    stream = Terminal()
    with reading_progress("node1", [path], stream, patience_s) as progress:
        assert progress is not None
        progress(500_000, 10_000)
        progress(1_000_000, 20_000)
    return stream.getvalue()


def test_bar_shows_bytes_and_packets(tmp_path: Path) -> None:
    """Name, bytes of all bytes, and packets a second."""
    path = tmp_path / "a.pcap"
    path.write_bytes(bytes(1_000_000))
    text = drawn(path, patience_s=0)
    assert "node1" in text
    assert "1.0/1.0 MB" in text
    assert "packets/s" in text
    assert ", 0s left" in text


def test_compressed_file_has_no_known_end(tmp_path: Path) -> None:
    """What a compressed file holds is not known before; only what was read is shown."""
    path = tmp_path / "a.pcap.gz"
    path.write_bytes(gzip.compress(CONTENT))
    text = drawn(path, patience_s=0)
    assert "1.0/? MB" in text
    assert ", 0s so far" in text


@pytest.mark.parametrize(
    ("done", "total", "elapsed_s", "said"),
    [
        (500, 1000, 10, "10s left"),
        (1, 201, 1, "3m20s left"),
        (1, 3901, 1, "1h05m left"),
        (1200, 1000, 10, "0s left"),
        (0, 1000, 10, ""),
        (500, None, 75, "1m15s so far"),
    ],
)
def test_what_remains(done: int, total: int | None, elapsed_s: float, said: str) -> None:
    """At the speed so far; a file that grows meanwhile takes no less than no time."""
    assert time_left(done, total, elapsed_s) == said


@pytest.mark.parametrize(
    ("done", "total", "later", "said"),
    [
        (500, 1000, 2000, "50s for all"),
        (500, 1000, 0, ""),
        (500, 1000, None, ""),
        (500, None, 2000, ""),
        (0, 1000, 2000, ""),
        (1200, 1000, 1200, "10s for all"),
    ],
)
def test_what_remains_of_all(done: int, total: int | None, later: int | None, said: str) -> None:
    """Of several recordings, one after the other, those to come count as well."""
    assert time_of_all(done, total, later, 10) == said


def test_several_captures_are_one_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for the first of three reads how long all three take; of the last, nothing."""
    directories = []
    for number in range(3):
        directory = tmp_path / f"capture-{number}"
        (directory / "pcap").mkdir(parents=True)
        (directory / "pcap" / "node.pcap").write_bytes(pcap([b"x" * 1000] * 1000))
        (directory / "notes.txt").write_text("notes are not read")
        directories.append(directory)
    watch = _Watch(directories)
    shown = []
    for directory in directories:
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr("otterize_pcap.cli.progress.time.monotonic", iter(range(99)).__next__)
        path = directory / "pcap" / "node.pcap"
        with watch.recording("node", [path]) as progress:
            assert progress is not None
            progress(path.stat().st_size // 10, 100)
            progress(path.stat().st_size // 2, 500)
        shown.append(stream.getvalue())
    assert "2s left, 10s for all" in shown[0]
    assert "2s left, 6s for all" in shown[1]
    assert "2s left" in shown[2]
    assert "for all" not in shown[2]


def test_nothing_is_drawn_within_a_second(tmp_path: Path) -> None:
    """Most runs are short, and a bar would only flicker."""
    path = tmp_path / "a.pcap"
    path.write_bytes(CONTENT)
    assert drawn(path, patience_s=1) == ""


def test_nothing_is_drawn_where_nobody_looks() -> None:
    """Without a terminal there is nothing to tell progress to."""
    with reading_progress("node1", [], io.StringIO(), 0) as progress:
        assert progress is None


def test_command_on_a_terminal_ends_with_a_clean_line(tmp_path: Path) -> None:
    """A short run on a terminal prints its summary and no control character."""
    path = tmp_path / "a.pcap"
    path.write_bytes(CONTENT)
    main, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "otterize_pcap", "connections", str(path)],
        stdout=subprocess.PIPE,
        stderr=terminal,
        check=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "TERM": "xterm"},
    )
    os.close(terminal)
    assert done.stdout.count(b"\n") == 1
    assert os.read(main, 4096) == f"{path}: 20 packets, 1 leg\r\n".encode()
    os.close(main)

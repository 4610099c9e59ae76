"""examples/dask at work: its own commands, run here, find every call."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT, Otterize
from tests.dask_example import CAPTURE, DASK, SCHEDULER, command_of, run_script, shares


def installed(directory: Path) -> Path:
    """A directory with the command, as an image has it."""
    directory.mkdir()
    program = directory / "otterize"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m otterize_pcap "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return directory


def volume(directory: Path) -> Path:
    """The volume of the example, with a capture as a directory and as files."""
    shutil.copytree(CAPTURE, directory / "my-capture")
    shutil.copytree(CAPTURE / "pcap", directory / "pcap")
    shutil.copy(CAPTURE / "snapshot.json", directory)
    return directory


def test_shares_of_files_reduced_and_merged_are_all_calls(
    tmp_path: Path, otterize: Otterize
) -> None:
    """The indexed Job and the one after it, run here, find what one reading of all files finds."""
    captures, programs = volume(tmp_path / "captures"), installed(tmp_path / "bin")
    for index in range(int(shares())):
        run_script(command_of("otterize-reduce"), captures, programs, index)
    assert len(list((captures / "reduced").iterdir())) == len(list((captures / "pcap").iterdir()))
    run_script(command_of("otterize-list", 0), captures, programs, 0)
    words = [word.replace("/captures", str(captures)) for word in command_of("otterize-list", 1)]
    otterize(*words[1:])
    files = sorted((captures / "pcap").iterdir())
    expected = otterize(
        *("intents", "list", *files, "--snapshot", captures / "snapshot.json", "-q"),
        *("--format", "json"),
    )
    assert json.loads((captures / "calls.json").read_text()) == json.loads(expected.stdout)


@contextmanager
def running(*words: str) -> Iterator[None]:
    """A program of Dask's, as long as it is needed."""
    started = subprocess.Popen(
        [sys.executable, "-m", *words], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        yield
    finally:
        started.terminate()
        started.wait(30)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def test_workers_read_what_the_client_asks_for(tmp_path: Path, otterize: Otterize) -> None:
    """Scheduler, a worker and the client, run here with their own words, find the same calls."""
    captures = volume(tmp_path / "captures")
    ports = {"8786": free_port(), "9000": free_port(), "9001": free_port()}
    here = {
        "0.0.0.0": "127.0.0.1",  # noqa: S104 - it is replaced
        SCHEDULER: f"tcp://127.0.0.1:{ports['8786']}",
        "/tmp": str(tmp_path),  # noqa: S108 - a container's own
        **{port: str(free) for port, free in ports.items()},
    }

    def words(name: str) -> list[str]:
        changed = (here.get(word, word) for word in command_of(name))
        return [word.replace("/captures", str(captures)) for word in changed]

    with (
        running(DASK["scheduler"], *words("otterize-scheduler")[2:]),
        running(DASK["worker"], *words("otterize-worker")[2:]),
    ):
        _wait_for(ports["8786"])
        otterize(*words("otterize-client")[1:])
    expected = otterize("intents", "list", CAPTURE, "-q", "--format", "json")
    assert json.loads((captures / "calls.json").read_text()) == json.loads(expected.stdout)


def _wait_for(port: int) -> None:
    for _ in range(300):
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the scheduler does not listen")

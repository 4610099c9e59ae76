"""Signals while nodes reduce: what has come is kept, whole, unless Ctrl-C comes twice."""

import hashlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from otterize_pcap.files.captures import open_captures
from otterize_pcap.resolve.map_capture import graph_capture
from tests.awaiting import until
from tests.cluster.capture_process import CaptureProcess
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import (
    StartApi,
    assert_clean,
    read_manifest,
)
from tests.cluster.lab_nodes import Lab, two_nodes
from tests.cluster.lab_runtime import unavailable
from tests.cluster.reducers import program, reducing_api
from tests.reduced.test_reduce import PLAIN

WHY_NOT = unavailable()
pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(WHY_NOT is not None, reason=f"no lab on this machine: {WHY_NOT}"),
]
QUICK = "from otterize_pcap.files import reduce_recording as r; r.PERIOD_S = 0.5"
#: 24 with `make soak`; each is a whole capture in the lab.
RUNS = 24 if "OTTERIZE_SOAK" in os.environ else 4
AT_ONCE = 2
LASTS_S = 9.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two nodes that talk through a VXLAN."""
    with two_nodes() as nodes:
        yield nodes


class Reduction(CaptureProcess):
    """`otterize capture --reduce` against the lab."""

    def __init__(self, api: FakeApi, place: Path, duration: str = "60s") -> None:
        place.mkdir(exist_ok=True)
        binary = str(program(place / "otterize", python=QUICK))
        super().__init__(api, place, "--duration", duration, "--reduce-binary", binary)

    def has_tables(self) -> bool:
        """Whether something came of both nodes."""
        found = list(self.out.glob("pcap/*.conntable"))
        return len(found) == 2 and all(table.stat().st_size for table in found)


def assert_whole(out: Path) -> None:
    """What lies there is what the manifest lists, byte for byte, and can be read."""
    listed = {file.path: file for node in read_manifest(out).nodes for file in node.files}
    lying = {path.relative_to(out).as_posix(): path for path in (out / "pcap").iterdir()}
    assert lying.keys() == listed.keys()
    for name, path in lying.items():
        content = path.read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            listed[name].bytes,
            listed[name].sha256,
        )


def packets_of(directory: Path) -> int:
    """The packets of a capture directory."""
    (capture,) = open_captures([directory])
    coverage = graph_capture(capture, PLAIN).coverage
    assert coverage is not None
    return sum(file.packets for file in coverage.files)


def assert_nothing_runs(lab: Lab) -> None:
    """On the nodes there is only their own traffic: no tcpdump, held or not, and no reducer."""

    def left() -> list[bytes]:
        running = [
            words
            for namespace in lab.namespaces.values()
            for number in subprocess.check_output(["ip", "netns", "pids", namespace]).split()
            if (words := _command_line(int(number)))
        ]
        return [words for words in running if b"lab_traffic" not in words]

    until(lambda: not left(), left)


def _command_line(number: int) -> bytes:
    """The words of a process, nothing of one that has ended."""
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_what_came_before_the_end_is_kept(
    lab: Lab, start_api: StartApi, tmp_path: Path, number: signal.Signals
) -> None:
    """A capture of hours that its supervisor ends: exit 130, its tables, snapshot and manifest."""
    api = reducing_api(lab, start_api, tmp_path, "debian")
    running = Reduction(api, tmp_path)
    running.until(running.has_tables)

    running.process.send_signal(number)
    code, said = running.end()

    assert code == 130, said
    assert f"abandoned: what had come until then is kept in {running.out}" in said
    assert_clean(api)
    assert_nothing_runs(lab)
    assert_whole(running.out)
    nodes = read_manifest(running.out).nodes
    assert {(node.status, node.reason) for node in nodes} == {
        (
            "failed",
            "ended by a signal before its recording did; what it had reduced until then is kept",
        )
    }
    assert (running.out / "snapshot.json").exists()
    assert packets_of(running.out) == sum(node.packets.captured or 0 for node in nodes) > 0


def test_first_interrupt_keeps_all(lab: Lab, start_api: StartApi, tmp_path: Path) -> None:
    """Ctrl-C stops the recording, and everything is reduced and pulled."""
    api = reducing_api(lab, start_api, tmp_path, "busybox")
    running = Reduction(api, tmp_path)
    running.until(running.has_tables)

    running.process.send_signal(signal.SIGINT)
    code, said = running.end()

    assert code == 0, said
    assert_clean(api)
    assert_nothing_runs(lab)
    assert_whole(running.out)
    nodes = read_manifest(running.out).nodes
    assert [node.status for node in nodes] == ["captured"] * 2
    assert packets_of(running.out) == sum(node.packets.captured or 0 for node in nodes)


def test_second_interrupt_abandons(lab: Lab, start_api: StartApi, tmp_path: Path) -> None:
    """Ctrl-C twice was said to abandon it: nothing is left, there or here."""
    api = reducing_api(lab, start_api, tmp_path, "debian")
    running = Reduction(api, tmp_path)
    running.until(running.has_tables)

    running.process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    running.process.send_signal(signal.SIGINT)
    code, said = running.end()

    assert (code, "abandoned: nothing was kept" in said) == (130, True), said
    assert not running.out.exists()
    assert_clean(api)
    assert_nothing_runs(lab)


@pytest.mark.parametrize("seed", range(RUNS // AT_ONCE))
def test_signals_at_random_moments(
    lab: Lab, start_api: StartApi, tmp_path: Path, seed: int
) -> None:
    """Whatever it is doing, it ends properly, leaves nothing, and what is here is whole."""
    dice = random.Random(seed)
    api = reducing_api(lab, start_api, tmp_path, "debian")

    def run(number: int) -> tuple[Path, list[tuple[float, signal.Signals]], int, str]:
        running = Reduction(api, tmp_path / f"{number}", "3s")
        began = time.monotonic()
        for moment, sent in plans[number]:
            time.sleep(max(0.0, moment - (time.monotonic() - began)))
            if running.process.poll() is None:
                running.process.send_signal(sent)
        return running.out, plans[number], *running.end()

    plans = [
        sorted(
            (dice.uniform(1.0, LASTS_S), dice.choice(SIGNALS)) for _ in range(dice.choice([1, 2]))
        )
        for _ in range(AT_ONCE)
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(run, range(AT_ONCE)))
    for out, plan, code, said in ends:
        killed = code in {-number for number in SIGNALS}
        assert killed or code in {0, 4, 5, 130}, (plan, code, said)
        assert "Traceback" not in said, said
        assert list(out.rglob("*.part")) == []
        if (out / "manifest.json").exists():
            assert_whole(out)
        else:
            assert not list(out.glob("pcap/*")), (plan, code, said)
    assert_clean(api)
    assert_nothing_runs(lab)

"""Signals at every phase of a capture, sent to a real process: nothing is ever left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otterize_pcap.node_status import NodeStatus
from tests.cluster.capture_process import HERE, CaptureProcess, hear_interrupts
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import (
    StartApi,
    assert_clean,
    capture_pods,
    kubeconfig,
    nodes_of,
    read_manifest,
)
from tests.cluster.fake_kubelet import ScriptedRuntime

Start = Callable[..., CaptureProcess]


@pytest.fixture
def command(start_api: StartApi, scripted: ScriptedRuntime, tmp_path: Path) -> Iterator[Start]:
    """Start a capture whose recordings last until someone ends them."""
    started: list[CaptureProcess] = []
    scripted.done.clear()
    api = start_api(scripted)

    def start(prepare: Callable[[FakeApi], object] = lambda _: None) -> CaptureProcess:
        prepare(api)
        started.append(CaptureProcess(api, tmp_path, "--duration", "60s"))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.communicate()


def slow(api: FakeApi, method: str, word: str) -> threading.Event:
    """Make requests wait; the event is set when the first has come."""
    reached = threading.Event()

    def wait(asked: str, path: str) -> None:
        if asked == method and word in path:
            reached.set()
            time.sleep(0.4)

    api.faults.before = wait
    return reached


def test_first_interrupt_keeps_what_there_is(command: Start) -> None:
    """Ctrl-C while recording stops the nodes, pulls what they have and exits 0."""
    running = command()
    running.until(lambda: len(capture_pods(running.api)) == 2)
    time.sleep(0.3)

    running.process.send_signal(signal.SIGINT)
    code, output = running.end()

    assert code == 0, output
    assert [node.status for node in nodes_of(running.out).values()] == ["captured"] * 2
    assert "what was recorded is kept" in output
    assert_clean(running.api)


def test_second_interrupt_abandons(command: Start) -> None:
    """A second Ctrl-C keeps nothing, deletes everything and exits 130."""
    running = command(lambda api: api.faults.refusals.append(("GET", "/exec", 503, "busy")))
    running.until(lambda: len(capture_pods(running.api)) == 2)
    time.sleep(0.3)

    running.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    running.process.send_signal(signal.SIGINT)
    code, output = running.end()

    assert code == 130, output
    assert not running.out.exists()
    assert_clean(running.api)


def test_interrupt_during_preflight(command: Start) -> None:
    """Ctrl-C before anything was created creates nothing."""
    reached: list[threading.Event] = []
    running = command(lambda api: reached.append(slow(api, "POST", "selfsubjectaccessreviews")))
    running.until(reached[0].is_set)

    running.process.send_signal(signal.SIGINT)
    code, output = running.end()

    assert code != 0, output
    assert "Traceback" not in output
    assert "create" not in {call.verb for call in running.api.calls if call.resource == "jobs"}
    assert_clean(running.api)


@pytest.mark.parametrize("presses", [1, 2], ids=["once", "twice"])
def test_interrupt_while_jobs_are_created(command: Start, presses: int) -> None:
    """Ctrl-C while Jobs are being created deletes those that came about."""
    reached: list[threading.Event] = []
    running = command(lambda api: reached.append(slow(api, "POST", "/jobs")))
    running.until(reached[0].is_set)

    for _ in range(presses):
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    code, output = running.end()

    assert code == (4 if presses == 1 else 130), output
    assert_clean(running.api)


def test_interrupt_while_pending(command: Start) -> None:
    """Ctrl-C while nothing has started yet: there is nothing to keep, and nothing is left."""
    running = command(lambda api: api.kubelet.unschedulable.update({"node1", "node2"}))
    running.until(lambda: len(running.api.listed("jobs")) == 2)

    running.process.send_signal(signal.SIGINT)
    code, output = running.end()

    assert code == 4, output
    assert "stopped before it began" in output
    assert_clean(running.api)


def test_interrupt_while_one_is_pending(command: Start, scripted: ScriptedRuntime) -> None:
    """Ctrl-C while one node records and one waits: the first is kept, the second is missing."""
    scripted.files = {"calls.pcap": b"x"}
    running = command(lambda api: api.kubelet.unschedulable.add("node1"))
    running.until(lambda: len(running.api.listed("jobs")) == 2 and running.api.kubelet.containers)
    scripted.done.set()
    running.until(lambda: list(running.out.glob("pcap/node2*")))

    running.process.send_signal(signal.SIGINT)
    code, output = running.end()

    assert code == 5, output
    assert "is not complete (node1)" in output
    statuses = {node.name: node.status for node in read_manifest(running.out).nodes}
    assert statuses == {"node1": NodeStatus.FAILED, "node2": NodeStatus.CAPTURED}
    assert_clean(running.api)


def test_interrupts_while_pulling(command: Start, scripted: ScriptedRuntime) -> None:
    """Two Ctrl-C in the middle of a pull leave neither part files nor Jobs."""
    scripted.files = {"calls.pcap": b"x" * 5_000_000}
    reached: list[threading.Event] = []

    def prepare(api: FakeApi) -> None:
        reached.append(slow(api, "GET", "/exec"))
        api.faults.exec_cuts = [60_000] * 200

    running = command(prepare)
    running.until(lambda: len(capture_pods(running.api)) == 2)
    scripted.done.set()
    running.until(lambda: list(running.out.rglob("*.part")))

    running.process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    running.process.send_signal(signal.SIGINT)
    code, output = running.end()

    assert code == 130, output
    assert not running.out.exists()
    assert_clean(running.api)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_termination_cleans_up(command: Start, number: int) -> None:
    """SIGTERM and SIGHUP abandon at once, and still delete everything."""
    running = command()
    running.until(lambda: len(capture_pods(running.api)) == 2)

    running.process.send_signal(number)
    code, output = running.end()

    assert code == 130, output
    assert_clean(running.api)


def test_interrupts_during_cleanup_change_nothing(
    command: Start, scripted: ScriptedRuntime
) -> None:
    """Ctrl-C during the clean-up does not stop it."""
    reached: list[threading.Event] = []
    running = command(lambda api: reached.append(slow(api, "DELETE", "/jobs")))
    scripted.done.set()
    running.until(reached[0].is_set)

    running.process.send_signal(signal.SIGINT)
    code, output = running.end()

    assert code == 0, output
    assert_clean(running.api)


def test_killed_client_is_cleaned_up_later(command: Start, tmp_path: Path) -> None:
    """What a SIGKILL leaves, `otterize capture cleanup` removes by label."""
    running = command()
    running.until(lambda: len(capture_pods(running.api)) == 2)
    running.process.kill()
    running.end()
    assert len(running.api.listed("jobs")) == 2

    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    cleaned = subprocess.run(
        [sys.executable, HERE / "tiny_main.py", "capture", "cleanup", "--yes",
         "--kubeconfig", kubeconfig(running.api, tmp_path)],
        capture_output=True, text=True, env=environment, check=True,
    )  # fmt: skip

    assert "Deleted 2 capture Jobs and their pods." in cleaned.stderr
    assert_clean(running.api)


# --- before there is anything to keep -------------------------------------------------------------


UP_ONCE_GUARDED = """
import os, signal
from otterize_pcap.cli import main
handle = signal.signal
def told(number, handler):
    before, signal.signal = handle(number, handler), handle
    os.write(2, b"up")
    return before
signal.signal = told
main()
"""
"""Says when the command has its first handler: how long that takes depends on the load."""


@pytest.mark.parametrize("delay", [0, 0.05, 0.1, 0.2, 0.35, 0.6, 0.9])
def test_interrupt_in_the_first_second(tmp_path: Path, start_api: StartApi, delay: float) -> None:
    """Ctrl-C while the program starts, imports or asks is 130: no traceback, nothing is made."""
    runtime = ScriptedRuntime(tmp_path)
    api = start_api(runtime)
    api.faults.failing["POST", "selfsubjectaccessreviews"] = "hang"
    words = ["capture", "-o", str(tmp_path / "out"), "--kubeconfig", str(kubeconfig(api, tmp_path))]
    hear_interrupts()
    process = subprocess.Popen(
        [sys.executable, "-c", UP_ONCE_GUARDED, *words, "--request-timeout", "10m"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
    )
    assert process.stderr is not None
    # The interpreter's own start, and the modules that a handler needs, nobody can guard.
    assert process.stderr.read(2) == b"up"
    time.sleep(delay)

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert (process.returncode, said) == (130, b"")
    assert api.listed("jobs") == []
    assert not (tmp_path / "out").exists()

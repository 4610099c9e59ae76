"""Signals at random moments: whatever a capture is doing, it ends properly and leaves nothing."""

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from otterize_pcap.node_status import NodeStatus
from tests.cluster.capture_process import CaptureProcess
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import StartApi, assert_clean, read_manifest
from tests.cluster.fake_kubelet import ScriptedRuntime

#: 100 with `make soak`; each is a whole capture, of which several run at a time.
RUNS = 100 if "OTTERIZE_SOAK" in os.environ else 16
AT_ONCE = 4
SIGNALS = [signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
LASTS_S = 4.0
NEVER_BEGAN = ("stopped before it began", "stopped before its Job was created")


class Victim(CaptureProcess):
    """A capture, and the signals that it is to get at which times."""

    def __init__(self, api: FakeApi, place: Path, dice: random.Random) -> None:
        super().__init__(api, place, "--duration", "1s")
        count = dice.choice([1, 1, 2, 3])
        self.plan = sorted((dice.uniform(0, LASTS_S), dice.choice(SIGNALS)) for _ in range(count))

    def run(self) -> tuple[int, str]:
        """Send the signals, each at its time; returns exit code and output."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()  # from here on signals are heard
        began = time.monotonic()
        for moment, number in self.plan:
            time.sleep(max(0.0, moment - (time.monotonic() - began)))
            if self.process.poll() is None:
                self.process.send_signal(number)
        code, rest = self.end()
        return code, line + rest


@pytest.mark.parametrize("seed", range(RUNS // AT_ONCE))
def test_signals_at_random_moments(start_api: StartApi, tmp_path: Path, seed: int) -> None:
    """No traceback, no Job, no pod, no half file; what is kept has a manifest.

    Exit 0, 4 or 130, and 5 where one node was done before the signal and the other had not begun.
    """
    dice = random.Random(seed)
    (tmp_path / "pods").mkdir()
    runtime = ScriptedRuntime(tmp_path / "pods", files={"calls.pcap": b"x" * 300_000})
    runtime.done.set()
    api = start_api(runtime)
    # So that every phase is met: requests take a moment, as they do on real clusters.
    api.faults.before = lambda _method, _path: time.sleep(0.01)
    api.faults.exec_cuts = [100_000] * 100
    victims = [Victim(api, tmp_path / f"{number}", dice) for number in range(AT_ONCE)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(Victim.run, victims))
    for victim, (code, said) in zip(victims, ends, strict=True):
        # Ended by the signal itself: before it begins to ask the cluster, or after all is done.
        killed = code in {-number for number in SIGNALS}
        assert killed or code in {0, 4, 5, 130}, (victim.plan, code, said)
        assert "Traceback" not in said, said
        if code == 5:
            nodes = read_manifest(victim.out).nodes
            assert {node.status for node in nodes} == {NodeStatus.CAPTURED, NodeStatus.FAILED}
            reasons = [node.reason for node in nodes if node.status is NodeStatus.FAILED]
            assert all(reason and reason.startswith(NEVER_BEGAN) for reason in reasons), reasons
        elif code == 0 or (killed and victim.out.exists()):
            assert read_manifest(victim.out).nodes
        else:
            # Abandoned: nothing. Stopped before it began: why, in the manifest.
            left = {path.name for path in victim.out.glob("*")}
            assert left in (set(), {"manifest.json", "snapshot.json", "pcap"}), (code, left, said)
            assert list(victim.out.glob("pcap/*")) == []
        assert list(victim.out.rglob("*.part")) == []
    assert_clean(api)

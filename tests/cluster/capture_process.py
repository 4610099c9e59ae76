"""`otterize capture` as a process of its own, against a fake cluster: signals need one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.awaiting import PATIENCE_S
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import kubeconfig, wait_while_running

HERE = Path(__file__).parent


def hear_interrupts() -> None:
    """Shells start what runs in the background deaf to Ctrl-C, and its children too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class CaptureProcess:
    """A capture into `place`/out that has begun."""

    def __init__(self, api: FakeApi, place: Path, *words: str) -> None:
        place.mkdir(exist_ok=True)
        self.api = api
        self.out = place / "out"
        line: list[str | Path] = ["--kubeconfig", kubeconfig(api, place), "-o", self.out, *words]
        hear_interrupts()
        self.process = subprocess.Popen(
            [sys.executable, HERE / "tiny_main.py", "capture", *line],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
        )

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a phase."""
        wait_while_running(self.process, condition)

    def end(self) -> tuple[int, str]:
        """Exit code and output."""
        try:
            output, _ = self.process.communicate(timeout=PATIENCE_S)
        finally:
            self.process.kill()
        return self.process.returncode, output

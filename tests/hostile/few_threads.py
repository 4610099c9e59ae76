"""As few threads as there may be: within this process, and in one that the system holds to it."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Thread

import pytest

from otterize_pcap import threads
from tests.conftest import ROOT

_users = count(64_300)
"""Nobody else's processes count, nor those of another test."""
MAY_READ = "-all,+dac_read_search,+dac_override"


@dataclass
class Bound:
    """The threads that were begun, and the names of those that were refused."""

    begun: list[Thread] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def alive(self) -> int:
        """How many there are at this moment."""
        return sum(thread.is_alive() for thread in self.begun)


def bound_threads(monkeypatch: pytest.MonkeyPatch, allowed: Callable[[Bound, str], bool]) -> Bound:
    """Refuse the package those threads that are not allowed, as the system does."""
    bound = Bound()

    class Bounded(Thread):
        def start(self) -> None:
            if not allowed(bound, self.name):
                bound.refused.append(self.name)
                raise RuntimeError(errno.EAGAIN)
            bound.begun.append(self)
            super().start()

    monkeypatch.setattr(threads, "Thread", Bounded)
    return bound


def run_within(processes: int, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command where the system allows so many threads; skips, and says so, where it cannot.

    Root is never bounded, and another user may not be able to read what the tests run.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("util-linux, whose setpriv makes another user of root, is not installed")
    user = str(next(_users))
    caps = ("--inh-caps", MAY_READ, "--ambient-caps", MAY_READ)
    limit = f'ulimit -u {processes} && exec "$@"'
    command = [setpriv, "--reuid", user, "--clear-groups", *caps, "/bin/bash", "-c", limit, "bash"]
    probe = subprocess.run([*command, "/bin/true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("this user may not become another one")
    return subprocess.run(
        [*command, sys.executable, "-m", "otterize_pcap", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )

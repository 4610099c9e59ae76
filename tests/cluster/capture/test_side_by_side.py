"""Nodes are begun, pulled and cleaned up side by side: each waits for the other to be at it too.

No clock decides: a request of one node is answered once the other node's is there, and one step
after another would wait in vain.
"""

import re
import threading
from pathlib import Path

import pytest

from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, assert_clean, nodes_of

PATIENCE_S = 30


class Meetings:
    """Holds requests back until those that shall be under way meanwhile are there."""

    def __init__(self) -> None:
        self.missed: list[str] = []
        self._begun, self._pulled = threading.Barrier(2), threading.Barrier(2)
        self._deleted = threading.Event()
        self._pods: list[str] = []
        self._lock = threading.Lock()

    def before(self, method: str, path: str) -> None:
        """Called before each request is served, by a thread of its own."""
        if method == "POST" and path.endswith("/jobs"):
            self._meet("create", self._begun)
        elif method == "DELETE" and "/jobs/" in path:
            self._deleted.set()
        elif found := re.search(r"/pods/([^/]+)/exec", path):
            with self._lock:
                is_first = found[1] not in self._pods
                self._pods += [found[1]] if is_first else []
                is_second = found[1] != self._pods[0]
            if is_first:
                self._meet("pull", self._pulled)
            elif is_second and not self._deleted.wait(PATIENCE_S):
                self.missed.append("clean-up of one node beside the pull of another")

    def _meet(self, step: str, barrier: threading.Barrier) -> None:
        try:
            barrier.wait(PATIENCE_S)
        except threading.BrokenBarrierError:
            self.missed.append(step)


def test_nodes_begin_are_pulled_and_cleaned_up_side_by_side(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two Jobs are created at once, two nodes pulled at once, and one removed during the other."""
    meetings = Meetings()
    monkeypatch.setattr(api.faults, "before", meetings.before)

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    assert meetings.missed == []
    assert [node.status for node in nodes_of(tmp_path / "out").values()] == ["captured"] * 2
    assert_clean(api)

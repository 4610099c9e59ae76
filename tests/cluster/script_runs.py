"""Runs of the script in scripts/capture-job.yaml as a process of its own."""

from pathlib import Path
from typing import Any

from otterize_pcap.cluster.capture.job import JobPlan
from otterize_pcap.cluster.capture.node_state import NodeState, parse_state
from tests.awaiting import until
from tests.cluster.fake_kubelet import ProcessRuntime

FAKE = Path(__file__).with_name("fake_tcpdump.sh")


def plan(**changes: object) -> JobPlan:
    """A plan for tests, with changes."""
    values: dict[str, Any] = {
        "capture_id": "abcd1234",
        "namespace": "default",
        "seconds": 2,
        "profile": "calls",
        "snaplen": 256,
        "max_bytes": 1 << 20,
        "filter": "",
        "interface": "any",
        "image": None,
        "image_pull_secrets": (),
        "pending_seconds": 60,
        "hold_seconds": 1,
    }
    return JobPlan(**{**values, **changes})


class Started:
    """A running script."""

    def __init__(self, runtime: ProcessRuntime, pod: dict[str, Any]) -> None:
        self.directory = runtime.directory / pod["metadata"]["name"]
        self.container = runtime.start(pod)

    def until_ready(self) -> NodeState:
        """Wait for the state file and read it."""
        until((self.directory / "state").exists, self.container.log)
        return parse_state((self.directory / "state").read_text(), "pod")

    def until_logged(self, word: str) -> None:
        """Wait for a word in the log."""
        until(lambda: word in self.container.log(), self.container.log)

"""`two-nodes` with clocks 15 seconds apart and no manifest: nothing changes, so nothing is unsure.

All pods are an hour old and keep their addresses. Which clock is right makes no difference to whose
an address was, and every call is known.
"""

from pathlib import Path

from cluster import Lab
from recorder import move_in_time

from scenarios import two_nodes

_AHEAD = 15_000_000_000


def record(lab: Lab) -> None:
    """Record as in two-nodes, with older pods."""
    lab.aged_before_recording = 3600
    lab.truth.views = [*["no-conntrack", "uplink", "uplink+no-conntrack"], "no-watch"]
    two_nodes.record(lab)
    lab.truth.more = {"manifest": False}


def finish(directory: Path) -> None:
    """Set node-b's clock ahead, and leave out what says when each node recorded."""
    move_in_time(directory, "node-b", _AHEAD)
    (directory / "manifest.json").unlink()

"""`two-nodes` with node-b's clock 3.7 seconds ahead.

The same cluster and the same calls; after the recording the time of every packet in node-b's
captures was moved by +3.7 s (`scripts/lab/shift.py`), and so were the manifest's times of node-b.
The snapshot's times are untouched: they are the API server's, not the node's.
"""

from pathlib import Path

from cluster import Lab
from recorder import move_in_time

from scenarios import two_nodes

SKEW_NANOSECONDS = 3_700_000_000


def record(lab: Lab) -> None:
    """Record as in two-nodes."""
    two_nodes.record(lab)


def finish(directory: Path) -> None:
    """Move node-b's packets in time, and when it says it recorded them."""
    move_in_time(directory, "node-b", SKEW_NANOSECONDS)

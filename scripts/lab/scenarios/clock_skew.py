"""`two-nodes` with node-b's clock 3.7 seconds ahead.

The same cluster and the same calls; after the recording the time of every packet in node-b's
captures was moved by +3.7 s (`scripts/lab/shift.py`), and so were the manifest's times of node-b.
The snapshot's times are untouched: they are the API server's, not the node's.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path

from cluster import Lab
from recorder import refresh_manifest, write_json
from shift import shift

from scenarios import two_nodes

SKEW_NANOSECONDS = 3_700_000_000


def record(lab: Lab) -> None:
    """Record as in two-nodes."""
    two_nodes.record(lab)


def finish(directory: Path) -> None:
    """Move node-b's packets in time, and when it says it recorded them."""
    for folder in ("pcap", "pcap-uplink"):
        path = directory / folder / "node-b.pcap"
        path.write_bytes(shift(path.read_bytes(), SKEW_NANOSECONDS))
    refresh_manifest(directory)
    manifest_path = directory / "manifest.json"
    manifest = json.loads(manifest_path.read_text())
    (node,) = (node for node in manifest["nodes"] if node["name"] == "node-b")
    for end in ("start", "end"):
        moved = datetime.fromisoformat(node[end]) + timedelta(microseconds=SKEW_NANOSECONDS // 1000)
        node[end] = moved.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    write_json(manifest_path, manifest)

"""A capture with another cluster's snapshot; both give their pods 10.244.0.0/16.

The packets are of a cluster with nodes east-1 and east-2; the snapshot is of one with node-a and
node-b at other addresses. There is a manifest, of the packets' cluster. Pod addresses agree by
accident, as they do between clusters that were set up in the same way: every edge found by them
would be false. The two do not belong together, an error.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from cluster import Lab
from objects import Port

from scenarios.two_clusters import OTHER_NODES, record_other

_PORT = 8200


def record(lab: Lab) -> None:
    """Record the second cluster's packets, keep the first one's snapshot."""
    server = lab.deployment("ledger", "app", on=("node-b",), ports=(Port(_PORT),))
    client = lab.deployment("web", "app")
    lab.deployment("agent", "app", on=("node-b",))
    lab.age(3600)
    snapshot = lab.kubectl()
    lab.start_recording()
    lab.stop_recording(snapshot=snapshot)
    with TemporaryDirectory() as directory:
        other = record_other(Path(directory), OTHER_NODES, lab.plan.variant)
        for folder in ("pcap", "pcap-uplink", "node"):
            shutil.rmtree(lab.directory / folder)
            shutil.copytree(other / folder, lab.directory / folder)
        shutil.copy(other / "manifest.json", lab.directory / "manifest.json")
    lab.truth.no_edge(client, server, _PORT, "S13: the snapshot is another cluster's")
    lab.truth.more = {"refused": "S13: no node of the capture is in the snapshot"}

"""The recordings of two clusters in one directory, with the snapshot of one of them.

`two-nodes` was recorded, and then the same kind of network with other nodes, east-1 and east-2 at
192.168.78.11 and .12, other workloads, and the same pod addresses: 10.244.0.0/16 is what flannel
uses unless told otherwise. Both clusters' files lie in pcap/; the snapshot and the manifest are of
the first, and so is conntrack. east-1's `intruder` calls its own `vault` on a port of its own.

Node addresses and nodes of the captures that the snapshot does not know, and one pod address on two
nodes at once: the two do not belong together, an error. The edges are those of the cluster that the
snapshot is of; nothing of the other one may be among them, also when forced.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from cluster import Lab
from nodes import Options
from objects import Port

from scenarios import two_nodes

OTHER_NODES = ("east-1", "east-2")
_PORT = 8200


def record(lab: Lab) -> None:
    """Record one cluster, then another, and put their packets together."""
    lab.aged_before_recording = 3600
    two_nodes.record(lab)
    add_other_cluster(lab, OTHER_NODES)
    lab.truth.more = {"refused": "S13: two clusters; east-1 and east-2 are not in the snapshot"}


def add_other_cluster(lab: Lab, nodes: tuple[str, ...]) -> None:
    """Record a second cluster with these nodes, and add its packets as `<node>.pcap`."""
    with TemporaryDirectory() as directory:
        other = record_other(Path(directory), nodes, lab.plan.variant)
        for folder in ("pcap", "pcap-uplink"):
            for path in (other / folder).iterdir():
                shutil.copy(path, lab.directory / folder / path.name)


def record_other(directory: Path, nodes: tuple[str, ...], variant: int) -> Path:
    """The second cluster, recorded into `directory`: other nodes, the same pod addresses."""
    options = Options(nodes=nodes, underlay="192.168.78")
    other = Lab("two-clusters-other", directory, variant, options)
    try:
        other.build()
        vault = other.deployment("vault", "ops", on=(nodes[1],), ports=(Port(_PORT),))
        intruder = other.deployment("intruder", "ops", on=(nodes[0],))
        keeper = other.deployment("keeper", "ops", on=(nodes[1],))
        other.age(3600)
        other.start_recording()
        intruder.host.call(vault.pod, _PORT)
        keeper.host.call(vault.pod, _PORT)
        other.stop_recording()
    finally:
        other.close()
    return directory

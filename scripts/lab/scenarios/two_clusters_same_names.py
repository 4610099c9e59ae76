"""`two-clusters` where both clusters call their nodes node-a and node-b.

The second cluster's files are node-c.pcap and node-d.pcap, as somebody may name them who has to.
Their packets say node addresses that the snapshot does not know, and pod addresses that node-a and
node-b have at the same time: two clusters, an error.
"""

from cluster import Lab

from scenarios import two_clusters, two_nodes


def record(lab: Lab) -> None:
    """Record one cluster, then another, and put their packets together."""
    lab.aged_before_recording = 3600
    two_nodes.record(lab)
    two_clusters.add_other_cluster(lab, ("node-c", "node-d"))
    lab.truth.more = {"refused": "S13: two clusters; one pod address on two nodes at once"}

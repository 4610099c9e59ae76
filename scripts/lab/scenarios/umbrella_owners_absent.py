"""`umbrella-owners` with a plain `kubectl` snapshot: no custom resource is in it.

The pods of Kafka go by the names of their StrimziPodSets, which their owner references say, and
nothing merges them. The CephCluster is named by the Deployments, which the snapshot has, and merges
them as before. With `--owner nearest` the answer is the same as with the resources.
"""

from cluster import Lab

from scenarios import umbrella_owners


def record(lab: Lab) -> None:
    """Record as in umbrella-owners."""
    umbrella_owners.call_under_umbrellas(lab, known=False)

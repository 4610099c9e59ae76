"""`handover-proxy-arp` with one MAC address for all pods: only the interface tells.

Some CNI plugins give every pod the same MAC address. The frames of both owners look alike; the
interface on which the node received them, which LINUX_SLL2 records, changes all the same.
"""

from cluster import Lab
from nodes import Options
from topology import Links

from scenarios import handover

OPTIONS = Options(links=Links(to_point=True, pod_mac="0a:58:a9:fe:01:01"))


def record(lab: Lab) -> None:
    """Record as in handover."""
    handover.record(lab)

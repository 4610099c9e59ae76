"""`handover` recorded as Linux cooked v1, which names no interface: the MAC addresses alone tell.

The same calls, by a tcpdump before 4.99 or with `-y LINUX_SLL`: each frame has its sender's MAC
address and whether it came in. On the bridge each pod has a MAC address of its own.
"""

from cluster import Lab
from nodes import Options

from scenarios import handover

OPTIONS = Options(link_type="LINUX_SLL")


def record(lab: Lab) -> None:
    """Record as in handover."""
    handover.record(lab)

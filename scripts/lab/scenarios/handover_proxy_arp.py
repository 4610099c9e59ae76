"""`handover` without a bridge: each pod on a veth of its own, with proxy ARP, as with Calico.

The same calls. The node's ends of all veths have one MAC address, ee:ee:ee:ee:ee:ee, the pods' ends
have their own: source MAC and interface both change when the address changes hands.
"""

from cluster import Lab
from nodes import Options
from topology import Links

from scenarios import handover

OPTIONS = Options(links=Links(to_point=True))


def record(lab: Lab) -> None:
    """Record as in handover."""
    handover.record(lab)

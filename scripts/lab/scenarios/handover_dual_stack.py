"""`handover` with two addresses of each pod, and the calls over IPv6.

Both addresses change hands at once; the interface and the MAC address are those of both.
"""

from cluster import Lab
from nodes import Options

from scenarios import handover

OPTIONS = Options(ipv6=True)


def record(lab: Lab) -> None:
    """Record as in handover, over IPv6."""
    lab.look_from_all_sides()
    handover.hand_over(lab, {}, family=1)

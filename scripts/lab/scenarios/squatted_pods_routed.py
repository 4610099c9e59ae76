"""`squatted-pods` without a tunnel: the nodes route to each other's pods over eth0.

On all interfaces the same is known: the two unknown pods answer from an interface of a pod. On the
uplink alone `gone-far` looks like somebody outside: nothing there tells a pod's public address from
another one, and without podCIDR no range does. `--internet` would show it; the summary of such a
capture says that only uplinks were recorded.
"""

from cluster import Lab
from nodes import Options
from topology import Links

from scenarios import squatted_pods

_UPLINK = "external: nothing on the uplink says that the address is a pod's"
OPTIONS = Options(
    pods4="25.10",
    pod_cidrs=False,
    outside_addresses=("25.99.0.7",),
    links=Links(to_point=True, overlay=False),
)


def record(lab: Lab) -> None:
    """Record as in squatted-pods."""
    squatted_pods.call(lab, _UPLINK)

"""`handover-one-mac` recorded as Linux cooked v1: one MAC address for all pods, and no interfaces.

The same calls. Nothing in the recording changes when the address does, so each of them is ambiguous
between the two that had it, and none is shown. `steady` keeps its address and calls `audit`.
"""

from cluster import Lab
from nodes import Options
from objects import Port
from topology import Links

from scenarios import handover

OPTIONS = Options(links=Links(to_point=True, pod_mac="0a:58:a9:fe:01:01"), link_type="LINUX_SLL")
_UNTOLD = "ambiguous: all pods have one MAC address, and Linux cooked v1 names no interface"


def record(lab: Lab) -> None:
    """Record as in handover, with a pod beside that keeps its address."""
    lab.truth.views = ["no-conntrack", "only-node-a", "only-node-b"]
    port = lab.plan.port(7000)
    shelf = lab.deployment("shelf", "app", on=("node-b",), ports=(Port(port),))
    steady = lab.deployment("steady", "app")

    def call() -> None:
        steady.host.call(shelf.pod, port)

    handover.hand_over(lab, {"recorded": _UNTOLD}, before=call)
    lab.truth.edge(steady, shelf, port, uplink="yes", connections=1)
    lab.truth.more = {"summary": "no interface of a pod's own was recorded"}

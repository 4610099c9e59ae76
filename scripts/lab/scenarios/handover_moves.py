"""An address moves to another node within a second: it begins to send from there.

Nodes route to each other's pods without a tunnel, and any node may have any pod address, as with
Calico's address blocks that are lent out. On node-a a pod of `old` calls `audit` and is called by
`probe`; it is deleted, and a pod of `new` on node-b gets the address and does the same, with other
ports. `audit` and `probe` run on both nodes, so that each owner talks within its node and across.

The uplink tells as well where a call crosses it: the node's own MAC address is the source, and the
recording of which node it left.
"""

import time

from cluster import Lab
from nodes import Options
from objects import Port
from topology import Links
from truth import crossing, within
from workloads import Group

from scenarios.handover import GONE, Ports, listening, ports

OPTIONS = Options(links=Links(to_point=True, overlay=False), pod_cidrs=False)
_QUIET, _AT_ONCE = 4.0, 0.3


def record(lab: Lab) -> None:
    """Hand an address from one node to the other."""
    lab.look_from_all_sides()
    first, second = ports(lab)
    nodes = {"a": "node-a", "b": "node-b"}
    audit = {
        side: lab.deployment(f"audit-{side}", "app", on=(node,), ports=listening(lab))
        for side, node in nodes.items()
    }
    probe = {
        side: lab.deployment(f"probe-{side}", "app", on=(node,)) for side, node in nodes.items()
    }
    old = lab.deployment("old", "app", ports=(Port(first.own),))

    def exchange(owner: Group, home: str, use: Ports, gone: dict[str, str]) -> None:
        for side in nodes:
            owner.host.call(audit[side].pod, use.audit)
            probe[side].host.call(owner.pod, use.own)
            crosses = crossing(side, home)
            unknown = gone | (within(nodes[home]) if side == home else {})
            lab.truth.edge(owner, audit[side], use.audit, uplink=crosses, unknown=unknown)
            lab.truth.edge(probe[side], owner, use.own, uplink=crosses, unknown=unknown)

    lab.age(3600)
    lab.start_recording()
    time.sleep(_QUIET)
    exchange(old, "a", first, {"no-watch": GONE})
    time.sleep(_AT_ONCE)
    lab.delete_pod(old.pod)
    new = lab.deployment(
        "new", "app", on=("node-b",), ports=(Port(second.own),), address_of=old.pod
    )
    time.sleep(_AT_ONCE)
    exchange(new, "b", second, {})
    time.sleep(_QUIET)
    lab.stop_recording()

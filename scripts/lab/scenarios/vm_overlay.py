"""Virtual machines in pods with a VXLAN of their own between them, made by their kernels.

`vm-a` and `vm-c` on node-a, `vm-b` on node-b, with addresses 172.31.9.0/24 inside. `vm-a` makes a
TCP call to either of the others inside that overlay. Outside, these are datagrams from pod to pod
on UDP 4789, with source ports that the kernel makes from what is inside: in both directions the
destination is 4789, so question and answer are no 5-tuple together. `vm-a` sent first: it called
the two others; that they sent to its port 4789 as well is the answer.

The inner addresses are nobody's in the cluster, and the tunnel's ends are pods: it stays closed.
"""

from cluster import Lab
from objects import Port
from truth import Workload, within
from workloads import Group

_VXLAN, _INSIDE = 4789, "172.31.9"


def record(lab: Lab) -> None:
    """Build an overlay between pods and call inside it."""
    lab.look_from_all_sides()
    port = lab.plan.port(9000)
    on = {"vm-a": "node-a", "vm-b": "node-b", "vm-c": "node-a"}
    machine = {
        name: lab.deployment(
            name, "kubevirt", on=(node,), ports=(Port(_VXLAN, "UDP"),), serve=False
        )
        for name, node in on.items()
    }
    for number, group in enumerate(machine.values(), 1):
        overlay(group, number, list(machine.values()))
        group.host.serve(port, address=f"{_INSIDE}.{number}")

    lab.age(3600)
    lab.start_recording()
    machine["vm-a"].host.call(f"{_INSIDE}.2", port)
    machine["vm-a"].host.call(f"{_INSIDE}.3", port)
    lab.stop_recording()

    edge, no_edge = lab.truth.edge, lab.truth.no_edge
    for name, crosses, number in (("vm-b", "yes", 2), ("vm-c", "no", 3)):
        unseen = within("node-a") if crosses == "no" else {}
        ends = machine["vm-a"], machine[name], _VXLAN
        edge(*ends, protocol="UDP", uplink=crosses, unknown=unseen)
        no_edge(
            machine[name], machine["vm-a"], _VXLAN, "the answers to vm-a's call", protocol="UDP"
        )
        inner = Workload(f"{_INSIDE}.{number}", "", "Unknown")
        no_edge(machine["vm-a"], inner, port, "inside a tunnel that a pod made")


def overlay(group: Group, number: int, everybody: list[Group]) -> None:
    """Give a pod its end of the overlay, with everybody's place in it written down."""
    namespace = group.host.namespace
    namespace.ip(
        f"link add vx0 mtu 1400 address {_mac(number)} type vxlan id 42 dstport {_VXLAN} "
        f"local {group.pod.address} dev eth0 nolearning",
        f"addr add {_INSIDE}.{number}/24 dev vx0",
        "link set vx0 up",
        *(
            f"neigh add {_INSIDE}.{other} lladdr {_mac(other)} dev vx0 nud permanent"
            for other in range(1, len(everybody) + 1)
            if other != number
        ),
    )
    for other, peer in enumerate(everybody, 1):
        if other != number:
            to = ("dev", "vx0", "dst", peer.pod.address)
            namespace.run("bridge", "fdb", "append", _mac(other), *to)


def _mac(number: int) -> str:
    return f"52:54:00:00:09:{number:02x}"

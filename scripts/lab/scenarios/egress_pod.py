"""Egress pods: what leaves the cluster leaves through a pod that relays by NAT.

`egress` on node-b is the way out: it has DNAT to an address outside, 203.0.113.20:443, and
masquerade in its own namespace. `app` on node-a and `local` on node-b call it through its
ClusterIP. Two calls each, with the same sequence numbers: into `egress`, and from `egress` to the
outside. On its way out the node masquerades `egress` too. `direct`, beside them, calls the outside
without the detour.
"""

from cluster import Lab
from nodes import Options
from objects import Port
from services import ServicePort
from truth import crossing, within

_OUTSIDE = "203.0.113.20"
OPTIONS = Options(outside_addresses=(_OUTSIDE,))


def record(lab: Lab) -> None:
    """Leave the cluster by way of a pod, and without."""
    lab.look_from_all_sides()
    in_port = lab.plan.port(3128)
    egress = lab.deployment("egress", "net", on=("node-b",), ports=(Port(in_port),), serve=False)
    service = lab.service("egress", "net", ServicePort(in_port, in_port))
    lab.relay(egress.pod, f"tcp dport {in_port} dnat to {_OUTSIDE}:443")
    clients = {"app": "node-a", "local": "node-b"}
    client = {name: lab.deployment(name, "app", on=(node,)) for name, node in clients.items()}
    direct = lab.deployment("direct", "app")
    lab.outside.serve(443)

    lab.age(3600)
    lab.start_recording()
    for name in clients:
        client[name].host.call(service, in_port)
    direct.host.call(_OUTSIDE, 443)
    lab.stop_recording()

    for name, node in clients.items():
        crosses = crossing(node, "node-b")
        unseen = within(node) if node == "node-b" else {}
        lab.truth.edge(
            client[name],
            egress,
            in_port,
            service=service,
            uplink=crosses,
            unknown=unseen,
            connections=1,
        )
        lab.truth.outside(egress, _OUTSIDE, 443)
        not_edge = lab.truth.no_edge
        not_edge(egress, egress, in_port, "two connections of a relay")
    lab.truth.outside(direct, _OUTSIDE, 443)

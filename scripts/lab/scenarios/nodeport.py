"""NodePorts entered on a node that does not run the backend.

The only backend of `web` runs on node-b. A client outside calls node-a's NodePort: node-a
forwards it, masqueraded, so that node-b sees node-a's flannel.1 address as the source; it stays an
external source. Pod `neighbour` on node-a calls node-b's NodePort: flannel masquerades it on the
way out of node-a, kube-proxy's rules again on node-b, and only the legs of node-a say who called.
Pod `local` calls the NodePort of its own node, node-a, and pod `remote` on node-b that of node-a.
"""

from cluster import Lab
from nodes import outside_workload
from objects import Port
from services import ServicePort

_NODE_PORT = 30080


def record(lab: Lab) -> None:
    """Enter one NodePort from everywhere."""
    port = lab.plan.port(8080)
    web = lab.deployment("web", "app", on=("node-b",), ports=(Port(port),))
    service = lab.service(
        "web", "app", ServicePort(80, port, node_port=_NODE_PORT), service_type="NodePort"
    )
    neighbour, local = lab.deployment("neighbour", "app"), lab.deployment("local", "app")
    remote = lab.deployment("remote", "app", on=("node-b",))
    node_a, node_b = lab.nodes["node-a"], lab.nodes["node-b"]

    lab.start_recording()
    lab.outside.call(node_a, _NODE_PORT)
    neighbour.host.call(node_b, _NODE_PORT)
    local.host.call(node_a, _NODE_PORT)
    remote.host.call(node_a, _NODE_PORT)
    lab.stop_recording()

    for caller in (neighbour, local, remote):
        lab.truth.edge(caller, web, port, service=service, uplink="conntrack")
    lab.truth.no_edge(outside_workload(), web, port, "external-source", service=service)

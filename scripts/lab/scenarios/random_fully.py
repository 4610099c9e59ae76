"""`masquerade fully-random`: source address and source port both change on the way.

As in clusters whose kube-proxy or CNI plugin asks for it. `client` calls `server`'s externalIP,
which masquerades the call; `visitor` calls the NodePort of the other node, which masquerades it
twice. Only the sequence numbers of both sides survive.
"""

from cluster import Lab
from nodes import Options
from objects import Port
from services import ServicePort

OPTIONS = Options(random_fully=True)
_EXTERNAL_IP = "198.51.100.77"
_NODE_PORT = 30080


def record(lab: Lab) -> None:
    """Make two calls whose source is rewritten."""
    port = lab.plan.port(8080)
    server = lab.deployment("server", "app", on=("node-b",), ports=(Port(port),))
    service = lab.service(
        "server",
        "app",
        ServicePort(80, port, node_port=_NODE_PORT),
        service_type="NodePort",
        external_ips=(_EXTERNAL_IP,),
    )
    client, visitor = lab.deployment("client", "app"), lab.deployment("visitor", "app")

    lab.start_recording()
    client.host.call(_EXTERNAL_IP, 80)
    visitor.host.call(lab.nodes["node-b"], _NODE_PORT)
    lab.stop_recording()

    lab.truth.edge(client, server, port, service=service, uplink="conntrack")
    lab.truth.edge(visitor, server, port, service=service, uplink="conntrack")

"""A Service whose ClusterIP is never on the wire, as with socket-level load balancing.

Such a load balancer (Cilium's) rewrites the destination inside connect(), so that the pod's
packets go straight to a backend. `client` and `worker` do here what that leads to: they connect to
the backends' own addresses, although Service `server` exists.
"""

from cluster import Lab
from objects import Port
from services import ServicePort


def record(lab: Lab) -> None:
    """Call both backends at their own addresses."""
    port = lab.plan.port(8080)
    server = lab.deployment("server", "app", on=("node-a", "node-b"), ports=(Port(port),))
    lab.service("server", "app", ServicePort(80, port))
    client, worker = lab.deployment("client", "app"), lab.deployment("worker", "app")

    lab.start_recording()
    client.host.call(server.pods[0], port)
    worker.host.call(server.pods[1], port)
    lab.stop_recording()

    lab.truth.edge(client, server, port, uplink="no")
    lab.truth.edge(worker, server, port, uplink="yes")

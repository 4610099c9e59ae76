"""A terminating TCP proxy between client and backend: two connections that stay two.

`client` calls Service `proxy`; its pod opens a connection of its own to Service `backend` and
relays what comes. The payload is the same on both, the sequence numbers are not.
"""

from cluster import Lab
from objects import Port
from services import ServicePort


def record(lab: Lab) -> None:
    """Call a backend through a proxy."""
    port, backend_port = lab.plan.port(3128), lab.plan.port(8080)
    backend = lab.deployment("backend", "app", on=("node-b",), ports=(Port(backend_port),))
    backend_service = lab.service("backend", "app", ServicePort(backend_port, backend_port))
    proxy = lab.deployment("proxy", "app", ports=(Port(port),), serve=False)
    proxy.host.proxy(port, backend_service, backend_port)
    proxy_service = lab.service("proxy", "app", ServicePort(port, port))
    client = lab.deployment("client", "app")

    lab.start_recording()
    client.host.call(proxy_service, port, request="through the proxy\n")
    lab.stop_recording()

    edge = lab.truth.edge
    edge(client, proxy, port, service=proxy_service, uplink="no")
    edge(proxy, backend, backend_port, service=backend_service, uplink="yes")
    lab.truth.no_edge(client, backend, backend_port, "a terminating proxy is between")

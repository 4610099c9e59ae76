"""The same client address and port used by two real connections, one after the other.

`client` calls `server`'s pod twice from the same source port: one 5-tuple, two connections. `buyer`
does the same to Service `web`, whose two backends are two workloads that take turns: one 5-tuple
before NAT, two servers. The server closes first each time, so that the client may use the port
again at once.
"""

from cluster import Lab
from hosts import Addressed
from objects import Port
from services import ServicePort
from workloads import Group

_SOURCE_PORT = 41234


def record(lab: Lab) -> None:
    """Use each source port twice."""
    port = lab.plan.port(8080)
    labels = {"tier": lab.plan.name("web")}
    server = lab.deployment("server", "app", on=("node-b",), ports=(Port(port),), serve=False)
    one = lab.deployment("web-one", "app", ports=(Port(port),), extra_labels=labels, serve=False)
    two = lab.deployment("web-two", "app", ports=(Port(port),), extra_labels=labels, serve=False)
    for group in (server, one, two):
        group.host.serve(port, reply="name", closes="server")
    web_service = lab.service("web", "app", ServicePort(80, port), selector=labels)
    client, buyer = lab.deployment("client", "app"), lab.deployment("buyer", "app")

    lab.start_recording()
    call_once(client, server.pod, port, reached=server)
    call_once(client, server.pod, port, reached=server)
    call_once(buyer, web_service, 80, reached=one)
    call_once(buyer, web_service, 80, reached=two)
    lab.stop_recording()

    lab.truth.edge(client, server, port, uplink="yes", connections=2)
    for backend in (one, two):
        lab.truth.edge(
            buyer,
            backend,
            port,
            service=web_service,
            uplink="no",
            connections=1,
        )


def call_once(client: Group, target: Addressed, port: int, *, reached: Group) -> None:
    """Call from the fixed source port; the server closes first."""
    client.host.call(
        target, port, source_port=_SOURCE_PORT, server_closes=True, reached=reached.host
    )

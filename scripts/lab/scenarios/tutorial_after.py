"""The tutorial's cluster after its last step: the shop, and client → server beside it.

Everything of `tutorial-before`; in addition, in namespace `tutorial`, client asks server for a
page over HTTP through server's Service (port 80, target port 8080).
"""

from cluster import Lab
from hosts import HTTP_REQUEST
from objects import Port
from services import ServicePort

from scenarios.tutorial_before import build_shop, trade


def record(lab: Lab) -> None:
    """Build the shop and the tutorial's pair, let both work."""
    shop = build_shop(lab)
    http = lab.plan.port(8080)
    server = lab.deployment(
        "server", "tutorial", on=("node-b",), ports=(Port(http, name="http"),), reply="http"
    )
    client = lab.deployment("client", "tutorial", on=("node-a",))
    server_service = lab.service("server", "tutorial", ServicePort(80, http, name="http"))
    lab.start_recording()
    trade(lab, *shop)
    client.host.call(server_service, 80, request=HTTP_REQUEST)
    lab.truth.edge(client, server, http, service=server_service, uplink="yes")
    lab.stop_recording()

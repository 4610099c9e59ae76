"""HTTP requests that travel from the server to the client, down connections older than the capture.

An agent opens a connection to its hub and keeps it; the hub sends requests down it, and the agent
answers (konnectivity, inlets, GitLab's agent). The request's sender is the connection's server.

- `agent` on node-a → `hub` on node-b: declared.
- `one` and `two` on node-a → `relay` on node-b, port 8132, declared nowhere; `fresh` on node-a
  opens one during the capture.
- `first` and `second` on node-a → `gate` on node-b, port 8134, declared nowhere.
- `near` on node-b → `door` on node-b, port 8135, declared nowhere, one connection.
- `browser` on node-a → `site` on node-b, port 8136, declared nowhere: an old connection on which
  the client asks, as usual.
"""

from cluster import Lab
from hosts import HTTP_REQUEST, Connection
from objects import Port
from truth import not_past
from workloads import Group

_ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


def record(lab: Lab) -> None:
    """Open everything, then let the servers ask."""
    lab.look_from_all_sides()
    # A namespace tracks nothing before it has rules.
    lab.program_services()
    port = {
        name: lab.plan.port(8131 + number)
        for number, name in enumerate(("hub", "relay", "", "gate", "door", "site"))
    }
    server = {
        "hub": asking(lab, "hub", port["hub"], declared=True),
        **{name: asking(lab, name, port[name]) for name in ("relay", "gate", "door")},
    }
    site = lab.deployment("site", "app", on=("node-b",))
    site.host.serve(port["site"], reply="http")
    pairs = {
        "agent": "hub",
        "one": "relay",
        "two": "relay",
        "first": "gate",
        "second": "gate",
        "near": "door",
    }
    client = {name: lab.deployment(name, "app") for name in pairs if name != "near"}
    client["near"] = lab.deployment("near", "app", on=("node-b",))
    fresh, browser = lab.deployment("fresh", "app"), lab.deployment("browser", "app")
    tunnels: list[Connection] = [
        client[name].host.open(server[to].pod, port[to]) for name, to in pairs.items()
    ]
    browsing = browser.host.open(site.pod, port["site"])
    browsing.send(HTTP_REQUEST)

    lab.start_recording()
    tunnels.append(fresh.host.open(server["relay"].pod, port["relay"]))
    tunnels[-1].send("hello\n", answered=False)
    for name, group in server.items():
        group.host.push(port[name], HTTP_REQUEST)
    for tunnel in tunnels:
        tunnel.answer(_ANSWER)
    browsing.send(HTTP_REQUEST)
    lab.stop_recording()

    def edge(name: str, to: str, **how: object) -> None:
        lab.truth.edge(client[name], server[to], port[to], **how)  # type: ignore[arg-type]

    for name, to in pairs.items():
        if name != "near":
            edge(name, to, uplink="yes")
    asked = {"no-conntrack": "one connection, and all that passes it speaks for the other side"}
    edge("near", "door", uplink="no", unknown=asked | not_past("node-a"))
    lab.truth.edge(fresh, server["relay"], port["relay"], uplink="yes")
    lab.truth.edge(browser, site, port["site"], uplink="yes")


def asking(lab: Lab, name: str, port: int, *, declared: bool = False) -> Group:
    """A hub on node-b, which sends requests down the connections that it gets."""
    ports = (Port(port),) if declared else ()
    group = lab.deployment(name, "app", on=("node-b",), ports=ports, serve=False)
    group.host.serve_pushing(port, echoes=False)
    return group

"""One client port used for several connections, as happens where the port range is narrow.

The nodes' and pods' `ip_local_port_range` is 20000 to 20015. Every connection is older than the
capture, and every server's port is declared nowhere and above 32768: by the usual range a client's
port, that several others talk to, looks like a server's.

- `crawler` on node-a, from port 20001, to `alpha` and `beta` on node-b and to `gamma` on node-a.
- `spider` on node-b, from port 20001, to `alpha` and `beta` on its own node.
- `monitor` on node-a, from port 20002, to `delta` on node-b and to nobody else.

Where conntrack says nothing, `alpha` and `beta` are told by their two clients, the others are not.
"""

from cluster import Lab
from managed import tune_ports
from truth import Uplink, not_past

_SERVERS = {"alpha": 50061, "beta": 50062, "gamma": 50063, "delta": 50064}
_CONNECTIONS = (
    ("crawler", 20001, "alpha"),
    ("crawler", 20001, "beta"),
    ("crawler", 20001, "gamma"),
    ("spider", 20001, "alpha"),
    ("spider", 20001, "beta"),
    ("monitor", 20002, "delta"),
)
_ALONE = "one connection to an undeclared port, and no handshake"


def record(lab: Lab) -> None:
    """Open everything, then record one request on each."""
    lab.look_from_all_sides()
    server = {
        name: lab.deployment(name, "app", on=("node-a" if name == "gamma" else "node-b",))
        for name in _SERVERS
    }
    client = {
        "crawler": lab.deployment("crawler", "app"),
        "spider": lab.deployment("spider", "app", on=("node-b",)),
        "monitor": lab.deployment("monitor", "app"),
    }
    for name, group in server.items():
        group.host.serve(_SERVERS[name])
    for namespace in (
        *(node.namespace for node in lab.nodes.values()),
        *(pod.host.namespace for pod in lab.pods),
    ):
        tune_ports(namespace, 20000, 20015)
    old = [
        client[name].host.open(server[to].pod, _SERVERS[to], source_port=port)
        for name, port, to in _CONNECTIONS
    ]
    for connection in old:
        connection.send()

    lab.start_recording()
    for connection in old:
        connection.send()
    lab.stop_recording()

    for name, _, to in _CONNECTIONS:
        uplink: Uplink = "yes"
        unknown: dict[str, str] = {}
        if name == "spider":
            uplink, unknown = "no", not_past("node-a")
        elif to == "gamma":
            uplink, unknown = "no", not_past("node-b") | {"no-conntrack": _ALONE}
        elif to == "delta":
            uplink, unknown = "conntrack", {"no-conntrack": _ALONE}
        else:
            uplink = "conntrack"
            unknown = {
                "uplink+no-conntrack": "the other client's connection stays within node-b",
                "only-node-a+no-conntrack": "the other client's connection stays within node-b",
            }
        lab.truth.edge(
            client[name], server[to], _SERVERS[to], uplink=uplink, unknown=unknown, connections=1
        )

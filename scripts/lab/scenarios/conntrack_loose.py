"""Connections that conntrack took up in the middle (`nf_conntrack_tcp_loose`), by a server's push.

They were open before the capture, then every node's conntrack table was flushed, as when a node
agent restarts. The first packet after that is the server's, so the new entries' original
direction is the server's.

- `reader` on node-a → `bus` on node-b, `near` → `hub` both on node-a: declared ports.
- `first` and `second` on node-a → `feed` on node-b: a port declared nowhere, far below the
  ephemeral ones, with two clients.
- `solo` on node-a → `quiet` on node-b: such a port with one client; nothing tells.
- `blind` on node-a → `high` on node-b: declared nowhere, both ports are ephemeral. The first dump
  lacks the flow, the last has it, and the capture no SYN: taken up in the middle, so it does
  not tell.
- `fresh` on node-b → `bus`, opened during the capture.
"""

import time

from cluster import Lab
from objects import Port
from truth import Uplink, not_past
from workloads import Group

_HIGH = 45678
_NOTHING = "no handshake, no declared port, one client, and no conntrack entry of its beginning"


def record(lab: Lab) -> None:
    """Open, flush, record, push."""
    push_and_answer(lab, flush_first=True)


def push_and_answer(lab: Lab, *, flush_first: bool) -> None:
    """The whole of it, with the tables flushed before the capture or while it runs."""
    lab.look_from_all_sides()
    # A namespace tracks nothing before it has rules.
    lab.program_services()
    bus_port, hub_port, feed_port, quiet_port = (
        lab.plan.port(port) for port in (4222, 4223, 9777, 9778)
    )
    server = {
        "bus": pushing(lab, "bus", "node-b", bus_port, declared=True),
        "hub": pushing(lab, "hub", "node-a", hub_port, declared=True),
        "feed": pushing(lab, "feed", "node-b", feed_port, declared=False),
        "quiet": pushing(lab, "quiet", "node-b", quiet_port, declared=False),
        "high": pushing(lab, "high", "node-b", _HIGH, declared=False),
    }
    port = dict(zip(server, (bus_port, hub_port, feed_port, quiet_port, _HIGH), strict=True))
    to = {
        "reader": "bus",
        "near": "hub",
        "first": "feed",
        "second": "feed",
        "solo": "quiet",
        "blind": "high",
    }
    client = {name: lab.deployment(name, "app") for name in to}
    fresh = lab.deployment("fresh", "app", on=("node-b",))
    talks = {
        name: client[name].host.open(server[target].pod, port[target])
        for name, target in to.items()
    }
    for talk in talks.values():
        talk.send()
    if flush_first:
        flush(lab)
    lab.start_recording()
    if not flush_first:
        flush(lab)
    for _ in range(2):
        for name, group in server.items():
            group.host.push(port[name])
        for talk in talks.values():
            talk.answer("pong\n")
        time.sleep(0.3)
    fresh.host.open(server["bus"].pod, bus_port).send()
    lab.stop_recording()

    blind = {"recorded": _NOTHING} if flush_first else {"no-conntrack": _NOTHING}
    for name, target in to.items():
        uplink: Uplink = "yes"
        unknown = {}
        if name == "near":
            uplink, unknown = "no", not_past("node-b")
        elif name in ("solo", "blind"):
            uplink, unknown = "conntrack", blind
        lab.truth.edge(client[name], server[target], port[target], uplink=uplink, unknown=unknown)
    lab.truth.edge(fresh, server["bus"], bus_port, uplink="no", unknown=not_past("node-a"))


def flush(lab: Lab) -> None:
    """Have every node forget what conntrack knew."""
    for node in lab.nodes.values():
        node.namespace.run("conntrack", "-F")
    time.sleep(0.3)


def pushing(lab: Lab, name: str, node: str, port: int, *, declared: bool) -> Group:
    """A server that speaks first, and takes what comes back without an answer."""
    ports = (Port(port),) if declared else ()
    group = lab.deployment(name, "app", on=(node,), ports=ports, serve=False)
    group.host.serve_pushing(port)
    return group

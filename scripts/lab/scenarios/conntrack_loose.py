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
from truth import not_past
from workloads import Group

_HIGH = 45678
_NOTHING = "no handshake, no declared port, one client, and conntrack took it up in the middle"


def record(lab: Lab) -> None:
    """Open, flush, record, push."""
    lab.look_from_all_sides()
    bus_port, hub_port, feed_port, quiet_port = (
        lab.plan.port(port) for port in (4222, 4223, 9777, 9778)
    )
    bus = pushing(lab, "bus", "node-b", bus_port, declared=True)
    hub = pushing(lab, "hub", "node-a", hub_port, declared=True)
    feed = pushing(lab, "feed", "node-b", feed_port, declared=False)
    quiet = pushing(lab, "quiet", "node-b", quiet_port, declared=False)
    high = pushing(lab, "high", "node-b", _HIGH, declared=False)
    to = {
        "reader": (bus, bus_port),
        "near": (hub, hub_port),
        "first": (feed, feed_port),
        "second": (feed, feed_port),
        "solo": (quiet, quiet_port),
        "blind": (high, _HIGH),
    }
    client = {name: lab.deployment(name, "app") for name in to}
    fresh = lab.deployment("fresh", "app", on=("node-b",))
    talks = {name: client[name].host.open(server.pod, port) for name, (server, port) in to.items()}
    for talk in talks.values():
        talk.send()
    for node in lab.nodes.values():
        node.namespace.run("conntrack", "-F")
    time.sleep(0.3)

    lab.start_recording()
    for _ in range(2):
        for server, port in ((bus, bus_port), (hub, hub_port), (feed, feed_port)):
            server.host.push(port)
        quiet.host.push(quiet_port)
        high.host.push(_HIGH)
        for talk in talks.values():
            talk.answer("pong\n")
        time.sleep(0.3)
    fresh.host.open(bus.pod, bus_port).send()
    lab.stop_recording()

    edge, nothing = lab.truth.edge, {"recorded": _NOTHING}
    edge(client["reader"], bus, bus_port, uplink="yes")
    edge(client["near"], hub, hub_port, uplink="no", unknown=not_past("node-b"))
    edge(client["first"], feed, feed_port, uplink="yes")
    edge(client["second"], feed, feed_port, uplink="yes")
    edge(client["solo"], quiet, quiet_port, uplink="yes", unknown=nothing)
    edge(client["blind"], high, _HIGH, uplink="yes", unknown=nothing)
    edge(fresh, bus, bus_port, uplink="no", unknown=not_past("node-a"))


def pushing(lab: Lab, name: str, node: str, port: int, *, declared: bool) -> Group:
    """A server that speaks first, and takes what comes back without an answer."""
    ports = (Port(port),) if declared else ()
    group = lab.deployment(name, "app", on=(node,), ports=ports, serve=False)
    group.host.serve_pushing(port)
    return group

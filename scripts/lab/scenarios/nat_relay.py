"""Pods that relay by NAT inside the pod, between pods: each relayed call is two.

- `near-relay` and `client` are on node-a, `far-relay` on node-b; behind both is `server` on node-b,
  called by its pod IP, and `store` on node-a, called by its ClusterIP. So relay and client, and
  relay and server, are together on one node and apart, in all four ways.
- `caller` calls `front`, a relay, through its ClusterIP; `front` relays to a second relay, `back`,
  through its ClusterIP, and that one to `server`: three calls with the same sequence numbers.

The sequence numbers of a relay's two calls are equal; only the pod in between tells them apart.
"""

from typing import Required, TypedDict

from cluster import Lab
from objects import Port
from services import Service, ServicePort
from truth import Uplink, within
from workloads import Group


class Side(TypedDict, total=False):
    """Where a call can be seen."""

    uplink: Required[Uplink]
    unknown: dict[str, str]


def record(lab: Lab) -> None:
    """Call through every relay."""
    lab.look_from_all_sides()
    port, store_port, in_port, in_too = (lab.plan.port(p) for p in (8080, 6379, 3128, 3129))
    server = lab.deployment("server", "app", on=("node-b",), ports=(Port(port),))
    store = lab.deployment("store", "app", on=("node-a",), ports=(Port(store_port),))
    store_service = lab.service("store", "app", ServicePort(store_port, store_port))
    client = lab.deployment("client", "app", on=("node-a",))
    relays = {
        name: lab.deployment(
            f"{name}-relay", "app", on=(node,), ports=(Port(in_port), Port(in_too)), serve=False
        )
        for name, node in (("near", "node-a"), ("far", "node-b"))
    }
    for relay in relays.values():
        lab.relay(
            relay.pod,
            f"tcp dport {in_port} dnat to {server.pod.address}:{port}",
            f"tcp dport {in_too} dnat to {store_service.address}:{store_port}",
        )
    caller = lab.deployment("caller", "app", on=("node-b",))
    front, front_service = chained(lab, "front", "node-a", in_port)
    back, back_service = chained(lab, "back", "node-b", in_port)
    lab.relay(front.pod, f"tcp dport {in_port} dnat to {back_service.address}:{in_port}")
    lab.relay(back.pod, f"tcp dport {in_port} dnat to {server.pod.address}:{port}")

    lab.age(3600)
    lab.start_recording()
    for relay in relays.values():
        client.host.call(relay.pod, in_port)
        client.host.call(relay.pod, in_too)
    caller.host.call(front_service, in_port)
    lab.stop_recording()

    edge, no_edge = lab.truth.edge, lab.truth.no_edge
    for name, relay in relays.items():
        near = name == "near"
        inside, across = sides(relay.pod.node)
        edge(client, relay, in_port, **(inside if near else across), connections=1)
        edge(client, relay, in_too, **(inside if near else across), connections=1)
        edge(relay, server, port, **(across if near else inside), connections=1)
        edge(
            relay,
            store,
            store_port,
            service=store_service,
            **(inside if near else across),
            connections=1,
        )
        no_edge(relay, relay, in_port, "two connections of a relay")
    edge(caller, front, in_port, service=front_service, uplink="yes", connections=1)
    edge(front, back, in_port, service=back_service, uplink="yes", connections=1)
    edge(back, server, port, uplink="no", unknown=within("node-b"), connections=1)
    no_edge(client, server, port, "two connections of a relay")
    no_edge(client, store, store_port, "two connections of a relay")
    no_edge(caller, back, in_port, "two connections of a relay")
    no_edge(caller, server, port, "two connections of a relay")
    no_edge(front, server, port, "two connections of a relay")


def sides(node: str) -> tuple[Side, Side]:
    """What is said of a call within this node, and of one across the nodes."""
    return {"uplink": "no", "unknown": within(node)}, {"uplink": "yes"}


def chained(lab: Lab, name: str, node: str, port: int) -> tuple[Group, Service]:
    """A relay with a Service before it."""
    relay = lab.deployment(name, "app", on=(node,), ports=(Port(port),), serve=False)
    return relay, lab.service(name, "app", ServicePort(port, port))

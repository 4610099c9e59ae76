"""Pods in a public range that belongs to somebody else, 25.10.0.0/16, on nodes without a podCIDR.

As in networks that have run out of private addresses. `client` on node-a calls `server` on node-b
by its ClusterIP and `near` by its IP, and two pods that the snapshot does not have: `gone-far` on
node-b and `gone-near` on node-a. They answer from a pod's interface, and through the tunnel: they
are unresolved, and not the Internet. 25.99.0.7, which `client` calls too, is somebody outside.
"""

from cluster import Lab
from nodes import Options
from objects import Port
from services import ServicePort
from truth import crossing, within

from scenarios.global_pods import SHOWN_BY, UNSEEN, without

_OUTSIDE = "25.99.0.7"
OPTIONS = Options(pods4="25.10", pod_cidrs=False, outside_addresses=(_OUTSIDE,))


def record(lab: Lab) -> None:
    """Record with a tunnel between the nodes."""
    call(lab, UNSEEN)


def call(lab: Lab, uplink: str) -> None:
    """Call pods that are known, two that are not, and somebody outside."""
    lab.look_without_watch()
    port = lab.plan.port(8080)
    server = lab.deployment("server", "app", on=("node-b",), ports=(Port(port),))
    service = lab.service("server", "app", ServicePort(port, port))
    near = lab.deployment("near", "app", ports=(Port(port),))
    client = lab.deployment("client", "app")
    gone = {
        name: lab.deployment(name, "app", on=(node,), ports=(Port(port),))
        for name, node in (("gone-far", "node-b"), ("gone-near", "node-a"))
    }
    lab.outside.serve(443)

    lab.age(3600)
    lab.start_recording()
    client.host.call(service, port)
    client.host.call(near.pod, port)
    for group in gone.values():
        client.host.call(group.pod, port)
    client.host.call(_OUTSIDE, 443)
    lab.stop_recording(snapshot=without(lab.kubectl(), *gone.values()))

    edge = lab.truth.edge
    edge(client, server, port, service=service, uplink="yes")
    edge(client, near, port, uplink="no", unknown=within("node-a"))
    unknown = {"recorded": UNSEEN, "uplink": uplink}
    for name, node in (("gone-far", "node-b"), ("gone-near", "node-a")):
        crosses = crossing("node-a", node)
        edge(client, gone[name], port, uplink=crosses, unknown=unknown, shownBy=SHOWN_BY)
    lab.truth.outside(client, _OUTSIDE, 443)

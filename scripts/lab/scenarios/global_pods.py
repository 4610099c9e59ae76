"""Pods with global IPv6 addresses, on nodes whose objects say no podCIDR.

As on clouds whose plugin gives pods addresses of the network. `client` on node-a calls `server` on
node-b by its ClusterIP, and two pods that the snapshot does not have: `gone-far` on node-b and
`gone-near` on its own node. All by IPv6. Their addresses look like the Internet's, and no range of
the snapshot holds them; but they answer from a pod's interface, and through the tunnel between the
nodes: they are pods that nobody saw, unresolved, and not the Internet. `client` calls the Internet
as well, by IPv6: that is external.
"""

from cluster import Lab
from nodes import Options
from objects import Object, Port
from services import ServicePort
from topology import OUTSIDE6
from truth import crossing
from workloads import Group

OPTIONS = Options(ipv6=True, pods6="2600:1f13:abcd", pod_cidrs=False)
UNSEEN = "unresolved: the pod is in no snapshot"
SHOWN_BY = "a watch, or a snapshot while the pod was there"


def record(lab: Lab) -> None:
    """Call a pod that is known, two that are not, and the Internet."""
    lab.look_without_watch()
    port = lab.plan.port(8080)
    server = lab.deployment("server", "app", on=("node-b",), ports=(Port(port),))
    service = lab.service("server", "app", ServicePort(port, port))
    client = lab.deployment("client", "app")
    gone = {
        name: lab.deployment(name, "app", on=(node,), ports=(Port(port),))
        for name, node in (("gone-far", "node-b"), ("gone-near", "node-a"))
    }
    lab.outside.serve(443, address="::")

    lab.age(3600)
    lab.start_recording()
    client.host.call(service.cluster_ips[1], port)
    for group in gone.values():
        client.host.call(group.pod.addresses[1], port)
    client.host.call(OUTSIDE6, 443)
    lab.stop_recording(snapshot=without(lab.kubectl(), *gone.values()))

    lab.truth.edge(client, server, port, service=service, uplink="yes")
    unknown = {"recorded": UNSEEN, "uplink": UNSEEN}
    for name, node in (("gone-far", "node-b"), ("gone-near", "node-a")):
        crosses = crossing("node-a", node)
        lab.truth.edge(client, gone[name], port, uplink=crosses, unknown=unknown, shownBy=SHOWN_BY)
    lab.truth.outside(client, OUTSIDE6, 443)


def without(snapshot: Object, *groups: Group) -> Object:
    """The snapshot without some workloads' pods and whatever owns them."""
    apps = {group.labels["app"] for group in groups}
    owners = {group.owner.name for group in groups if group.owner is not None}
    kept = [
        item
        for item in snapshot["items"]
        if item["metadata"].get("labels", {}).get("app") not in apps | owners
        and item["metadata"]["name"] not in apps | owners
    ]
    return snapshot | {"items": kept}

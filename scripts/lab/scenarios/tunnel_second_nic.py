"""Tunnels between addresses that are no node's in the API, and that a stale podCIDR covers.

Nodes are known by a second NIC, 10.9.0.11 and .12; the tunnel runs between 192.168.77.11 and .12.
The plugin hands out pod addresses of its own, and nobody reads what `kubeadm` wrote into
Node.spec.podCIDR: 192.168.77.0/25, as if the tunnel's ends were pods. The capture saved each node's
local addresses, which say that they are the nodes' own: the tunnel is opened, also on the uplink
alone. Calls from node-a and from node-b, and by a ClusterIP.
"""

import time

from cluster import Lab
from objects import Port
from services import ServicePort
from truth import within

_SECOND = "10.9.0"
_SETTLES = 2.0  # seconds in which the new interface repeats its group reports


def record(lab: Lab) -> None:
    """Give the nodes a second NIC that the API knows them by."""
    build_and_call(lab, None)


def build_and_call(lab: Lab, unknown: dict[str, str] | None) -> None:
    """Call across the nodes both ways, of which the uplink does not tell `unknown`."""
    lab.look_from_all_sides()
    port = lab.plan.port(8080)
    api = lab.deployment("api", "app", on=("node-b",), ports=(Port(port),))
    service = lab.service("api", "app", ServicePort(80, port))
    store = lab.deployment("store", "app", ports=(Port(port),))
    web = lab.deployment("web", "app")
    batch = lab.deployment("batch", "app", on=("node-b",))
    second_nics(lab)

    lab.age(3600)
    lab.start_recording()
    web.host.call(service, 80)
    web.host.call(store.pod, port)
    batch.host.call(store.pod, port)
    lab.stop_recording()

    edge = lab.truth.edge
    edge(web, api, port, service=service, uplink="yes", unknown=unknown)
    edge(web, store, port, uplink="no", unknown=within("node-a"))
    edge(batch, store, port, uplink="yes", unknown=unknown)


def second_nics(lab: Lab) -> None:
    """Name the nodes by other addresses, in every object that names them."""
    stale = f"{lab.plan.underlay}.0/25"
    for node in lab.nodes.values():
        address = f"{_SECOND}.{11 + node.index}"
        node.namespace.ip(
            "link add eth1 type bridge mcast_snooping 0",
            f"addr add {address}/24 dev eth1",
            "link set eth1 up",
        )
        time.sleep(_SETTLES)
        for document in lab.documents:
            if document["kind"] == "Node" and document["metadata"]["name"] == node.name:
                document["spec"] = {"podCIDR": stale, "podCIDRs": [stale]}
                document["status"]["addresses"][0]["address"] = address
            elif document["kind"] == "Pod" and document["spec"]["nodeName"] == node.name:
                document["status"]["hostIP"] = address

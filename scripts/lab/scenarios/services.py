"""Services of every kind that a pod can call, each told apart from the others.

- `web`: one selector over two workloads, `web-one` and `web-two`; the backends take turns, so that
  each of two clients reaches exactly one of them, and only the connection after NAT says which.
- `store`: headless, called at the pod's own address.
- `edge`: called at an externalIP.
- `shop` and `admin`: two LoadBalancer Services that share one address, on different ports.

A client outside calls the LoadBalancer address too; that makes no client.
"""

from cluster import Lab
from nodes import outside_workload
from objects import Port
from services import ServiceOptions, ServicePort

_EXTERNAL_IP = "198.51.100.77"
_BALANCER_IP = "198.51.100.80"


def record(lab: Lab) -> None:
    """Call every kind of Service once."""
    port = lab.plan.port(8080)
    web_labels, serving = {"tier": lab.plan.name("web")}, (Port(port),)
    one = lab.deployment("web-one", "app", ports=serving, extra_labels=web_labels, reply="name")
    two = lab.deployment(
        "web-two", "app", on=("node-b",), ports=serving, extra_labels=web_labels, reply="name"
    )
    web_service = lab.service("web", "app", ServicePort(80, port), selector=web_labels)
    store = lab.statefulset("store", "app", on=("node-b",), ports=serving)
    lab.service("store", "app", ServicePort(port, port), cluster_ips=())
    edge_pods = lab.deployment("edge", "app", on=("node-b",), ports=serving)
    edge_service = lab.service("edge", "app", ServicePort(80, port), external_ips=(_EXTERNAL_IP,))
    balanced: ServiceOptions = {
        "service_type": "LoadBalancer",
        "load_balancer_ips": (_BALANCER_IP,),
    }
    shop = lab.deployment("shop", "app", ports=serving)
    shop_service = lab.service("shop", "app", ServicePort(80, port, node_port=30080), **balanced)
    admin = lab.deployment("admin", "app", on=("node-b",), ports=serving)
    admin_service = lab.service("admin", "app", ServicePort(443, port, node_port=30443), **balanced)
    lab.fabric.route(_BALANCER_IP, lab.nodes["node-a"].address)
    first, second = lab.deployment("first", "app"), lab.deployment("second", "app")

    lab.start_recording()
    first.host.call(web_service, 80, reached=one.host)
    second.host.call(web_service, 80, reached=two.host)
    first.host.call(store.pod, port)
    first.host.call(_EXTERNAL_IP, 80)
    first.host.call(_BALANCER_IP, 80)
    second.host.call(_BALANCER_IP, 443)
    lab.outside.call(_BALANCER_IP, 80)
    lab.stop_recording()

    edge = lab.truth.edge
    edge(first, one, port, service=web_service, uplink="no")
    edge(second, two, port, service=web_service, uplink="yes")
    edge(first, store, port, uplink="yes")
    edge(first, edge_pods, port, service=edge_service, uplink="conntrack")
    edge(first, shop, port, service=shop_service, uplink="no")
    edge(second, admin, port, service=admin_service, uplink="conntrack")
    lab.truth.no_edge(outside_workload(), shop, port, "external-source", service=shop_service)

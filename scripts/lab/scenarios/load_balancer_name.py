"""A cloud load balancer known by its host name only: who calls it, calls the Service.

The status of Service `orders` names a host, no address; DNS says where that is. The load balancer
is outside, and opens connections of its own to a NodePort.

- `buyer` on node-a looks the host up and calls it.
- `partner` on node-b looks up `shop.example`, a CNAME of that host, and calls it.
- `late` on node-a calls the address and never asked for a name in this capture: an address outside.
- The load balancer itself is an external client of `orders`, which is on both nodes.
"""

from cluster import Lab
from nodes import Options, outside_workload
from objects import Port
from services import Service, ServicePort
from truth import not_past
from workloads import Group

BALANCER = "203.0.113.30"
OPTIONS = Options(snaplen=4096, outside_addresses=(BALANCER,))
_HOST = "k8s-shop-orders-0a1b2c3d.elb.example"
_NODE_PORT = 30080


def record(lab: Lab) -> None:
    """Look up and call the load balancer."""
    lab.look_from_all_sides()
    port = lab.plan.port(8080)
    both = ("node-a", "node-b")
    orders = lab.deployment("orders", "shop", on=both, ports=(Port(port),))
    service = lab.service(
        "orders",
        "shop",
        ServicePort(80, port, node_port=_NODE_PORT),
        service_type="LoadBalancer",
        load_balancer_hosts=(_HOST,),
    )
    coredns, dns = start_dns(lab)
    buyer, late = lab.deployment("buyer", "app"), lab.deployment("late", "app")
    partner = lab.deployment("partner", "app", on=("node-b",))
    lab.outside.proxy(80, lab.nodes["node-b"], _NODE_PORT)

    lab.start_recording()
    buyer.host.lookup(_HOST, dns)
    buyer.host.call(BALANCER, 80)
    partner.host.lookup("shop.example", dns)
    partner.host.call(BALANCER, 80)
    late.host.call(BALANCER, 80)
    lab.stop_recording()

    edge = lab.truth.edge
    edge(
        buyer,
        orders,
        port,
        service=service,
        uplink="conntrack",
        unknown=not_past("node-b"),
        entrance=BALANCER,
    )
    edge(
        partner,
        orders,
        port,
        service=service,
        uplink="conntrack",
        unknown=not_past("node-a") | {"uplink": "its lookup stays within node-b"},
        entrance=BALANCER,
    )
    lab.truth.outside(late, BALANCER, 80)
    lab.truth.no_edge(outside_workload(BALANCER), orders, port, "external-source", service=service)
    for client in (buyer, partner):
        lab.truth.no_edge(client, coredns, 53, "cluster-dns", protocol="UDP", service=dns)


def start_dns(lab: Lab) -> tuple[Group, Service]:
    """CoreDNS on node-b, and its Service."""
    labels = {"k8s-app": "kube-dns"}
    coredns = lab.deployment(
        "coredns",
        "kube-system",
        on=("node-b",),
        ports=(Port(53, "UDP", "dns"),),
        extra_labels=labels,
        serve=False,
    )
    records = {_HOST: [("A", BALANCER)], "shop.example": [("CNAME", _HOST)]}
    coredns.host.serve_dns(records, "0.0.0.0")  # noqa: S104 (a pod's own)
    dns = lab.service(
        "kube-dns",
        "kube-system",
        ServicePort(53, 53, "UDP", "dns"),
        selector=labels,
        labels=labels | {"kubernetes.io/name": "CoreDNS"},
        cluster_ips=(lab.plan.dns_service,),
    )
    return coredns, dns

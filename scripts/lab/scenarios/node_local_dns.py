"""A DNS cache on every node at 169.254.20.10, as NodeLocal DNSCache sets it up.

- `browser` and `shopper` ask the cache on their own node and call what it tells them: a name
  outside, and Service `orders`. Their questions are the cluster's DNS, not calls.
- The cache, a hostNetwork DaemonSet, asks the cluster's DNS in turn: from a node's address.
"""

from cluster import Lab
from nodes import Options, node_workload
from objects import Port
from services import ServicePort
from truth import Workload
from workloads import Pod

from scenarios.outside import API, cluster_name, start_dns

OPTIONS = Options(snaplen=4096, outside_addresses=(API,))
CACHE = "169.254.20.10"


class _Cache:
    """The cache's address, which is the same on every node."""

    address = CACHE


def record(lab: Lab) -> None:
    """Look names up at the node's own cache, and call."""
    port = lab.plan.port(8080)
    orders = lab.deployment("orders", "shop", on=("node-b",), ports=(Port(port),))
    service = lab.service("orders", "shop", ServicePort(80, port))
    coredns, dns = start_dns(lab, service)
    browser = lab.deployment("browser", "shop")
    shopper = lab.deployment("shopper", "shop", on=("node-b",))
    caches = lab.daemonset(
        "node-local-dns",
        "kube-system",
        host_network=True,
        serve=False,
        ports=(Port(53, "UDP", "dns", host_port=53), Port(53, "TCP", "dns-tcp", host_port=53)),
    )
    records = {
        "api.payments.example": [("A", API)],
        cluster_name(service): [("A", service.address)],
    }
    for pod in caches.pods:
        start_cache(lab, pod, records)
    lab.outside.serve(80)

    lab.start_recording()
    caches.pods[0].host.lookup("api.payments.example", dns)
    browser.host.lookup("api.payments.example", _Cache())
    browser.host.call(API, 80)
    shopper.host.lookup(cluster_name(service), _Cache())
    shopper.host.lookup(cluster_name(service), _Cache(), protocol="TCP")
    shopper.host.call(service, 80)
    lab.stop_recording()

    cache = Workload(CACHE, "", "Unknown")
    lab.truth.edge(shopper, orders, port, service=service, uplink="no")
    lab.truth.outside(browser, API, 80, "api.payments.example")
    lab.truth.no_edge(browser, cache, 53, "cluster-dns", protocol="UDP")
    lab.truth.no_edge(shopper, cache, 53, "cluster-dns", protocol="UDP")
    lab.truth.no_edge(shopper, cache, 53, "cluster-dns")
    lab.truth.no_edge(
        node_workload("node-a"), coredns, 53, "unresolved: node", protocol="UDP", service=dns
    )


def start_cache(lab: Lab, pod: Pod, records: dict[str, list[tuple[str, str]]]) -> None:
    """Give a node the cache's address and serve there; on `lo`, for want of a dummy interface."""
    lab.nodes[pod.node].namespace.run("ip", "address", "add", f"{CACHE}/32", "dev", "lo")
    pod.host.serve_dns(records, CACHE)

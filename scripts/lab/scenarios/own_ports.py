"""Pods that set their own `ip_local_port_range`, beside pods that do not: their SYNs show it.

The nodes keep 32768 to 60999; a pod's sysctl is the pod's alone. `tuned` and `quiet` on node-a have
1024 to 32000. What is old was opened before the capture.

- `tuned` has two old connections to `inventory` on node-b, port 50052, declared nowhere, and opens
  four to `web` on node-b during the capture: its SYNs say which of its ports are ephemeral.
- `plain` on node-a has two old ones to `cache` on node-b, port 9514, declared nowhere, from the
  usual range.
- `near` on node-b, tuned too, has two old ones to `inventory` on its own node, and opens four to
  `web`.
- `quiet` has one old one to `ledger` on node-b, port 50053, declared nowhere, and sends no SYN: by
  the node's range the server's port is the ephemeral one. Nothing that was saved says otherwise.
- `lookup` on node-a, tuned, has two old ones to `archive` on node-b, port 50054, and asks the
  cluster's DNS four times: queries show the range as well.
"""

from cluster import Lab
from managed import tune_ports
from objects import Port
from services import Service, ServicePort
from truth import not_past
from workloads import Group

_INVENTORY, _LEDGER, _ARCHIVE = 50052, 50053, 50054
_TUNED = (1024, 32000)
_ENOUGH = 4


def record(lab: Lab) -> None:
    """Open what is old, then record old and new."""
    lab.look_from_all_sides("no-port-range", "no-conntrack+no-port-range")
    http, usual = lab.plan.port(8080), lab.plan.port(9514)
    web = lab.deployment("web", "shop", on=("node-b",), ports=(Port(http),))
    inventory, cache, ledger, archive = (
        lab.deployment(name, "shop", on=("node-b",))
        for name in ("inventory", "cache", "ledger", "archive")
    )
    for server, port in (
        (inventory, _INVENTORY),
        (cache, usual),
        (ledger, _LEDGER),
        (archive, _ARCHIVE),
    ):
        server.host.serve(port)
    tuned, plain, quiet, lookup = (
        lab.deployment(name, "shop") for name in ("tuned", "plain", "quiet", "lookup")
    )
    near = lab.deployment("near", "shop", on=("node-b",))
    coredns, dns = start_dns(lab)
    for group in (tuned, quiet, lookup, near):
        tune_ports(group.host.namespace, *_TUNED)
    old = [
        group.host.open(server.pod, port)
        for group, server, port, count in (
            (tuned, inventory, _INVENTORY, 2),
            (plain, cache, usual, 2),
            (near, inventory, _INVENTORY, 2),
            (quiet, ledger, _LEDGER, 1),
            (lookup, archive, _ARCHIVE, 2),
        )
        for _ in range(count)
    ]
    for connection in old:
        connection.send()

    lab.start_recording()
    for connection in old:
        connection.send()
    for _ in range(_ENOUGH):
        tuned.host.call(web.pod, http)
        near.host.call(web.pod, http)
        lookup.host.lookup("web.example", dns)
    lab.stop_recording()

    edge = lab.truth.edge
    edge(tuned, inventory, _INVENTORY, uplink="yes", connections=2)
    edge(tuned, web, http, uplink="yes", connections=_ENOUGH)
    edge(plain, cache, usual, uplink="yes", connections=2)
    here = not_past("node-a")
    edge(near, inventory, _INVENTORY, uplink="no", unknown=here, connections=2)
    edge(near, web, http, uplink="no", unknown=here, connections=_ENOUGH)
    edge(
        quiet,
        ledger,
        _LEDGER,
        uplink="conntrack",
        unknown={"recorded": "its range is known to nobody: no SYN, and not the node's"},
    )
    edge(lookup, archive, _ARCHIVE, uplink="yes", connections=2)
    lab.truth.no_edge(lookup, coredns, 53, "cluster-dns", protocol="UDP", service=dns)


def start_dns(lab: Lab) -> tuple[Group, Service]:
    """CoreDNS on node-b, and its Service."""
    labels = {"k8s-app": "kube-dns"}
    ports = (Port(53, "UDP", "dns"),)
    coredns = lab.deployment(
        "coredns", "kube-system", on=("node-b",), ports=ports, extra_labels=labels, serve=False
    )
    records = {"web.example": [("A", "203.0.113.20")]}
    coredns.host.serve_dns(records, "0.0.0.0")  # noqa: S104 (a pod's own)
    dns = lab.service(
        "kube-dns",
        "kube-system",
        ServicePort(53, 53, "UDP", "dns"),
        selector=labels,
        labels=labels,
        cluster_ips=(lab.plan.dns_service,),
    )
    return coredns, dns

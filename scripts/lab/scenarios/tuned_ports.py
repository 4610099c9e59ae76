"""Nodes whose `ip_local_port_range` is 1024 to 32000, for pods too, as a tuning plugin sets it.

Every connection is older than the capture: no SYN shows which ports are ephemeral there, the saved
range of the node does.

- `gateway` on node-a has four connections to `orders` on node-b, through a Service; declared.
- `solo` on node-a has one to `billing` on node-b, through a Service, which says the pod's port
  50051: its leg to the ClusterIP and its leg to the pod are one peer of the client's port, not two.
- `cart` on node-a has two to `inventory` on node-b, port 50052, declared nowhere. Outside the
  tuned range, so not ephemeral, and two connections: the server's. By the usual range it would be
  the other way round.
- `worker` on node-b has two to `cache` on node-b, port 9514, declared nowhere: both ports are
  ephemeral here, and only conntrack tells.
- `lone` on node-a has one to `ledger` on node-b, port 50053, declared nowhere.
"""

from cluster import Lab
from hosts import Connection
from managed import tune_ports
from objects import Port
from services import ServicePort
from truth import not_past

_BILLING, _INVENTORY, _LEDGER = 50051, 50052, 50053
_USUAL = "by the usual range the server's port is the ephemeral one"


def record(lab: Lab) -> None:
    """Open everything, then record one request on each."""
    lab.look_from_all_sides("no-port-range", "no-conntrack+no-port-range")
    http, plain = lab.plan.port(8080), lab.plan.port(9514)
    orders = lab.deployment("orders", "shop", on=("node-b",), ports=(Port(http),))
    billing, inventory, cache, ledger = (
        lab.deployment(name, "shop", on=("node-b",))
        for name in ("billing", "inventory", "cache", "ledger")
    )
    billing.host.serve(_BILLING)
    inventory.host.serve(_INVENTORY)
    cache.host.serve(plain)
    ledger.host.serve(_LEDGER)
    orders_service = lab.service("orders", "shop", ServicePort(80, http))
    billing_service = lab.service("billing", "shop", ServicePort(80, _BILLING))
    gateway, solo, cart, lone = (
        lab.deployment(name, "shop") for name in ("gateway", "solo", "cart", "lone")
    )
    worker = lab.deployment("worker", "shop", on=("node-b",))
    for namespace in (
        *(node.namespace for node in lab.nodes.values()),
        *(pod.host.namespace for pod in lab.pods),
    ):
        tune_ports(namespace, 1024, 32000)
    pools: list[Connection] = [gateway.host.open(orders_service, 80) for _ in range(4)]
    pools.append(solo.host.open(billing_service, 80))
    pools += [cart.host.open(inventory.pod, _INVENTORY) for _ in range(2)]
    pools += [worker.host.open(cache.pod, plain) for _ in range(2)]
    pools.append(lone.host.open(ledger.pod, _LEDGER))
    for connection in pools:
        connection.send()

    lab.start_recording()
    for connection in pools:
        connection.send()
    lab.stop_recording()

    edge = lab.truth.edge
    edge(gateway, orders, http, service=orders_service, uplink="yes", connections=4)
    edge(solo, billing, _BILLING, service=billing_service, uplink="yes", connections=1)
    edge(
        cart,
        inventory,
        _INVENTORY,
        uplink="yes",
        connections=2,
        unknown={"no-port-range": _USUAL},
    )
    edge(
        worker,
        cache,
        plain,
        uplink="no",
        connections=2,
        unknown=not_past("node-a") | {"no-conntrack": "both ports are ephemeral there"},
    )
    edge(
        lone,
        ledger,
        _LEDGER,
        uplink="conntrack",
        unknown={
            "no-port-range": _USUAL,
            "no-conntrack": "one connection to an undeclared port",
        },
    )

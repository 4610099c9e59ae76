"""Pods with a node of their own, as on Fargate: the node's address is the pod's.

Nothing can be captured there. What is seen of them is seen on node-a and node-b, and an address
that is a pod's own and also a node's is the pod's.

- `near` on node-a calls `pay` directly, `far` on node-b through a Service; both leave their node
  masqueraded.
- `pool` on node-a opened its connection to `ledger`, a third such pod, before the capture.
- `lambda`, on another such node, calls `web` on node-b.
- `lambda` also calls `pay`: neither end is on a node that was captured.
"""

from cluster import Lab
from objects import Port
from services import ServicePort
from truth import not_past


def record(lab: Lab) -> None:
    """Call to and from addresses that are a pod's and a node's."""
    lab.look_from_all_sides("no-nodes")
    grpc, http = lab.plan.port(50051), lab.plan.port(8080)
    pay = lab.fargate_deployment("pay", "app", Port(grpc))
    ledger = lab.fargate_deployment("ledger", "app", Port(grpc))
    caller = lab.fargate_deployment("lambda", "app")
    web = lab.deployment("web", "app", on=("node-b",), ports=(Port(http),))
    near, pool = lab.deployment("near", "app"), lab.deployment("pool", "app")
    far = lab.deployment("far", "app", on=("node-b",))
    pay_service = lab.service("pay", "app", ServicePort(80, grpc))
    pooled = pool.host.open(ledger.pod, grpc)
    pooled.send()

    lab.start_recording()
    near.host.call(pay.pod, grpc)
    far.host.call(pay_service, 80)
    pooled.send()
    caller.host.call(web.pod, http)
    caller.host.call(pay.pod, grpc)
    lab.stop_recording()

    edge = lab.truth.edge
    edge(near, pay, grpc, uplink="conntrack", unknown=not_past("node-b"))
    edge(pool, ledger, grpc, uplink="conntrack", unknown=not_past("node-b"))
    edge(far, pay, grpc, service=pay_service, uplink="conntrack", unknown=not_past("node-a"))
    edge(caller, web, http, uplink="yes", unknown=not_past("node-a"))
    edge(
        caller,
        pay,
        grpc,
        uplink="no",
        unknown={"recorded": "both ends are on nodes where nothing can be captured"},
    )

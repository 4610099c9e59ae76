"""The API server of a managed control plane as a client: webhooks and aggregated APIs.

It is neither a pod nor a node; the snapshot knows its address from the EndpointSlice of Service
`kubernetes` in `default`. What comes from that address is that Service.

- The API server calls `policy`, a webhook on node-b, and `metrics`, an aggregated API on node-a, at
  the pods' addresses, as EKS does.
- It called `convert` on node-b before the capture, and the connection is used again.
- `operator` on node-a calls the API server through Service `kubernetes`.
- The kubelet of node-b probes `policy`: no call, whoever it was.
"""

from cluster import Lab
from nodes import node_workload
from objects import Port
from truth import Workload, not_past

_API_PORT = 6443


def record(lab: Lab) -> None:
    """Call from the API server, and call it."""
    lab.look_from_all_sides()
    hook, aggregated = lab.plan.port(8443), lab.plan.port(4443)
    api_server, service = lab.managed_api_server(_API_PORT)
    policy, convert = (
        lab.deployment(name, "system", on=("node-b",), ports=(Port(hook),))
        for name in ("policy", "convert")
    )
    metrics = lab.deployment("metrics", "system", ports=(Port(aggregated),))
    operator = lab.deployment("operator", "app")
    kubelet = lab.node_host("node-b")
    kept = api_server.open(convert.pod, hook)
    kept.send()

    lab.start_recording()
    api_server.call(policy.pod, hook)
    api_server.call(metrics.pod, aggregated)
    kept.send()
    operator.host.call(service, 443)
    kubelet.call(policy.pod, hook)
    lab.stop_recording()

    edge, kubernetes = lab.truth.edge, Workload("kubernetes", "default", "Service")
    edge(kubernetes, policy, hook, uplink="yes", unknown=not_past("node-a"))
    edge(kubernetes, metrics, aggregated, uplink="yes", unknown=not_past("node-b"))
    edge(kubernetes, convert, hook, uplink="yes", unknown=not_past("node-a"))
    edge(
        operator,
        kubernetes,
        _API_PORT,
        service=service,
        uplink="conntrack",
        unknown=not_past("node-b"),
    )
    lab.truth.no_edge(node_workload("node-b"), policy, hook, "unresolved: node")

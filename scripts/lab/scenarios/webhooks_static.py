"""The API server as a client where it is a static pod: it shares node-a's address with the kubelet.

- It calls Service `policy`, a webhook on node-b, and Service `metrics`, on its own node. What
  leaves the node carries the address of flannel.1 or cni0; that it was for a ClusterIP and from the
  address of an endpoint of `kubernetes`, only node-a's conntrack tells.
- It calls `convert` on node-b at the pod's address, from flannel.1's: that says no more than that
  it was node-a.
- `exporter`, a hostNetwork pod on node-b, calls Service `policy`: a node, never guessed.
- The kubelets probe `metrics` and `policy`: the same.
"""

from cluster import Lab
from nodes import node_workload
from objects import Port
from services import ServicePort
from truth import Workload, masqueraded_at

_API_PORT = 6443
_ANY_PROCESS = "leaves with an address that every process of node-a has"


def record(lab: Lab) -> None:
    """Call from the API server's node."""
    lab.look_from_all_sides("no-nodes")
    hook, aggregated = lab.plan.port(8443), lab.plan.port(4443)
    api_server = lab.static_pod(
        "kube-apiserver",
        "kube-system",
        host_network=True,
        ports=(Port(_API_PORT, name="probe-port"),),
    )
    lab.kubernetes_service(lab.nodes["node-a"].address, "node-a", _API_PORT)
    policy, convert = (
        lab.deployment(name, "system", on=("node-b",), ports=(Port(hook),))
        for name in ("policy", "convert")
    )
    metrics = lab.deployment("metrics", "system", ports=(Port(aggregated),))
    exporter = lab.deployment("exporter", "system", on=("node-b",), host_network=True)
    policy_service = lab.service("policy", "system", ServicePort(443, hook))
    metrics_service = lab.service("metrics", "system", ServicePort(443, aggregated))
    kubelets = {name: lab.node_host(name) for name in ("node-a", "node-b")}

    lab.start_recording()
    api_server.host.call(policy_service, 443)
    api_server.host.call(metrics_service, 443)
    api_server.host.call(convert.pod, hook)
    exporter.host.call(policy_service, 443)
    kubelets["node-a"].call(metrics.pod, aggregated)
    kubelets["node-b"].call(policy.pod, hook)
    lab.stop_recording()

    edge, kubernetes = lab.truth.edge, Workload("kubernetes", "default", "Service")
    hidden = {"no-conntrack": _ANY_PROCESS}
    edge(
        kubernetes,
        policy,
        hook,
        service=policy_service,
        uplink="conntrack",
        unknown=hidden | masqueraded_at("node-b"),
    )
    edge(
        kubernetes,
        metrics,
        aggregated,
        service=metrics_service,
        uplink="no",
        unknown=hidden | {"only-node-b": "not one packet of it passes node-b"},
    )
    edge(kubernetes, convert, hook, uplink="conntrack", unknown={"recorded": _ANY_PROCESS})
    lab.truth.no_edge(exporter, policy, hook, "unresolved: node", service=policy_service)
    lab.truth.no_edge(node_workload("node-a"), metrics, aggregated, "unresolved: node")
    lab.truth.no_edge(node_workload("node-b"), policy, hook, "unresolved: node")

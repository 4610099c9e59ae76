"""hostNetwork pods behind Services: after DNAT the endpoint is a node's address and some port.

The pod is told by the port that it declares, or, where it declares none, by the EndpointSlice that
names it (`targetRef`). Pods leave their node masqueraded, as flannel has it.

- `typha` on node-b declares its port: called by `agent` from node-a and by `felix` on its own node.
- `node-exporter` on both nodes declares none: `prometheus` on node-a is led to each in turn.
- `metrics-server` on node-a declares none: called by `adapter` from node-b.
- `statsd` on node-b, UDP, declares none: called by `emitter` from node-a.
- `prometheus` also asks the kubelet of node-b, which is behind no Service: no call.
"""

from cluster import Lab
from nodes import node_workload
from objects import Port
from services import ServicePort
from truth import masqueraded_at, not_past

_KUBELET_PORT = 10250


def record(lab: Lab) -> None:
    """Call each through its ClusterIP, from its own node and from the other."""
    lab.look_from_all_sides("no-nodes", "no-nodes+no-conntrack")
    typha_port, exporter_port, metrics_port, statsd_port = (
        lab.plan.port(port) for port in (5473, 9100, 4443, 8125)
    )
    typha = lab.deployment(
        "typha", "calico", on=("node-b",), host_network=True, ports=(Port(typha_port),)
    )
    exporter = lab.daemonset("node-exporter", "monitoring", host_network=True)
    metrics = lab.deployment("metrics-server", "monitoring", host_network=True)
    statsd = lab.deployment("statsd", "monitoring", on=("node-b",), host_network=True)
    for pod in exporter.pods:
        pod.host.serve(exporter_port)
    metrics.host.serve(metrics_port)
    statsd.host.serve(statsd_port, protocol="UDP")
    typha_service = lab.service("typha", "calico", ServicePort(typha_port, typha_port))
    exporter_service = lab.service("node-exporter", "monitoring", ServicePort(80, exporter_port))
    metrics_service = lab.service("metrics-server", "monitoring", ServicePort(443, metrics_port))
    statsd_service = lab.service(
        "statsd", "monitoring", ServicePort(statsd_port, statsd_port, "UDP")
    )
    agent, felix = lab.deployment("agent", "calico"), lab.daemonset("felix", "calico")
    prometheus, emitter = (lab.deployment(name, "monitoring") for name in ("prometheus", "emitter"))
    adapter = lab.deployment("adapter", "monitoring", on=("node-b",))
    lab.node_host("node-b").serve(_KUBELET_PORT)

    lab.start_recording()
    agent.host.call(typha_service, typha_port)
    felix.pods[1].host.call(typha_service, typha_port)
    for _ in range(2):  # once to this node's, once to the other's
        prometheus.host.call(exporter_service, 80)
    adapter.host.call(metrics_service, 443)
    emitter.host.call(statsd_service, statsd_port, protocol="UDP")
    prometheus.host.call(lab.nodes["node-b"], _KUBELET_PORT)
    lab.stop_recording()

    edge, on_b, on_a = lab.truth.edge, masqueraded_at("node-b"), masqueraded_at("node-a")
    edge(agent, typha, typha_port, service=typha_service, uplink="conntrack", unknown=on_b)
    edge(felix, typha, typha_port, service=typha_service, uplink="no", unknown=not_past("node-a"))
    edge(
        prometheus,
        exporter,
        exporter_port,
        service=exporter_service,
        uplink="conntrack",
        unknown=on_b,
    )
    edge(
        adapter,
        metrics,
        metrics_port,
        service=metrics_service,
        uplink="conntrack",
        unknown=on_a,
    )
    edge(
        emitter,
        statsd,
        statsd_port,
        protocol="UDP",
        service=statsd_service,
        uplink="conntrack",
        unknown=on_b,
    )
    lab.truth.no_edge(prometheus, node_workload("node-b"), _KUBELET_PORT, "unresolved: node")

"""hostNetwork pods, the nodes' own addresses, kubelet probes, and the API server.

- `exporter`, a hostNetwork DaemonSet that declares its port, is scraped by pod `prometheus` on its
  own node and on the other one: a node's address and a declared port are that pod.
- `prometheus` also asks the kubelet, which is no pod: nothing can be said (`unresolved: node`).
- `exporter` on node-b, and the kubelet of node-a, call pods: they come from a node's address, and
  who on the node it was is never guessed.
- `kubernetes` in `default` has no selector; its EndpointSlice is node-a:6443, where the static
  hostNetwork pod kube-apiserver listens. `operator` calls the ClusterIP, `controller` the endpoint
  itself: both called the Service `kubernetes`, not a pod.
- `controller` calls node-a's exporter port too, which is the exporter.
"""

from cluster import Lab
from nodes import node_workload
from objects import Port
from services import Service, ServicePort
from truth import Workload

_API_PORT, _KUBELET_PORT = 6443, 10250


def record(lab: Lab) -> None:
    """Call to and from the nodes' addresses."""
    metrics_port, web_port = lab.plan.port(9100), lab.plan.port(8080)
    node_a, node_b = lab.nodes["node-a"], lab.nodes["node-b"]
    exporter = lab.daemonset(
        "exporter",
        "monitoring",
        host_network=True,
        ports=(Port(metrics_port, name="metrics", host_port=metrics_port),),
    )
    prometheus = lab.deployment("prometheus", "monitoring")
    web = lab.deployment("web", "app", ports=(Port(web_port),))
    operator = lab.deployment("operator", "app", on=("node-b",))
    controller = lab.deployment("controller", "app")
    api_service = start_api_server(lab)
    kubelet = lab.node_host("node-a")
    kubelet.serve(_KUBELET_PORT)

    lab.start_recording()
    prometheus.host.call(node_a, metrics_port)
    prometheus.host.call(node_b, metrics_port)
    prometheus.host.call(node_a, _KUBELET_PORT)
    exporter.pods[1].host.call(web.pod, web_port)
    kubelet.call(web.pod, web_port)
    operator.host.call(api_service, 443)
    controller.host.call(node_a, _API_PORT)
    controller.host.call(node_a, metrics_port)
    lab.stop_recording()

    edge, not_edge = lab.truth.edge, lab.truth.no_edge
    api_server = Workload("kubernetes", "default", "Service")
    edge(prometheus, exporter, metrics_port, uplink="conntrack")
    edge(controller, exporter, metrics_port, uplink="no")
    edge(operator, api_server, _API_PORT, service=api_service, uplink="conntrack")
    edge(controller, api_server, _API_PORT, service=api_service, uplink="no")
    a, b = node_workload("node-a"), node_workload("node-b")
    not_edge(prometheus, a, _KUBELET_PORT, "unresolved: node")
    not_edge(b, web, web_port, "unresolved: node")
    not_edge(exporter, web, web_port, "unresolved: node")
    not_edge(a, web, web_port, "unresolved: node")


def start_api_server(lab: Lab) -> Service:
    """A static hostNetwork pod on node-a, and the Service that has only its address."""
    lab.static_pod(
        "kube-apiserver",
        "kube-system",
        on="node-a",
        host_network=True,
        ports=(Port(_API_PORT, name="probe-port"),),
    )
    return lab.service(
        "kubernetes",
        "default",
        ServicePort(443, _API_PORT, name="https"),
        cluster_ips=(lab.plan.first_service,),
        labels={"component": "apiserver", "provider": "kubernetes"},
        fixed_endpoints=((lab.nodes["node-a"].address, "node-a"),),
    )

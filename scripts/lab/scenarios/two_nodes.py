"""Two nodes, every usual kind of owner, TCP and UDP, each call through a ClusterIP.

A Deployment with backends on both nodes, a StatefulSet, a DaemonSet that calls from both nodes, a
CronJob's pod, and a UDP Service. Calls between the nodes go through VXLAN; every packet is in the
`-i any` captures several times: veth, bridge, flannel.1, eth0, before and after NAT, on both nodes.
"""

from cluster import Lab
from hosts import HTTP_REQUEST
from objects import Port
from services import ServicePort


def record(lab: Lab) -> None:
    """Build a small application on two nodes and let every part call once or more."""
    http, postgres, otlp, statsd = (lab.plan.port(port) for port in (8080, 5432, 4317, 8125))
    both = ("node-a", "node-b")
    orders = lab.deployment(
        "orders", "app", on=both, ports=(Port(http, name="http"),), reply="http"
    )
    ledger = lab.statefulset("ledger", "app", on=("node-b",), ports=(Port(postgres),))
    collector = lab.deployment("collector", "app", ports=(Port(otlp),))
    metrics = lab.deployment("metrics", "app", on=("node-b",), ports=(Port(statsd, "UDP"),))
    gateway = lab.deployment("gateway", "app")
    agent = lab.daemonset("agent", "app")
    report = lab.cronjob("report", "app", on="node-b")
    orders_service = lab.service("orders", "app", ServicePort(80, http, name="http"))
    ledger_service = lab.service("ledger", "app", ServicePort(postgres, postgres))
    collector_service = lab.service("collector", "app", ServicePort(otlp, otlp))
    metrics_service = lab.service("metrics", "app", ServicePort(statsd, statsd, "UDP"))

    lab.start_recording()
    for _ in range(2):  # the backends take turns: once on this node, once on the other
        gateway.host.call(orders_service, 80, request=HTTP_REQUEST)
    gateway.host.call(metrics_service, statsd, protocol="UDP")
    for pod in orders.pods:
        pod.host.call(ledger_service, postgres)
    for pod in agent.pods:
        pod.host.call(collector_service, otlp)
    report.host.call(ledger_service, postgres)
    lab.stop_recording()

    edge = lab.truth.edge
    edge(gateway, orders, http, service=orders_service, uplink="yes")
    edge(
        gateway,
        metrics,
        statsd,
        protocol="UDP",
        service=metrics_service,
        uplink="yes",
    )
    edge(orders, ledger, postgres, service=ledger_service, uplink="yes")
    edge(agent, collector, otlp, service=collector_service, uplink="yes")
    edge(report, ledger, postgres, service=ledger_service, uplink="no")

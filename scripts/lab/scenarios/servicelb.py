"""k3s ServiceLB: a load balancer's pod on every node, which relays by NAT inside the pod.

`svclb-traefik` asks for hostPort 80 and has DNAT to the ClusterIP of `traefik` and masquerade in
its own namespace. `traefik` runs on node-b. Somebody outside calls port 80 of either node, so that
relay and backend are on one node once, and on two.

The call into the relay and the call that leaves it have the same sequence numbers, and the same
payload: by numbers they are one connection, from outside to `traefik`, or from the relay to itself.
They are two, and only the second is between workloads. The pod's own NAT table is in no conntrack
dump.
"""

from cluster import Lab
from nat import host_ports
from nodes import outside_workload
from objects import Port
from services import Service, ServicePort
from workloads import Group


def record(lab: Lab) -> None:
    """Enter by both nodes from outside."""
    lab.look_from_all_sides()
    port = lab.plan.port(8000)
    svclb, traefik, service = balanced(lab, port)

    lab.age(3600)
    lab.start_recording()
    for node in lab.nodes.values():
        lab.outside.call(node, 80)
    lab.stop_recording()

    lab.truth.edge(svclb, traefik, port, service=service, uplink="yes", connections=2)
    lab.truth.no_edge(svclb, svclb, 80, "two connections of a relay")
    lab.truth.no_edge(outside_workload(), svclb, 80, "external-source")


def balanced(lab: Lab, port: int) -> tuple[Group, Group, Service]:
    """`svclb-traefik` on all nodes, `traefik` on node-b, and the Service between them."""
    traefik = lab.deployment("traefik", "kube-system", on=("node-b",), ports=(Port(port),))
    service = lab.service("traefik", "kube-system", ServicePort(80, port))
    svclb = lab.daemonset(
        "svclb-traefik",
        "kube-system",
        ports=(Port(80, name="lb-tcp-80", host_port=80),),
        serve=False,
    )
    for pod in svclb.pods:
        lab.relay(pod, f"tcp dport 80 dnat to {service.address}:80")
        rules = host_ports(f"tcp dport 80 dnat to {pod.address}:80")
        lab.nodes[pod.node].namespace.run("nft", "-f", "-", stdin=rules)
    return svclb, traefik, service

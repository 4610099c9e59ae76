"""IPv4 and IPv6 side by side: dual-stack pods, nodes and Services.

`four` calls Service `server` by its IPv4 ClusterIP, `six` by its IPv6 one; `near` calls the pod
on its own node by its IPv6 address; `asker` calls by UDP over IPv6.
"""

from cluster import Lab
from nodes import Options
from objects import Port
from services import ServicePort

OPTIONS = Options(ipv6=True)


def record(lab: Lab) -> None:
    """Call the same workload over both families."""
    port, udp_port = lab.plan.port(8080), lab.plan.port(8125)
    server = lab.deployment(
        "server", "app", on=("node-b",), ports=(Port(port), Port(udp_port, "UDP"))
    )
    service = lab.service(
        "server",
        "app",
        ServicePort(80, port, name="http"),
        ServicePort(udp_port, udp_port, "UDP", "stats"),
    )
    four, six = lab.deployment("four", "app"), lab.deployment("six", "app")
    near, asker = lab.deployment("near", "app", on=("node-b",)), lab.deployment("asker", "app")
    address6 = service.cluster_ips[1]

    lab.start_recording()
    four.host.call(service.cluster_ips[0], 80)
    six.host.call(address6, 80)
    near.host.call(server.pod.addresses[1], port)
    asker.host.call(address6, udp_port, protocol="UDP")
    lab.stop_recording()

    lab.truth.edge(four, server, port, service=service, uplink="yes")
    lab.truth.edge(six, server, port, service=service, uplink="yes")
    lab.truth.edge(near, server, port, uplink="no")
    lab.truth.edge(asker, server, udp_port, protocol="UDP", service=service, uplink="yes")

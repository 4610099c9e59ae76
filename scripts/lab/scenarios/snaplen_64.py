"""`tcpdump -s 64`: 64 bytes of each packet, just enough on the interfaces, too few on the uplink.

`-i any` writes 20 bytes of its own; IPv4 and TCP headers without options are 40 more: addresses,
ports, sequence numbers and flags are all there, options and payloads are not. `web` calls `api`
through its ClusterIP and `store` on its own node by pod IP, `probe` asks `asked` over UDP.

On the uplink 64 bytes end behind the tunnel's inner Ethernet header: who called is cut off, in
every packet, and the summary says so and to capture more of each.
"""

from cluster import Lab
from nodes import Options
from objects import Port
from services import ServicePort
from truth import within

OPTIONS = Options(snaplen=64)
_CUT = "cut off: the packet inside the tunnel lies beyond the first 64 bytes"


def record(lab: Lab) -> None:
    """Record with 64 bytes a packet."""
    call(lab, {"uplink": _CUT}, within("node-a"))


def call(lab: Lab, far: dict[str, str] | None, near: dict[str, str]) -> None:
    """Calls across the nodes, of which `far` is said to be unknown, and within one, `near`."""
    lab.look_from_all_sides()
    port, udp_port = lab.plan.port(8080), lab.plan.port(5354)
    api = lab.deployment("api", "app", on=("node-b",), ports=(Port(port),))
    service = lab.service("api", "app", ServicePort(80, port))
    store = lab.deployment("store", "app", ports=(Port(port),))
    asked = lab.deployment("asked", "app", on=("node-b",), ports=(Port(udp_port, "UDP"),))
    web, probe = lab.deployment("web", "app"), lab.deployment("probe", "app")

    lab.age(3600)
    lab.start_recording()
    for _ in range(3):
        web.host.call(service, 80)
        web.host.call(store.pod, port)
        probe.host.call(asked.pod, udp_port, protocol="UDP")
    lab.stop_recording()

    edge = lab.truth.edge
    edge(web, api, port, service=service, uplink="yes", unknown=far)
    edge(web, store, port, uplink="no", unknown=near)
    edge(probe, asked, udp_port, protocol="UDP", uplink="yes", unknown=far)

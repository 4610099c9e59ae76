"""Calls that happened, and attempts that did not become calls.

Every client talks to `target` on node-b, from node-a:

- `talker` is answered, closes with FIN; `slammer` is answered, closes with RST: calls.
- `refused` finds a closed port (RST); `rejected` is answered by a firewall with ICMP
  admin-prohibited; `dropped` by a firewall that says nothing.
- `scanner` sends a SYN to the open port and resets the SYN-ACK: a half-open scan.
- `asker` gets a UDP answer: a call. `sender` sends UDP that is never answered; `lost` sends UDP to
  a closed port and gets ICMP port-unreachable.
"""

from cluster import Lab
from nat import firewall
from objects import Port
from workloads import Group

_CLOSED = 8081


def record(lab: Lab) -> None:
    """Make every outcome once, each by a client of its own."""
    port, rejected_port, dropped_port = (lab.plan.port(port) for port in (8080, 8083, 8082))
    udp_port, silent_port = lab.plan.port(8125), lab.plan.port(8127)
    tcp = tuple(Port(number) for number in (port, rejected_port, dropped_port))
    target = lab.deployment("target", "app", on=("node-b",), ports=(*tcp, Port(udp_port, "UDP")))
    target.host.serve(silent_port, protocol="UDP", reply="none")
    address = target.pod.address
    rules = firewall(
        f"ip daddr {address} tcp dport {dropped_port} drop",
        f"ip daddr {address} tcp dport {rejected_port} reject with icmp type admin-prohibited",
    )
    lab.nodes["node-b"].namespace.run("nft", "-f", "-", stdin=rules)
    names = [
        "talker",
        "slammer",
        "refused",
        "rejected",
        "dropped",
        "scanner",
        "asker",
        "sender",
        "lost",
    ]
    client = {name: lab.deployment(name, "app") for name in names}

    lab.start_recording()
    client["talker"].host.call(target.pod, port)
    slammed = client["slammer"].host.open(target.pod, port)
    slammed.send()
    slammed.close(reset=True)
    client["refused"].host.open(target.pod, _CLOSED, expect="refused")
    client["rejected"].host.open(target.pod, rejected_port, timeout=1.5, expect="unreachable")
    client["dropped"].host.open(target.pod, dropped_port, timeout=1.5, expect="timeout")
    client["scanner"].host.half_open(target.pod, port)
    client["asker"].host.call(target.pod, udp_port, protocol="UDP")
    for name, number in (("sender", silent_port), ("lost", _CLOSED)):
        datagrams = client[name].host.open(target.pod, number, protocol="UDP")
        datagrams.send(answered=False)
        datagrams.close()
    lab.stop_recording()

    lab.truth.edge(client["talker"], target, port, uplink="yes")
    lab.truth.edge(client["slammer"], target, port, uplink="yes")
    lab.truth.edge(client["asker"], target, udp_port, protocol="UDP", uplink="yes")
    write_attempts(lab, client, target, port, silent_port)


def write_attempts(
    lab: Lab, client: dict[str, Group], target: Group, port: int, silent_port: int
) -> None:
    """What must stay hidden by default, and how many of it."""
    not_edge = lab.truth.no_edge
    not_edge(client["refused"], target, _CLOSED, "refused")
    not_edge(client["rejected"], target, lab.plan.port(8083), "refused")
    not_edge(client["dropped"], target, lab.plan.port(8082), "unanswered")
    not_edge(client["scanner"], target, port, "probed")
    not_edge(client["sender"], target, silent_port, "unanswered", protocol="UDP")
    not_edge(client["lost"], target, _CLOSED, "refused", protocol="UDP")
    lab.truth.hidden = {"attempts": 6, "refused": 3, "unanswered": 2, "probed": 1}

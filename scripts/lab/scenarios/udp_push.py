"""UDP servers that push after the client has been quiet for longer than conntrack remembers.

The client's entry expires after 30 seconds; the server's push makes a new one, the other way round.
That entry tells nothing of before, and a pause does not turn a flow round.

Asked in the first seconds of the capture, pushed 36 seconds later:
- `device` on node-a → `coap-gw` on node-b, `local` → `near-gw` both on node-a: declared ports.
- `quic-client` on node-a → `quic-api` on node-b through its Service; what is pushed comes from the
  pod's address, which the client does not know: refused.
- `early` on node-a → `dtls-gw` on node-b: declared nowhere, and its first datagram may not have
  been the first.

Asked before the capture only: conntrack's first dump still holds the client's entry.
- `older` on node-a → `old-gw` on node-b: declared nowhere. `sleepy` on node-b → `kept-gw` on
  node-a: declared.

Asked 33 seconds after the start, so that the first datagram was seen, pushed 36 seconds after that:
- `late` on node-a → `late-gw` on node-b: declared nowhere.
"""

import time

from cluster import Lab
from objects import Port
from services import ServicePort
from truth import not_past
from workloads import Group

_FIRST_SECONDS, _EXPIRED = 33.0, 36.0
_QUIC = 8443
_FIRST = "its first datagram came in the first 30 seconds, and no port, rule or dump tells"


def record(lab: Lab) -> None:
    """Ask, be quiet, and push."""
    lab.look_from_all_sides()
    gateway = dict(
        zip(
            ("coap-gw", "near-gw", "dtls-gw", "old-gw", "kept-gw", "late-gw"),
            (lab.plan.port(port) for port in range(5684, 5690)),
            strict=True,
        )
    )
    server = {
        "coap-gw": gateway_on(lab, "coap-gw", "node-b", gateway["coap-gw"], declared=True),
        "near-gw": gateway_on(lab, "near-gw", "node-a", gateway["near-gw"], declared=True),
        "dtls-gw": gateway_on(lab, "dtls-gw", "node-b", gateway["dtls-gw"], declared=False),
        "old-gw": gateway_on(lab, "old-gw", "node-b", gateway["old-gw"], declared=False),
        "kept-gw": gateway_on(lab, "kept-gw", "node-a", gateway["kept-gw"], declared=True),
        "late-gw": gateway_on(lab, "late-gw", "node-b", gateway["late-gw"], declared=False),
    }
    quic = gateway_on(lab, "quic-api", "node-b", lab.plan.port(_QUIC), declared=True)
    quic_service = lab.service("quic-api", "iot", ServicePort(443, lab.plan.port(_QUIC), "UDP"))
    names = ("device", "local", "early", "older", "late", "quic-client")
    client = {name: lab.deployment(name, "iot") for name in names}
    client["sleepy"] = lab.deployment("sleepy", "iot", on=("node-b",))
    pairs = {
        "device": "coap-gw",
        "local": "near-gw",
        "early": "dtls-gw",
        "older": "old-gw",
        "sleepy": "kept-gw",
        "late": "late-gw",
    }

    def ask(name: str) -> None:
        to = pairs[name]
        talks[name] = client[name].host.open(server[to].pod, gateway[to], protocol="UDP")
        talks[name].send()

    def push(*names: str) -> None:
        for name in names:
            server[pairs[name]].host.push(gateway[pairs[name]], protocol="UDP")
            talks[name].answer("got it\n")

    talks = {}
    ask("older")
    ask("sleepy")
    lab.start_recording()
    for name in ("device", "local", "early"):
        ask(name)
    talks["quic-client"] = client["quic-client"].host.open(quic_service, 443, protocol="UDP")
    talks["quic-client"].send()
    time.sleep(_FIRST_SECONDS)
    ask("late")
    time.sleep(_EXPIRED - _FIRST_SECONDS)
    push("device", "local", "early", "older", "sleepy")
    quic.host.push(lab.plan.port(_QUIC), protocol="UDP")
    time.sleep(_FIRST_SECONDS)
    push("late")
    lab.stop_recording()

    def edge(name: str, **how: object) -> None:
        to = pairs[name]
        lab.truth.edge(client[name], server[to], gateway[to], protocol="UDP", **how)  # type: ignore[arg-type]

    edge("device", uplink="yes")
    edge("local", uplink="no", unknown=not_past("node-b"))
    edge("early", uplink="yes", unknown={"recorded": _FIRST})
    edge("older", uplink="conntrack", unknown={"no-conntrack": "only conntrack saw the client ask"})
    edge("sleepy", uplink="yes")
    edge("late", uplink="yes")
    lab.truth.edge(
        client["quic-client"],
        quic,
        lab.plan.port(_QUIC),
        protocol="UDP",
        service=quic_service,
        uplink="yes",
    )


def gateway_on(lab: Lab, name: str, node: str, port: int, *, declared: bool) -> Group:
    """A server that remembers who asked."""
    ports = (Port(port, "UDP"),) if declared else ()
    group = lab.deployment(name, "iot", on=(node,), ports=ports, serve=False)
    group.host.serve_pushing(port, protocol="UDP")
    return group

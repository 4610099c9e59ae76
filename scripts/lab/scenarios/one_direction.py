"""Only what node-a's pods send was recorded: tcpdump ran with `src net` of their range.

Nodes route to each other's pods without a tunnel. From node-a's pods, `caller` and `asker` talk to
`server` on node-b over TCP and UDP, `knocker` to a port that a firewall drops, `refused` to a
closed one; from node-b, `visitor` and `wonderer` talk to `home` on node-a over TCP and UDP.

- `caller` acknowledged its SYN's answer, sent data and FIN: it was answered, though no answer was
  recorded. Not "unanswered".
- Of `visitor`'s call only the server's half is there: SYN-ACK, data, FIN. Data after the SYN-ACK
  says that the client acknowledged it.
- Whether UDP was answered, and in `wonderer`'s case who asked first, nothing says; the summary
  counts them as recorded one way, not as unanswered. `--one-way-udp` would count `asker`'s.
- `knocker` and `refused` sent SYNs only; they are no calls.

The nodes' conntrack tables, which know both directions, were not saved.
"""

from pathlib import Path

from cluster import Lab
from nat import firewall
from nodes import Options
from objects import Port
from topology import Links

OPTIONS = Options(links=Links(overlay=False), capture_filter="src net {pods}.0/24")
_ONE_WAY = "one direction only was recorded: an answer to a datagram cannot be seen"
_CLOSED = 8081


def record(lab: Lab) -> None:
    """Call in both directions, record one."""
    lab.look_from_all_sides()
    port, dropped, udp_port = (lab.plan.port(number) for number in (8080, 8082, 8125))
    both = (Port(port), Port(udp_port, "UDP"))
    server = lab.deployment("server", "app", on=("node-b",), ports=(*both, Port(dropped)))
    home = lab.deployment("home", "app", ports=both)
    names = dict.fromkeys(("caller", "asker", "knocker", "refused"), "node-a")
    names |= {"visitor": "node-b", "wonderer": "node-b"}
    client = {name: lab.deployment(name, "app", on=(node,)) for name, node in names.items()}
    rules = firewall(f"ip daddr {server.pod.address} tcp dport {dropped} drop")
    lab.nodes["node-b"].namespace.run("nft", "-f", "-", stdin=rules)

    lab.age(3600)
    lab.start_recording()
    client["caller"].host.call(server.pod, port)
    client["asker"].host.call(server.pod, udp_port, protocol="UDP")
    client["knocker"].host.open(server.pod, dropped, timeout=1.5, expect="timeout")
    client["refused"].host.open(server.pod, _CLOSED, expect="refused")
    client["visitor"].host.call(home.pod, port)
    client["wonderer"].host.call(home.pod, udp_port, protocol="UDP")
    lab.stop_recording()

    edge, no_edge = lab.truth.edge, lab.truth.no_edge
    edge(client["caller"], server, port, uplink="yes", oneWay="client", connections=1)
    edge(client["visitor"], home, port, uplink="yes", oneWay="server", connections=1)
    unknown = {"recorded": _ONE_WAY, "uplink": _ONE_WAY}
    shown_by = "recording both directions; for the first, --one-way-udp"
    for name, end in (("asker", server), ("wonderer", home)):
        edge(
            *(client[name], end, udp_port),
            protocol="UDP",
            uplink="yes",
            unknown=unknown,
            shownBy=shown_by,
        )
    no_edge(client["knocker"], server, dropped, "unanswered")
    no_edge(client["refused"], server, _CLOSED, "unanswered")
    no_edge(home, client["wonderer"], udp_port, "the answers to wonderer's call", protocol="UDP")


def finish(directory: Path) -> None:
    """Leave out what conntrack said; it knows of both directions."""
    for dump in directory.glob("node/*/conntrack-*"):
        dump.unlink()

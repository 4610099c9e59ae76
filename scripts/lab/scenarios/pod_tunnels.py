"""Datagrams on the ports of tunnels, between two pods: calls like any other.

`peer-a` on node-a asks `peer-b` on node-b and `peer-c` on node-a, which answer, on UDP

- 4789 and 8472 with a VXLAN header and a whole TCP SYN inside, 6081 with a Geneve header and the
  same: the inside says `victim` called `vault`, which never happened, and must not become a call;
- 51820 as WireGuard and 4500 as ESP in UDP: pods' VPNs.

`gamer` asks `game` on 8472 with five bytes that are no VXLAN header at all. `beacon` sends one
VXLAN-shaped datagram to `peer-b` that nothing answers.
"""

from cluster import Lab
from objects import Port
from truth import within
from tunnelled import esp, geneve, vxlan, wireguard

_VXLAN, _FLANNEL, _GENEVE, _WIREGUARD, _ESP = 4789, 8472, 6081, 51820, 4500


def record(lab: Lab) -> None:
    """Send datagrams of every shape between pods of two nodes and of one."""
    lab.look_from_all_sides()
    inside = lab.plan.port(8200)
    udp = tuple(Port(p, "UDP") for p in (_VXLAN, _FLANNEL, _GENEVE, _WIREGUARD, _ESP))
    peers = [
        lab.deployment("peer-b", "vpn", on=("node-b",), ports=udp),
        lab.deployment("peer-c", "vpn", on=("node-a",), ports=udp),
    ]
    asker, beacon = lab.deployment("peer-a", "vpn"), lab.deployment("beacon", "vpn")
    victim = lab.deployment("victim", "app", on=("node-b",))
    vault = lab.deployment("vault", "app", ports=(Port(inside),))
    game = lab.deployment("game", "play", on=("node-b",), ports=(Port(_FLANNEL, "UDP"),))
    gamer = lab.deployment("gamer", "play")
    silent = lab.deployment(
        "silent", "vpn", on=("node-b",), ports=(Port(_VXLAN, "UDP"),), reply="none"
    )
    forged = (victim.pod.address, vault.pod.address, inside)
    shapes = {
        _VXLAN: vxlan(*forged),
        _FLANNEL: vxlan(*forged),
        _GENEVE: geneve(*forged),
        _WIREGUARD: wireguard(),
        _ESP: esp(),
    }

    lab.age(3600)
    lab.start_recording()
    for peer in peers:
        for port, payload in shapes.items():
            asker.host.call(peer.pod, port, protocol="UDP", request=payload)
    gamer.host.call(game.pod, _FLANNEL, protocol="UDP", request="jump\n")
    lost = beacon.host.open(silent.pod, _VXLAN, protocol="UDP")
    lost.send(vxlan(*forged), answered=False)
    lost.close()
    lab.stop_recording()

    edge = lab.truth.edge
    for peer, crosses in zip(peers, ("yes", "no"), strict=True):
        unseen = within("node-a") if crosses == "no" else {}
        for port in shapes:
            edge(
                *(asker, peer, port),
                protocol="UDP",
                uplink=crosses,
                unknown=unseen,
                connections=1,
            )
    edge(gamer, game, _FLANNEL, protocol="UDP", uplink="yes", connections=1)
    lab.truth.no_edge(victim, vault, inside, "inside a tunnel that a pod made")
    lab.truth.no_edge(beacon, silent, _VXLAN, "unanswered", protocol="UDP")

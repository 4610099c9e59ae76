"""hostPorts of ordinary pods: the node's address and port lead to a pod on that node.

The portmap plugin's rule, destination NAT for the node's own addresses; the source stays.

- `edge`, a DaemonSet, has hostPort 8081 for its port 8080. `far` on node-a calls it at node-b,
  `own` on node-b at node-b, `here` on node-a at node-a.
- `game` on node-b has UDP hostPort 7777 for its port 7000; `player` on node-a calls it.
- Somebody outside calls node-b:8081.

With only node-a captured, what is left of the calls to node-b is the node's address and the
hostPort, which the snapshot gives to one pod of that node.
"""

from cluster import Lab
from nodes import outside_workload
from objects import Port
from truth import masqueraded_at, not_past


def record(lab: Lab) -> None:
    """Call by node address and hostPort."""
    lab.look_from_all_sides("no-nodes", "no-nodes+only-node-a")
    port, host_port, game_port, game_host_port = (
        lab.plan.port(number) for number in (8080, 8081, 7000, 7777)
    )
    node_a, node_b = lab.nodes["node-a"], lab.nodes["node-b"]
    edge_proxy = lab.daemonset("edge", "web", ports=(Port(port, host_port=host_port),))
    game = lab.deployment(
        "game", "web", on=("node-b",), ports=(Port(game_port, "UDP", host_port=game_host_port),)
    )
    far, here, player = (lab.deployment(name, "web") for name in ("far", "here", "player"))
    own = lab.deployment("own", "web", on=("node-b",))

    lab.start_recording()
    far.host.call(node_b, host_port)
    own.host.call(node_b, host_port)
    here.host.call(node_a, host_port)
    player.host.call(node_b, game_host_port, protocol="UDP")
    lab.outside.call(node_b, host_port)
    lab.stop_recording()

    edge, on_b = lab.truth.edge, masqueraded_at("node-b")
    edge(far, edge_proxy, port, uplink="conntrack", unknown=on_b)
    edge(own, edge_proxy, port, uplink="no", unknown=not_past("node-a"))
    edge(here, edge_proxy, port, uplink="no", unknown=not_past("node-b"))
    edge(player, game, game_port, protocol="UDP", uplink="conntrack", unknown=on_b)
    lab.truth.no_edge(outside_workload(), edge_proxy, port, "external-source")

"""`servicelb`, entered from pods: each call is two calls between workloads.

`browser` on node-b calls port 80 of node-a, `shopper` on node-a that of its own node, and `direct`
on node-a calls the pod of `svclb-traefik` on node-b by its IP.
"""

from cluster import Lab
from truth import masqueraded_at, within

from scenarios.servicelb import balanced


def record(lab: Lab) -> None:
    """Enter by hostPorts and by a pod IP."""
    lab.look_from_all_sides()
    port = lab.plan.port(8000)
    svclb, traefik, service = balanced(lab, port)
    on = {"browser": "node-b", "shopper": "node-a", "direct": "node-a"}
    client = {name: lab.deployment(name, "app", on=(node,)) for name, node in on.items()}

    lab.age(3600)
    lab.start_recording()
    client["browser"].host.call(lab.nodes["node-a"], 80)
    client["shopper"].host.call(lab.nodes["node-a"], 80)
    client["direct"].host.call(svclb.pods[1], 80)
    lab.stop_recording()

    edge, no_edge = lab.truth.edge, lab.truth.no_edge
    edge(
        client["browser"],
        svclb,
        80,
        uplink="conntrack",
        unknown=masqueraded_at("node-a"),
        connections=1,
    )
    edge(client["shopper"], svclb, 80, uplink="no", unknown=within("node-a"), connections=1)
    edge(client["direct"], svclb, 80, uplink="yes", connections=1)
    edge(svclb, traefik, port, service=service, uplink="yes", connections=3)
    no_edge(svclb, svclb, 80, "two connections of a relay")
    for each in client.values():
        no_edge(each, traefik, port, "two connections of a relay")

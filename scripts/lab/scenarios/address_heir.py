"""A killed pod's address goes to another pod while the peer still sends, and the heir answers.

The heir's kernel knows nothing of the connection and sends RST: the address sends in two pods'
times. On the address's own node its source MAC and its interface change with the owner, and what
the RST answers was no call of the heir.

- `victim` on node-a called `peer` on node-b; killed; `heir` has its address; `peer` pushes.
- `caller` on node-b called `first` on node-a; killed; `second` has its address and serves the same
  port; `caller` asks again and is reset, then calls `second`.
- The same with `near` and `third`, `fourth`, all on node-a.
- Each heir calls `other` on node-b.
"""

import time

from cluster import Lab
from objects import Port
from truth import NO_MAC, not_past
from workloads import Group

_QUIET = 3.0
_DELETED = "the snapshot at the end lacks the pod that was deleted"


def record(lab: Lab) -> None:
    """Open, kill, let another have the address, and send on."""
    lab.look_from_all_sides()
    port, other_port = lab.plan.port(8080), lab.plan.port(9000)
    other = lab.deployment("other", "app", on=("node-b",), ports=(Port(other_port),))
    peer = lab.deployment("peer", "app", on=("node-b",), ports=(Port(port),), serve=False)
    peer.host.serve_pushing(port)
    first, third = (lab.deployment(name, "app", ports=(Port(port),)) for name in ("first", "third"))
    victim, near = lab.deployment("victim", "app"), lab.deployment("near", "app")
    caller = lab.deployment("caller", "app", on=("node-b",))

    lab.start_recording()
    pushed = victim.host.open(peer.pod, port)
    calling, nearly = caller.host.open(first.pod, port), near.host.open(third.pod, port)
    for connection in (pushed, calling, nearly):
        connection.send()
    time.sleep(0.5)
    heirs: list[Group] = []
    for old, name in ((victim, "heir"), (first, "second"), (third, "fourth")):
        lab.cut_off(old.pod)
        ports = () if old is victim else (Port(port),)
        time.sleep(_QUIET)
        heirs.append(lab.deployment(name, "app", address_of=old.pod, ports=ports))
    _, second, fourth = heirs
    near.host.namespace.run("ip", "neigh", "flush", "dev", "eth0")  # as a gratuitous ARP would
    time.sleep(_QUIET)
    peer.host.push(port)
    for connection in (calling, nearly):
        connection.send(answered=False)
    time.sleep(1)
    caller.host.call(second.pod, port)
    near.host.call(fourth.pod, port)
    for each in heirs:
        each.host.call(other.pod, other_port)
    lab.stop_recording()

    edge = lab.truth.edge
    gone = {"no-watch": _DELETED, "uplink": NO_MAC}
    edge(victim, peer, port, uplink="yes", unknown=gone | {"only-node-b": NO_MAC})
    edge(caller, first, port, uplink="yes", unknown=gone | {"only-node-b": NO_MAC})
    edge(near, third, port, uplink="no", unknown=gone | not_past("node-b"))
    edge(caller, second, port, uplink="yes")
    edge(near, fourth, port, uplink="no", unknown=not_past("node-b"))
    for each in heirs:
        edge(each, other, other_port, uplink="yes")

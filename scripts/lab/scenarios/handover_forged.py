"""No address changes hands, but two pods forge packets that look as if one did.

`victim` on node-a calls `audit` and is called by `probe`, before and after. In between, `forger` on
its node and `far-forger` on node-b each send a SYN with `victim`'s address to `vault`, which never
calls anybody: the address's MAC address, interface and node differ for one packet, and are the old
ones again. The SYN-ACK goes to `victim`, which resets it.

A packet that anybody can send does not take an address away from its pod: every call of `victim` is
known, with a watch and without. The forged SYNs are `victim`'s probes, as far as anyone can tell,
and no calls.
"""

import time

from cluster import Lab
from objects import Port

from scenarios.handover import ports

_STEP = 1.0


def record(lab: Lab) -> None:
    """Call, forge, and call again."""
    lab.look_from_all_sides()
    first, second = ports(lab)
    vault_port = lab.plan.port(8200)
    both = (Port(first.audit), Port(second.audit))
    audit = lab.deployment("audit", "app", on=("node-b",), ports=both)
    vault = lab.deployment("vault", "app", on=("node-b",), ports=(Port(vault_port),))
    probe = lab.deployment("probe", "app", on=("node-b",))
    victim = lab.deployment("victim", "app", ports=(Port(first.own), Port(second.own)))
    forgers = [
        lab.deployment("forger", "evil"),
        lab.deployment("far-forger", "evil", on=("node-b",)),
    ]

    lab.age(3600)
    lab.start_recording()
    for use in (first, second):
        victim.host.call(audit.pod, use.audit)
        probe.host.call(victim.pod, use.own)
        time.sleep(_STEP)
        if use is first:
            for forger in forgers:
                forger.host.half_open(vault.pod, vault_port, source=victim.pod.address)
            time.sleep(_STEP)
    lab.stop_recording()

    for use in (first, second):
        lab.truth.edge(victim, audit, use.audit, uplink="yes", connections=1)
        lab.truth.edge(probe, victim, use.own, uplink="yes", connections=1)
    lab.truth.no_edge(victim, vault, vault_port, "probed")

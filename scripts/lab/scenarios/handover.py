"""An address changes hands within a second, on a bridge; the pods' own MAC addresses tell when.

On each node a pod of `old` calls `audit`, is called by `probe`, and is deleted; a pod of `new` gets
its address at once and does the same, with other ports. All of it lies within the time that clocks
and watches may be off by, so the snapshot alone cannot say whose call it was. The source MAC of the
address, as its own node records it, changes between the two: that is the moment.

On the uplink there is only the MAC of flannel.1, and nothing tells: the calls that cross it are
ambiguous between the two.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cluster import Lab
from objects import Port
from truth import NO_MAC, within
from workloads import Group

_AT_ONCE = 0.2
_QUIET = 4.0
GONE = "the pod was gone when the snapshot was taken"


def only_near(here: str) -> dict[str, str]:
    """A call whose owner of the address only the interfaces of one node, of two, tell."""
    there = "node-b" if here == "node-a" else "node-a"
    return {"uplink": NO_MAC, f"only-{there}": NO_MAC}


@dataclass(frozen=True, slots=True)
class Ports:
    """What one owner of an address serves on, and the port of `audit` that it calls."""

    own: int
    audit: int


def ports(lab: Lab) -> tuple[Ports, Ports]:
    """The first and the second owner's: a call given to the wrong one shows."""
    port = lab.plan.port
    return Ports(port(8080), port(9000)), Ports(port(8081), port(9001))


def listening(lab: Lab) -> tuple[Port, ...]:
    """What `audit` serves on."""
    return tuple(Port(use.audit) for use in ports(lab))


def record(lab: Lab) -> None:
    """Hand an address over on either node."""
    lab.look_from_all_sides()
    hand_over(lab, {})


def hand_over(
    lab: Lab,
    never: dict[str, str],
    *,
    family: int = 0,
    before: Callable[[], None] = lambda: None,
) -> None:
    """Do so after what is to be before, and say why calls are never known, where so it is.

    `family` is the place of the address that is called among a pod's.
    """
    first, second = ports(lab)
    sides = (("a", "node-a", "node-b"), ("b", "node-b", "node-a"))
    audit, probe, near, old = ({} for _ in range(4))
    for side, here, there in sides:
        audit[side] = lab.deployment(f"audit-{side}", "app", on=(there,), ports=listening(lab))
        probe[side] = lab.deployment(f"probe-{side}", "app", on=(there,))
        near[side] = lab.deployment(f"near-{side}", "app", on=(here,))
        old[side] = lab.deployment(f"old-{side}", "app", on=(here,), ports=(Port(first.own),))

    def exchange(owner: Group, side: str, use: Ports, gone: dict[str, str]) -> None:
        """Call and be called, from the other node and from the same one."""
        owner.host.call(audit[side].pod.addresses[family], use.audit)
        probe[side].host.call(owner.pod.addresses[family], use.own)
        near[side].host.call(owner.pod.addresses[family], use.own)
        edge = lab.truth.edge
        here = owner.pod.node
        unknown = only_near(here) | gone | never
        edge(owner, audit[side], use.audit, uplink="yes", unknown=unknown)
        edge(probe[side], owner, use.own, uplink="yes", unknown=unknown)
        edge(near[side], owner, use.own, uplink="no", unknown=within(here) | gone | never)

    lab.age(3600)
    lab.start_recording()
    before()
    time.sleep(_QUIET)
    for side, here, _ in sides:
        exchange(old[side], side, first, {"no-watch": GONE})
        time.sleep(_AT_ONCE)
        lab.delete_pod(old[side].pod)
        new = lab.deployment(
            f"new-{side}", "app", on=(here,), ports=(Port(second.own),), address_of=old[side].pod
        )
        time.sleep(_AT_ONCE)
        exchange(new, side, second, {})
    time.sleep(_QUIET)
    lab.stop_recording()

"""A snapshot taken once, before the packets: it knows only who had the addresses then.

On each node a pod of `old` calls `audit` and is called by `probe`; then it is deleted, and a pod of
`new` gets its address and does the same with other ports, seconds later. `steady` keeps its address
and calls `audit` before and after. The snapshot, as `kubectl get` printed it, was taken at the
start: it has `old` and nothing of `new`.

That `new`'s calls are not `old`'s shows in the packets: the MAC address of the address changed in
between. Whose they are, nothing in the directory says. On the uplink alone nothing contradicts the
snapshot: the summary has to say that it is a single point in time and names can be wrong.
"""

import time

from cluster import Lab
from objects import Port
from workloads import Group

from scenarios.handover import Ports, listening, ports

_QUIET = 3.0
_WHY = "unresolved: the snapshot was taken before this pod was there"
_SHOWN_BY = "a watch, or a snapshot taken at the end as well"
_STALE = "unresolved: the address changed hands after the snapshot"
_UNCONTRADICTED = "no packet contradicts the snapshot; the summary says that names can be wrong"


def record(lab: Lab) -> None:
    """Take the snapshot first, hand addresses over then."""
    lab.look_without_watch()
    first, second = ports(lab)
    sides = (("a", "node-a", "node-b"), ("b", "node-b", "node-a"))
    audit, probe, steady, old, new = ({} for _ in range(5))
    for side, here, there in sides:
        audit[side] = lab.deployment(f"audit-{side}", "app", on=(there,), ports=listening(lab))
        probe[side] = lab.deployment(f"probe-{side}", "app", on=(there,))
        steady[side] = lab.deployment(f"steady-{side}", "app", on=(here,))
        old[side] = lab.deployment(f"old-{side}", "app", on=(here,), ports=(Port(first.own),))

    def exchange(owner: Group, side: str, use: Ports) -> None:
        owner.host.call(audit[side].pod, use.audit)
        probe[side].host.call(owner.pod, use.own)
        steady[side].host.call(audit[side].pod, first.audit)

    lab.age(3600)
    early = lab.kubectl()
    lab.start_recording()
    for side, _, _ in sides:
        exchange(old[side], side, first)
    time.sleep(_QUIET)
    for side, here, _ in sides:
        lab.delete_pod(old[side].pod)
        new[side] = lab.deployment(
            f"new-{side}", "app", on=(here,), ports=(Port(second.own),), address_of=old[side].pod
        )
    time.sleep(_QUIET)
    for side, _, _ in sides:
        exchange(new[side], side, second)
    lab.stop_recording(snapshot=early)

    edge, no_edge = lab.truth.edge, lab.truth.no_edge
    nobody = {"recorded": _WHY, "uplink": _WHY}
    for side, _, there in sides:
        believed = {"uplink": _UNCONTRADICTED, f"only-{there}": _UNCONTRADICTED}
        edge(steady[side], audit[side], first.audit, uplink="yes", connections=2)
        edge(old[side], audit[side], first.audit, uplink="yes", connections=1)
        edge(probe[side], old[side], first.own, uplink="yes", connections=1)
        no_edge(old[side], audit[side], second.audit, _STALE, believed=believed)
        no_edge(probe[side], old[side], second.own, _STALE, believed=believed)
        edge(new[side], audit[side], second.audit, uplink="yes", unknown=nobody, shownBy=_SHOWN_BY)
        edge(probe[side], new[side], second.own, uplink="yes", unknown=nobody, shownBy=_SHOWN_BY)

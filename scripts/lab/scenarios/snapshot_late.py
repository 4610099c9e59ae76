"""A snapshot taken once, after the packets: whoever is gone by then is not in it.

On each node a pod of `old` calls `audit` and is called by `probe`; it is deleted, and a pod of
`new` gets its address and does the same with other ports: on node-a seconds later, on node-b at
once. The snapshot, as `kubectl get` printed it, was taken at the end: it has `new`, with the second
in which its address was given to it, and nothing of `old`.

The calls on node-b lie within the slack of that second. The MAC address of the address changed
between them, so the earlier ones were not `new`'s, and the later ones were. On the uplink nothing
tells: what the snapshot says of that second may be believed, and the summary says that names can be
wrong.
"""

import time

from cluster import Lab
from objects import Port
from workloads import Group

from scenarios.handover import Ports, listening, ports

_QUIET, _AT_ONCE = 5.0, 0.2
_GONE = "unresolved: the snapshot was taken when this pod was gone"
_SHOWN_BY = "a watch, or a snapshot taken at the start as well"
_EARLIER = "unresolved: it was another's call before the address changed hands"
_SECOND = "within the second in which the snapshot says that the pod got its address"
_CLOSE = "ambiguous: within the slack of the second in which the pod got its address"


def record(lab: Lab) -> None:
    """Hand an address over on either node, and take the snapshot at the end."""
    lab.look_without_watch()
    first, second = ports(lab)
    sides = (("a", "node-a", "node-b", _QUIET), ("b", "node-b", "node-a", _AT_ONCE))
    audit, probe, old = ({} for _ in range(3))
    for side, here, there, _ in sides:
        audit[side] = lab.deployment(f"audit-{side}", "app", on=(there,), ports=listening(lab))
        probe[side] = lab.deployment(f"probe-{side}", "app", on=(there,))
        old[side] = lab.deployment(f"old-{side}", "app", on=(here,), ports=(Port(first.own),))

    def exchange(owner: Group, side: str, use: Ports, **unknown: dict[str, str] | str) -> None:
        owner.host.call(audit[side].pod, use.audit)
        probe[side].host.call(owner.pod, use.own)
        lab.truth.edge(owner, audit[side], use.audit, uplink="yes", **unknown)
        lab.truth.edge(probe[side], owner, use.own, uplink="yes", **unknown)

    lab.age(3600)
    lab.start_recording()
    for side, here, _, pause in sides:
        gone = {"recorded": _GONE, "uplink": _GONE}
        exchange(old[side], side, first, unknown=gone, shownBy=_SHOWN_BY)
        time.sleep(pause)
        lab.delete_pod(old[side].pod)
        new = lab.deployment(
            f"new-{side}", "app", on=(here,), ports=(Port(second.own),), address_of=old[side].pod
        )
        time.sleep(pause)
        close = {} if side == "a" else {"unknown": {"uplink": _CLOSE, "only-node-a": _CLOSE}}
        exchange(new, side, second, **close)
    lab.stop_recording(snapshot=lab.kubectl())

    believed = {"uplink": _SECOND, "only-node-a": _SECOND}
    lab.truth.no_edge(new, audit["b"], first.audit, _EARLIER, believed=believed)
    lab.truth.no_edge(probe["b"], new, first.own, _EARLIER, believed=believed)

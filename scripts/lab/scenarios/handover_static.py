"""Addresses that changed hands, and a snapshot taken once, at the end, as `kubectl get` prints it.

On each node a Job's pod calls `audit` and finishes; its object stays, Succeeded. A pod of `new`
gets its address at once and calls `audit` too. Each calls `echo` on its own node as well, on a port
of its own. The object's times have whole seconds, and all lies within the slack of them: the pods'
MAC addresses, as their own node records them, tell who was who.

On the uplink there is no pod's MAC address, and nothing tells.
"""

import time

from cluster import Lab
from objects import Port
from truth import within
from workloads import Group

from scenarios.handover import Ports, listening, only_near, ports

_QUIET, _AT_ONCE = 4.0, 0.3


def record(lab: Lab) -> None:
    """Let a Job finish and a Deployment's pod take its address, on either node."""
    lab.look_without_watch()
    first, second = ports(lab)
    sides = (("a", "node-a", "node-b"), ("b", "node-b", "node-a"))
    audit = {
        side: lab.deployment(f"audit-{side}", "app", on=(there,), ports=listening(lab))
        for side, _, there in sides
    }
    echo = {
        side: lab.deployment(
            f"echo-{side}", "app", on=(here,), ports=(Port(first.own), Port(second.own))
        )
        for side, here, _ in sides
    }
    jobs = {side: lab.cronjob(f"nightly-{side}", "app", on=here) for side, here, _ in sides}

    def exchange(owner: Group, side: str, use: Ports) -> None:
        owner.host.call(audit[side].pod, use.audit)
        owner.host.call(echo[side].pod, use.own)
        here = owner.pod.node
        lab.truth.edge(owner, audit[side], use.audit, uplink="yes", unknown=only_near(here))
        lab.truth.edge(owner, echo[side], use.own, uplink="no", unknown=within(here))

    lab.age(3600)
    lab.start_recording()
    time.sleep(_QUIET)
    for side, here, _ in sides:
        exchange(jobs[side], side, first)
        time.sleep(_AT_ONCE)
        lab.finish_pod(jobs[side].pod)
        new = lab.deployment(f"new-{side}", "app", on=(here,), address_of=jobs[side].pod)
        time.sleep(_AT_ONCE)
        exchange(new, side, second)
    time.sleep(_QUIET)
    lab.stop_recording(snapshot=lab.kubectl())

"""Evicted during the capture: a pod that calls, fails without a finish time, and gets an heir.

- `victim` on node-a calls `audit` on node-b, is called by `probe` on node-b, and is evicted:
  Failed, no container status, no time but that of its conditions. Four seconds later `heir` has the
  address and does the same.
- `crashed` on node-b calls `audit` too, and dies with ContainerStatusUnknown; four seconds later
  `next` has its address and calls `audit`.

No PodReadyToStartContainers (before 1.29). Between the end of one and the start of the other more
than two seconds pass, also in the whole seconds of the API.
"""

import time

import dead
from cluster import Lab
from objects import Port
from services import ServicePort
from truth import not_past

_QUIET = 4.0


def record(lab: Lab) -> None:
    """Call, be evicted, and let the next one call."""
    lab.look_from_all_sides()
    http, audit_port = lab.plan.port(8080), lab.plan.port(9000)
    audit = lab.deployment("audit", "app", on=("node-b",), ports=(Port(audit_port),))
    service = lab.service("audit", "app", ServicePort(audit_port, audit_port))
    probe = lab.deployment("probe", "app", on=("node-b",))
    victim = lab.deployment("victim", "app", ports=(Port(http),))
    crashed = lab.deployment("crashed", "app", on=("node-b",))

    lab.start_recording()
    for group in (victim, crashed):
        group.host.call(service, audit_port)
    probe.host.call(victim.pod, http)
    time.sleep(_QUIET)
    for group in (victim, crashed):
        lab.fail_pod(group.pod)
    dead.evicted(victim.pod.document, time.time())
    dead.rebooted(crashed.pod.document, time.time(), disruption=False)
    time.sleep(_QUIET)
    heir = lab.deployment("heir", "app", ports=(Port(http),), address_of=victim.pod)
    after = lab.deployment("next", "app", on=("node-b",), address_of=crashed.pod)
    time.sleep(_QUIET)
    for group in (heir, after):
        group.host.call(service, audit_port)
    probe.host.call(heir.pod, http)
    lab.stop_recording()

    edge, near = lab.truth.edge, not_past("node-a")
    edge(victim, audit, audit_port, service=service, uplink="yes")
    edge(heir, audit, audit_port, service=service, uplink="yes")
    edge(probe, victim, http, uplink="yes")
    edge(probe, heir, http, uplink="yes")
    edge(crashed, audit, audit_port, service=service, uplink="no", unknown=near)
    edge(after, audit, audit_port, service=service, uplink="no", unknown=near)

"""One address, two pods in turn: a pod of `old` is deleted and one of `new` gets its IP.

Each of the two calls `audit` while it has the address, and is called by `probe`. Four seconds lie
between the old pod's last call and the new pod's start, and before the new pod's first call, so
that no call is within two seconds of the change. `probe` also starts a connection to the address
while nobody has it, which nothing answers.
"""

import time

from cluster import Lab
from objects import Port
from services import ServicePort
from truth import Workload
from workloads import Group

_QUIET = 4.0


def record(lab: Lab) -> None:
    """Let two workloads use one address, one after the other."""
    port, audit_port = lab.plan.port(8080), lab.plan.port(9000)
    audit = lab.deployment("audit", "app", on=("node-b",), ports=(Port(audit_port),))
    audit_service = lab.service("audit", "app", ServicePort(audit_port, audit_port))
    probe = lab.deployment("probe", "app", on=("node-b",))
    old = lab.deployment("old", "app", ports=(Port(port),))

    def exchange(owner: Group) -> None:
        owner.host.call(audit_service, audit_port)
        probe.host.call(owner.pod, port)
        lab.truth.edge(owner, audit, audit_port, service=audit_service, uplink="yes")

    lab.start_recording()
    exchange(old)
    lab.truth.edge(probe, old, port, uplink="yes")
    time.sleep(_QUIET)
    lab.delete_pod(old.pod)
    probe.host.open(old.pod, port, timeout=1.5, expect="timeout")
    nobody = Workload(old.pod.address, "", "Unknown")
    lab.truth.no_edge(probe, nobody, port, "unanswered; nobody has the address")
    time.sleep(_QUIET)
    new = lab.deployment("new", "app", ports=(Port(port),), address_of=old.pod)
    time.sleep(_QUIET)
    exchange(new)
    lab.truth.edge(probe, new, port, uplink="yes")
    lab.stop_recording()

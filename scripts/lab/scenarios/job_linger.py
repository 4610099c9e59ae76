"""Jobs that end while their server still has something to say: the last packet is not the call.

Each Job's pod calls, sends its FIN and is gone; its server closes five seconds later, to an address
that nobody has any more. A pod that is gone sends nothing: the call was made while it was there.

- `nightly` on node-a calls `archive` on node-b through a Service, `hourly` calls it directly.
- `local` calls `ledger`, both on node-a.
- `backup` on node-b calls `ledger` on node-a.
- `weekly` on node-a calls `archive`; three seconds later `heir` has the address, and gets the late
  FIN, which its kernel answers with RST. `heir` calls `ledger`.

The finished pods stay in the API as Succeeded.
"""

import time

from cluster import Lab
from objects import Port
from services import ServicePort
from truth import NO_MAC, not_past

_LINGER, _HEIR_COMES, _REST = 5.0, 3.0, 3.5


def record(lab: Lab) -> None:
    """Call, end, and let the servers close late."""
    lab.look_from_all_sides()
    port = lab.plan.port(7000)
    archive = lab.deployment("archive", "app", on=("node-b",), ports=(Port(port),), serve=False)
    ledger = lab.deployment("ledger", "app", ports=(Port(port),), serve=False)
    for server in (archive, ledger):
        server.host.serve(port, lingers=_LINGER)
    archive_service = lab.service("archive", "app", ServicePort(80, port))
    nightly, hourly, local, weekly = (
        lab.cronjob(name, "jobs") for name in ("nightly", "hourly", "local", "weekly")
    )
    backup = lab.cronjob("backup", "jobs", on="node-b")
    calls = [
        (nightly, archive_service, 80),
        (hourly, archive.pod, port),
        (local, ledger.pod, port),
        (backup, ledger.pod, port),
        (weekly, archive.pod, port),
    ]

    lab.start_recording()
    for job, target, target_port in calls:
        connection = job.host.open(target, target_port)
        connection.send()
        connection.close(at_once=True)
    time.sleep(0.2)
    for job, _, _ in calls:
        lab.finish_pod(job.pod)
    time.sleep(_HEIR_COMES)
    heir = lab.deployment("heir", "app", address_of=weekly.pod)
    time.sleep(_REST)
    late = heir.host.open(ledger.pod, port)
    late.send()
    late.close(reset=True)
    lab.stop_recording()

    edge = lab.truth.edge
    edge(nightly, archive, port, service=archive_service, uplink="yes")
    edge(hourly, archive, port, uplink="yes")
    edge(local, ledger, port, uplink="no", unknown=not_past("node-b"))
    edge(backup, ledger, port, uplink="yes")
    edge(
        weekly,
        archive,
        port,
        uplink="yes",
        unknown={"uplink": NO_MAC, "only-node-b": NO_MAC},
    )
    edge(heir, ledger, port, uplink="no", unknown=not_past("node-b"))

"""Failed pods without a finish time still name their addresses, which live pods have had for hours.

The snapshot is of a cluster older than 1.29 (no PodReadyToStartContainers); the watch found the
dead pods when it began, and saw no end of theirs. Dead is since when Ready turned False.

- A reboot of node-a three days ago: `web` has the address of a pod of `report`, `api` that of
  `batch` (containers ContainerStatusUnknown, `finishedAt` null).
- A crash of node-b eleven hours ago, the same without a word of why: `client` has the address of
  `ghost`, and so has nobody else since.
- Evictions on node-b an hour ago, no container status at all: `db` has the address of `hungry`.
- `worker` on node-a has the address of an older pod of `worker` itself: one workload.
- `brief` on node-a has the address of `phantom`, dead since the reboot. It calls `sink` and is
  deleted: a snapshot without a watch knows only the dead pod of that address.
- `idle` died in the reboot, and nobody has its address; `client` asks there, in vain.

`web` → `db` through a Service, `client` → `api`, `worker` → `api`.
"""

import dead
from cluster import Lab
from objects import Port
from services import ServicePort
from truth import Workload, not_past

_REBOOT, _CRASH, _EVICTION, _BORN = 72.0, 11.0, 1.0, 100.0


def record(lab: Lab) -> None:
    """Let the live ones call each other."""
    lab.look_from_all_sides()
    http, sql = lab.plan.port(8080), lab.plan.port(5432)
    db = lab.deployment("db", "app", on=("node-b",), ports=(Port(sql),))
    api = lab.deployment("api", "app", ports=(Port(http),))
    web, worker = lab.deployment("web", "app"), lab.deployment("worker", "app")
    brief = lab.deployment("brief", "app")
    client = lab.deployment("client", "app", on=("node-b",))
    sink = lab.deployment("sink", "app", on=("node-b",), ports=(Port(http),))
    free = lab.deployment("free", "app")
    service = lab.service("db", "app", ServicePort(sql, sql))
    born = dead.hours_ago(_BORN)
    for name, heir, node in (
        ("report", web, "node-a"),
        ("batch", api, "node-a"),
        ("idle", free, "node-a"),
        ("phantom", brief, "node-a"),
    ):
        gone = lab.past_pod(name, "batch", heir.pod, node, born)
        dead.rebooted(gone.document, dead.hours_ago(_REBOOT))
    older = lab.past_pod("worker", "app", worker.pod, "node-a", born)
    dead.rebooted(older.document, dead.hours_ago(_REBOOT))
    ghost = lab.past_pod("ghost", "batch", client.pod, "node-b", born)
    dead.rebooted(ghost.document, dead.hours_ago(_CRASH), disruption=False)
    hungry = lab.past_pod("hungry", "batch", db.pod, "node-b", born)
    dead.evicted(hungry.document, dead.hours_ago(_EVICTION))
    lab.forget_pod(free.pod)

    lab.start_recording()
    web.host.call(service, sql)
    client.host.call(api.pod, http)
    worker.host.call(api.pod, http)
    brief.host.call(sink.pod, http)
    lab.delete_pod(brief.pod)
    client.host.open(free.pod, http, timeout=1.5, expect="timeout")
    lab.stop_recording()

    lab.truth.edge(web, db, sql, service=service, uplink="yes")
    lab.truth.edge(client, api, http, uplink="yes")
    lab.truth.edge(worker, api, http, uplink="no", unknown=not_past("node-b"))
    gone = {"no-watch": "the snapshot at the end lacks the pod that was deleted"}
    lab.truth.edge(brief, sink, http, uplink="yes", unknown=gone)
    nobody = Workload(free.pod.address, "", "Unknown")
    lab.truth.no_edge(client, nobody, http, "unanswered; nobody has the address")

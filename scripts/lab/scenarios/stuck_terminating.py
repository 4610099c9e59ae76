"""Deleted pods that never go: a finalizer keeps the object, and its address is another's.

All have a deletionTimestamp of eleven hours ago.

- `done`: phase Failed, a finish time; `web` has its address. `lost`: Failed, no finish time; `api`
  has its. `frozen`: phase still Running, the sandbox gone (PodReadyToStartContainers False);
  `client` has its.
- `draining` on node-b is Terminating too, but alive: its grace period is long, nobody else has its
  address, and `web` calls it.

`web` → `api` through a Service, `client` → `api`, `client` → `web`.
"""

import dead
import objects
from cluster import Lab
from objects import Port
from services import ServicePort

_BORN, _DELETED = 100.0, 11.0


def record(lab: Lab) -> None:
    """Let the live ones call each other."""
    lab.look_from_all_sides()
    http, admin = lab.plan.port(8080), lab.plan.port(9000)
    web, api = (lab.deployment(name, "app", ports=(Port(http),)) for name in ("web", "api"))
    client = lab.deployment("client", "app", on=("node-b",))
    draining = lab.deployment("draining", "app", on=("node-b",), ports=(Port(admin),))
    service = lab.service("api", "app", ServicePort(80, http))
    born, deleted = dead.hours_ago(_BORN), dead.hours_ago(_DELETED)
    done = lab.past_pod("done", "batch", web.pod, "node-a", born)
    objects.end_pod(done.document, deleted, "Failed")
    lost = lab.past_pod("lost", "batch", api.pod, "node-a", born)
    dead.rebooted(lost.document, deleted, disruption=False)
    frozen = lab.past_pod("frozen", "batch", client.pod, "node-b", born)
    dead.stopped(frozen.document, deleted)
    for pod in (done, lost, frozen):
        dead.terminating(pod.document, deleted)
    dead.terminating(draining.pod.document, dead.hours_ago(0))

    lab.start_recording()
    web.host.call(service, 80)
    client.host.call(api.pod, http)
    client.host.call(web.pod, http)
    web.host.call(draining.pod, admin)
    lab.stop_recording()

    edge = lab.truth.edge
    edge(
        web,
        api,
        http,
        service=service,
        uplink="no",
        unknown={"only-node-b": "not one packet of it passes node-b"},
    )
    edge(client, api, http, uplink="yes")
    edge(client, web, http, uplink="yes")
    edge(web, draining, admin, uplink="yes")

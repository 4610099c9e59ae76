"""Two snapshot files with two states of the same objects: `before.json` and `after.json`.

Each is what `kubectl get` printed, one at the start and one at the end. In between,

- the Job pod of `load`, Running in the first and Succeeded in the second, called `sink`, and a pod
  of `web` got its address and called `sink` on another port;
- a pod of `cache`, only in the first file, was called by `client` and deleted; a pod of `queue`,
  only in the second, got its address and was called by `client`;
- a pod of `db`, a StatefulSet's, was deleted and came back under its name with another address, and
  was called by `client` at both.

Seconds lie between the steps. Both states of an object count, each for its time, and the order in
which the files are given makes no difference. `cache`'s pod has no end in either file: that the
address was `queue`'s when it was called, the MAC address shows, on the pod's own node only.
"""

import time

from cluster import Lab
from objects import Port

_STEP = 4.0
_OPEN = "ambiguous: no file says when the pod of cache ended, and its MAC address is not there"


def record(lab: Lab) -> None:
    """Hand three addresses on between two snapshots."""
    lab.truth.views = ["no-conntrack", "uplink", "uplink+no-conntrack"]
    first, second, third = (lab.plan.port(port) for port in (9000, 9001, 5432))
    sink = lab.deployment("sink", "app", on=("node-b",), ports=(Port(first), Port(second)))
    load = lab.cronjob("load", "app")
    cache = lab.deployment("cache", "app", ports=(Port(first),))
    db = lab.statefulset("db", "app", ports=(Port(third),))
    client = lab.deployment("client", "app", on=("node-b",))

    lab.age(3600)
    number_versions(lab, 1000)
    before = lab.kubectl()
    lab.start_recording()
    load.host.call(sink.pod, first)
    client.host.call(cache.pod, first)
    client.host.call(db.pod, third)
    time.sleep(_STEP)
    lab.finish_pod(load.pod)
    lab.delete_pod(cache.pod)
    lab.delete_pod(db.pod)
    time.sleep(_STEP)
    web = lab.deployment("web", "app", address_of=load.pod)
    queue = lab.deployment("queue", "app", ports=(Port(second),), address_of=cache.pod)
    again = lab.start_pod(
        f"{db.workload.name}-0", db.workload.namespace, db, "node-a", ports=(Port(third),)
    )
    again.document["metadata"]["uid"] = lab.plan.uid("Pod", "app", "db-0 again")
    time.sleep(_STEP)
    web.host.call(sink.pod, second)
    client.host.call(queue.pod, second)
    client.host.call(again, third)
    number_versions(lab, 2000)
    lab.stop_recording(before=before, after=lab.kubectl())

    edge = lab.truth.edge
    edge(load, sink, first, uplink="yes")
    edge(web, sink, second, uplink="yes")
    edge(client, cache, first, uplink="yes")
    edge(client, queue, second, uplink="yes", unknown={"uplink": _OPEN})
    edge(client, db, third, uplink="yes", connections=2)
    lab.truth.more = {"snapshots": ["before.json", "after.json"]}


def number_versions(lab: Lab, first: int) -> None:
    """Give every object the resourceVersion that it could have in such a file."""
    for number, document in enumerate(lab.documents, first):
        document["metadata"]["resourceVersion"] = str(number)

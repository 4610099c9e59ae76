"""Pods taken off the network in the middle of a connection, and peers that send on for seconds.

No FIN and no RST: the pod's link goes down, then the pod. What its peer sends to the address after
that, and sends again, is no part of the call.

- `worker` on node-a called `queue` on node-b, is killed, and `queue` pushes.
- `reader` on node-a called `store` on node-b, `store` is killed, and `reader` asks again.
- `local` called `cache`, both on node-a; `cache` is killed, and `local` asks again.
- `sensor` on node-b talked to `gauge` on node-a over UDP; `gauge` is killed, and `sensor` goes on.
"""

import time

from cluster import Lab
from objects import Port
from services import ServicePort
from truth import not_past

_DELETED = "the snapshot at the end lacks the pod that was deleted"


def record(lab: Lab) -> None:
    """Open, kill one side, and let the other side send."""
    lab.look_from_all_sides()
    amqp, sql, redis, udp = (lab.plan.port(port) for port in (5672, 5432, 6379, 5683))
    queue = lab.deployment("queue", "app", on=("node-b",), ports=(Port(amqp),), serve=False)
    queue.host.serve_pushing(amqp)
    queue_service = lab.service("queue", "app", ServicePort(amqp, amqp))
    store = lab.statefulset("store", "app", on=("node-b",), ports=(Port(sql),))
    cache = lab.deployment("cache", "app", ports=(Port(redis),))
    gauge = lab.deployment("gauge", "app", ports=(Port(udp, "UDP"),))
    worker, reader, local = (lab.deployment(name, "app") for name in ("worker", "reader", "local"))
    sensor = lab.deployment("sensor", "app", on=("node-b",))

    lab.start_recording()
    working = worker.host.open(queue_service, amqp)
    reading, caching = reader.host.open(store.pod, sql), local.host.open(cache.pod, redis)
    sensing = sensor.host.open(gauge.pod, udp, protocol="UDP")
    for connection in (working, reading, caching, sensing):
        connection.send()
    time.sleep(0.5)
    for killed in (worker, store, cache, gauge):
        lab.cut_off(killed.pod)
    queue.host.push(amqp)
    for connection in (reading, caching, sensing):
        connection.send(answered=False)
    time.sleep(5)
    lab.stop_recording()

    edge, gone = lab.truth.edge, {"no-watch": _DELETED}
    edge(worker, queue, amqp, service=queue_service, uplink="yes", unknown=gone)
    edge(reader, store, sql, uplink="yes", unknown=gone)
    edge(local, cache, redis, uplink="no", unknown=gone | not_past("node-b"))
    edge(sensor, gauge, udp, protocol="UDP", uplink="yes", unknown=gone)

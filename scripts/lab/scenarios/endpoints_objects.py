"""A snapshot with Endpoints objects and no EndpointSlice, as older tools and clusters give.

- `web` → `api`, behind a Service with a selector, on both nodes in turn.
- `web` → `etcd`, a hostNetwork pod on node-b that declares no port: Endpoints name it by
  `targetRef`.
- `web` → `queue`, whose Service has no selector; its Endpoints were written by hand.
- `near` on node-b → `queue`, both on node-b.
- `web` → Service `rds`, whose Endpoints are an address outside.
"""

from cluster import Lab
from nodes import Options
from objects import Port
from services import ServicePort
from truth import masqueraded_at, not_past

DATABASE = "203.0.113.20"
OPTIONS = Options(outside_addresses=(DATABASE,), endpoints_objects=True)


def record(lab: Lab) -> None:
    """Call through Services whose backends only Endpoints objects tell."""
    lab.look_from_all_sides()
    http, peer, amqp, sql = (lab.plan.port(port) for port in (8080, 2379, 5672, 5432))
    api = lab.deployment("api", "app", on=("node-a", "node-b"), ports=(Port(http),))
    etcd = lab.statefulset("etcd", "app", on=("node-b",), host_network=True)
    etcd.host.serve(peer)
    queue = lab.deployment("queue", "app", on=("node-b",), ports=(Port(amqp),))
    lab.outside.serve(sql)
    api_service = lab.service("api", "app", ServicePort(80, http))
    etcd_service = lab.service("etcd", "app", ServicePort(peer, peer))
    queue_service = lab.service(
        "jobs", "app", ServicePort(amqp, amqp), fixed_endpoints=((queue.pod.address, "node-b"),)
    )
    rds = lab.service("rds", "app", ServicePort(sql, sql), fixed_endpoints=((DATABASE, ""),))
    web, near = lab.deployment("web", "app"), lab.deployment("near", "app", on=("node-b",))

    lab.start_recording()
    for _ in range(2):
        web.host.call(api_service, 80)
    web.host.call(etcd_service, peer)
    web.host.call(queue_service, amqp)
    near.host.call(queue_service, amqp)
    web.host.call(rds, sql)
    lab.stop_recording()

    edge = lab.truth.edge
    edge(web, api, http, service=api_service, uplink="yes")
    edge(
        web,
        etcd,
        peer,
        service=etcd_service,
        uplink="conntrack",
        unknown=masqueraded_at("node-b"),
    )
    edge(web, queue, amqp, service=queue_service, uplink="yes")
    edge(near, queue, amqp, service=queue_service, uplink="no", unknown=not_past("node-a"))
    lab.truth.outside(web, DATABASE, sql)

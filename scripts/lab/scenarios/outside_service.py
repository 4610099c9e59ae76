"""Services without a selector: behind them is an address outside, a foreign one, or a pod's.

Their EndpointSlices were written by hand and name no object (`targetRef`).

- `rds` leads to a database on the Internet. `web` on node-a and `batch` on node-b call it: both
  calls leave the cluster, though the client asked for a ClusterIP.
- `legacy` leads to a private address that belongs to nothing known.
- `cache` leads to the address of pod `redis` on node-b, which `web` called.
- `mixed` leads to `redis` and to the Internet in turn; `report` on node-b calls it twice.
"""

from cluster import Lab
from nodes import Options
from objects import Port
from services import ServicePort
from truth import Workload, not_past

DATABASE, PARTNER, LEGACY = "203.0.113.20", "203.0.113.30", "172.20.5.5"
OPTIONS = Options(outside_addresses=(DATABASE, PARTNER, LEGACY))


def record(lab: Lab) -> None:
    """Call every Service."""
    lab.look_from_all_sides()
    sql, port = lab.plan.port(5432), lab.plan.port(6379)
    redis = lab.deployment("redis", "app", on=("node-b",), ports=(Port(port),))
    web = lab.deployment("web", "app")
    batch, report = (lab.deployment(name, "app", on=("node-b",)) for name in ("batch", "report"))
    lab.outside.serve(sql, port)
    to_redis = (redis.pod.address, "node-b")
    rds = lab.service("rds", "app", ServicePort(sql, sql), fixed_endpoints=((DATABASE, ""),))
    legacy = lab.service("legacy", "app", ServicePort(80, sql), fixed_endpoints=((LEGACY, ""),))
    cache = lab.service("cache", "app", ServicePort(port, port), fixed_endpoints=(to_redis,))
    mixed = lab.service(
        "mixed", "app", ServicePort(80, port), fixed_endpoints=(to_redis, (PARTNER, ""))
    )

    lab.start_recording()
    web.host.call(rds, sql)
    batch.host.call(rds, sql)
    web.host.call(legacy, 80)
    web.host.call(cache, port)
    for _ in range(2):
        report.host.call(mixed, 80)
    lab.stop_recording()

    lab.truth.edge(web, redis, port, service=cache, uplink="yes")
    lab.truth.edge(report, redis, port, service=mixed, uplink="no", unknown=not_past("node-a"))
    lab.truth.outside(web, DATABASE, sql)
    lab.truth.outside(batch, DATABASE, sql)
    lab.truth.outside(report, PARTNER, port)
    lab.truth.no_edge(web, Workload(LEGACY, "", "Unknown"), sql, "unknown-private", service=legacy)

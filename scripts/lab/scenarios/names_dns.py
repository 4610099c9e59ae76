"""Names of the cluster that lead outside it, and the names that such calls go by.

A real DNS server is the cluster's DNS. Packets are recorded whole.

- `autopath`: asks for api.github.example with its search list, and CoreDNS's autopath answers the
  first name of it, api.github.example.app.svc.cluster.local, with a CNAME to the real one. The call
  went to api.github.example.
- `renamed`: asks for pg.app.svc.cluster.local, an ExternalName Service, and gets a CNAME to
  orders.rds.example. The call went there, not to a name that only this cluster knows.
- `chained`: an ExternalName whose target is itself a CNAME: the call is by the name that the
  ExternalName says, as by the one that a client would have asked for.
- `plain` asks for api.github.example itself, on the other node: the same domain.
"""

from cluster import Lab
from nodes import Options
from services import Service
from workloads import Group

from scenarios.outside import start_dns_with

_API, _PG, _QUEUE = (f"203.0.113.{number}" for number in (20, 30, 40))
OPTIONS = Options(snaplen=4096, outside_addresses=(_API, _PG, _QUEUE))


def record(lab: Lab) -> None:
    """Look names up in all these ways, and call."""
    local = f"{lab.plan.name('app')}.svc.cluster.local"
    search, pg, queue = f"api.github.example.{local}", f"pg.{local}", f"queue.{local}"
    records = {
        "api.github.example": [("A", _API)],
        search: [("CNAME", "api.github.example")],
        "orders.rds.example": [("A", _PG)],
        pg: [("CNAME", "orders.rds.example")],
        "queue.mq.example": [("CNAME", "shard7.mq.example")],
        "shard7.mq.example": [("A", _QUEUE)],
        queue: [("CNAME", "queue.mq.example")],
    }
    coredns, dns = start_dns_with(lab, records)
    for name, target in (("pg", "orders.rds.example"), ("queue", "queue.mq.example")):
        lab.documents.append(external_name(lab, name, target))
    calls = {
        "autopath": (search, _API, 443, "api.github.example", "node-a"),
        "renamed": (pg, _PG, 5432, "orders.rds.example", "node-a"),
        "chained": (queue, _QUEUE, 5671, "queue.mq.example", "node-b"),
        "plain": ("api.github.example", _API, 443, "api.github.example", "node-b"),
    }
    client = {name: lab.deployment(name, "app", on=(call[-1],)) for name, call in calls.items()}
    lab.outside.serve(443, 5432, 5671)

    lab.age(3600)
    lab.start_recording()
    for name, (asked, address, port, _, _) in calls.items():
        ask_and_call(client[name], dns, asked, address, port)
    lab.stop_recording()

    for name, (_, address, port, goes_by, _) in calls.items():
        lab.truth.outside(client[name], address, port, goes_by)
        lab.truth.no_edge(client[name], coredns, 53, "cluster-dns", protocol="UDP", service=dns)


def ask_and_call(client: Group, dns: Service, name: str, address: str, port: int) -> None:
    """Look a name up and call the address that it has."""
    client.host.lookup(name, dns)
    client.host.call(address, port)


def external_name(lab: Lab, name: str, target: str) -> dict[str, object]:
    """A Service that is a name for something outside."""
    where, full = lab.plan.name("app"), name
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": full,
            "namespace": where,
            "uid": lab.plan.uid("Service", where, full),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"type": "ExternalName", "externalName": target, "sessionAffinity": "None"},
        "status": {"loadBalancer": {}},
    }

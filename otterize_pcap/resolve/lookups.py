"""Services that a workload asked DNS for but did not call (S42)."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from otterize_pcap.connections.dns_answers import Answer
from otterize_pcap.connections.names import Names
from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import LOOKUP, Call, Workload
from otterize_pcap.intervals import Interval
from otterize_pcap.resolve.api_server import API_SERVER_NAME
from otterize_pcap.resolve.holders import Holders
from otterize_pcap.resolve.resolution import API_SERVER, Party
from otterize_pcap.snapshot.snapshot import Service, Snapshot

Services = dict[tuple[str, str], Service]


class Lookup(Struct, frozen=True):
    """A workload that DNS told the address of a Service, and the workload behind that."""

    client: Party
    server: Workload
    answer: Answer


def find_lookups(names: Names, snapshot: Snapshot, holders: Holders) -> Iterator[Lookup]:
    """Every answer to a pod about a Service with one workload behind it, by time."""
    services = {(service.namespace, service.name): service for service in snapshot.services}
    for answer in names.answers:
        client = holders.at(answer.client, answer.time_ns)
        server = _looked_up(answer, services, holders)
        if isinstance(client, Party) and server is not None:
            yield Lookup(client, server, answer)


def add_lookups(
    calls: Iterable[Call], lookups: Iterable[Lookup], within: Interval | None = None
) -> tuple[Call, ...]:
    """The calls, and one marked `lookup` for each Service that was only looked up, at any time."""
    found = {(call.client, call.server): call for call in calls}
    for lookup in lookups:
        time_ns = lookup.answer.time_ns
        if within is not None and not within.touches(time_ns, time_ns, 0):
            continue
        call = Call(lookup.client.workload, lookup.server, LOOKUP)
        found.setdefault((call.client, call.server), call)
    return tuple(sorted(found.values(), key=call_order))


def _looked_up(answer: Answer, services: Services, holders: Holders) -> Workload | None:
    """The workload behind a Service's name, where all its backends are of one.

    The names of Services are `[…].<service>.<namespace>.svc.<cluster domain>` (Kubernetes
    DNS-Based Service Discovery 1.1.0).
    """
    labels = answer.name.split(".")
    for place in range(2, len(labels)):
        if labels[place] != "svc":
            continue
        key = (labels[place - 1], labels[place - 2])
        if key == API_SERVER_NAME:
            return API_SERVER
        service = services.get(key)
        if service is None:
            continue
        workloads = {
            party.workload
            for backends in service.backends.values()
            for backend in backends
            for party in [holders.at(backend.address, answer.time_ns)]
            if isinstance(party, Party)
        }
        return workloads.pop() if len(workloads) == 1 else None
    return None

"""Stands → those that count as one: pods of one workload, reached in one way.

Between two workloads of many pods there are as many groups as pairs of these, and more where pods
restart; to count them one by one took Python longer than anything else of a small capture.
"""

from array import array
from collections.abc import Callable, Hashable, Sequence

from otterize_pcap.connections.grouped import GroupedConnections
from otterize_pcap.connections.stands import Stand
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.cluster_dns import ClusterDns
from otterize_pcap.resolve.resolution import GroupResolution, Party
from otterize_pcap.resolve.stands import StandResolver
from otterize_pcap.resolve.told_apart import outside_networks
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.rows import Endpoint


def may_count_as_one(inclusion: Inclusion) -> bool:
    """Whether what becomes of a connection goes by its workloads, whatever its pods and time."""
    asks_labels = inclusion.exclude_labels or inclusion.client_labels or inclusion.distinct_by_label
    return inclusion.within is None and not asks_labels and not inclusion.behind


def alike_groups(
    found: GroupedConnections, resolver: StandResolver, cluster_dns: ClusterDns, snapshot: Snapshot
) -> list[GroupResolution]:
    """What becomes of each group, where those that count as one are one."""
    is_outside = outside_networks(snapshot)
    clients, servers = _alike_stands(found.stands, resolver, cluster_dns, is_outside)
    return [resolver.resolve(group) for group in found.added_up(clients, servers)]


def _alike_stands(
    stands: Sequence[Stand],
    resolver: StandResolver,
    cluster_dns: ClusterDns,
    is_outside: Callable[[bytes], bool],
) -> "tuple[array[int], array[int]]":
    """For each stand the number of the clients that it counts as, and of the servers.

    0 where no workload is known there. Whether an end `is_outside` is told of workloads (S50), so
    that no two are one of which that differs.
    """
    clients, servers = (array("I", bytes(4 * len(stands))) for _ in range(2))
    numbers: dict[Hashable, int] = {}
    outside: dict[tuple[Endpoint, ...], bool] = {}

    def number_of(endpoints: tuple[Endpoint, ...], *facts: Hashable) -> int:
        if endpoints not in outside:
            outside[endpoints] = any(is_outside(address) for address, _ in endpoints)
        return numbers.setdefault((outside[endpoints], *facts), len(numbers) + 1)

    for stand in stands:
        if stand.clients:
            client = resolver.client(stand)
            if isinstance(client, Party):
                clients[stand.number] = number_of(stand.clients, client.workload)
            continue
        found = resolver.server(stand)
        server = found[0] if found else None
        if found is not None and isinstance(server, Party):
            is_dns = cluster_dns.stands_at(stand, server, found[2])
            servers[stand.number] = number_of(
                stand.servers, server.workload, found[1], found[2], is_dns
            )
    return clients, servers

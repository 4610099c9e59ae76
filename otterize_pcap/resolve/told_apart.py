"""What objects of the snapshot alone tell apart: without them, packets would be somebody else's.

A later capture whose snapshot lacks such an object shows the same calls under another name, or not
at all; with what is kept here, none of them is said to be gone (S65).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache

from otterize_pcap.addresses import is_private
from otterize_pcap.graph.service_graph import SharedAddresses, Workload
from otterize_pcap.resolve.resolution import GroupResolution, Party, Resolution, Resolved
from otterize_pcap.snapshot.snapshot import Snapshot

SEVERAL = 2


def shared_addresses(held: Mapping[bytes, frozenset[Workload]]) -> tuple[SharedAddresses, ...]:
    """The workloads that had one address between them, and how often; in order (S12).

    `held` says which workloads held each pod address, at any time.
    """
    found = Counter(
        tuple(sorted(workloads))
        for address, workloads in held.items()
        if address and len(workloads) >= SEVERAL
    )
    return tuple(SharedAddresses(*each) for each in sorted(found.items()))


def merge_shared(parts: Iterable[SharedAddresses]) -> tuple[SharedAddresses, ...]:
    """The same of several captures."""
    found: Counter[tuple[Workload, ...]] = Counter()
    for part in parts:
        found[part.workloads] += part.addresses
    return tuple(SharedAddresses(*each) for each in sorted(found.items()))


def outside_networks(snapshot: Snapshot) -> Callable[[bytes], bool]:
    """Tells whether no network of the cluster has an address."""

    @cache
    def is_outside(address: bytes) -> bool:
        return not is_private(address) and not snapshot.is_pod_range(address)

    return is_outside


def ends_outside(
    resolutions: Iterable[Resolution | GroupResolution], snapshot: Snapshot
) -> tuple[Workload, ...]:
    """Who stood at an address that no network of the cluster has; in order (S50).

    A node's public address, a load balancer's, a pod's where no Node says which are pods'.
    """
    is_outside = outside_networks(snapshot)
    found: set[Workload] = set()
    # Each side stands in many groups; what is known by its identity is kept until the end.
    asked: dict[tuple[int, int], object] = {}
    for resolution in resolutions:
        if not isinstance(resolution, Resolved):
            continue
        connection = resolution.connection
        for party, endpoints in (
            (resolution.client, connection.clients),
            (resolution.server, connection.servers),
        ):
            side = id(party), id(endpoints)
            if side in asked:
                continue
            asked[side] = party, endpoints
            if isinstance(party, Party) and any(is_outside(address) for address, _ in endpoints):
                found.add(party.workload)
    return tuple(sorted(found))

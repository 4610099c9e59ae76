"""Whom a name means that somebody asks about: a workload, a pod, an address, a Service.

Names are `NAME`, `NAME.NAMESPACE` or `NAMESPACE/NAME`. What a workload is called comes first, then
pods, then addresses, then Services, which only a server can be.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from msgspec import Struct, field

from otterize_pcap.addresses import AddressError, parse_address
from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import External, Workload
from otterize_pcap.resolve.identity import Identities, held_by_workloads
from otterize_pcap.resolve.resolution import API_SERVER, Party
from otterize_pcap.snapshot.snapshot import Snapshot

NEAR = 3


class AskedName(Struct, frozen=True):
    """A name, and what of a snapshot it means; nothing where the snapshot has no such thing.

    `pods` are (namespace, name), with their `addresses` and `workloads`; a name that is an address
    has itself as `address`. `near` are names that were perhaps meant.
    """

    text: str
    workloads: frozenset[Workload] = frozenset()
    pods: frozenset[tuple[str, str]] = frozenset()
    addresses: frozenset[bytes] = frozenset()
    address: bytes | None = None
    services: frozenset[str] = frozenset()
    near: tuple[str, ...] = field(default=())

    @property
    def is_known(self) -> bool:
        """Whether it means anything."""
        return bool(self.workloads or self.pods or self.address or self.services)

    def is_party(self, party: Party | External) -> bool | None:
        """Whether a known end is who was asked about; None where it could be."""
        if isinstance(party, External):
            return party.name == self.text
        if self.pods and party.certain_pod is not None:
            return (party.certain_pod.namespace, party.certain_pod.name) in self.pods
        if self.pods:
            return None if party.workload in self.workloads else False
        return self.is_workload(party.workload)

    def is_workload(self, party: Workload | External) -> bool:
        """Whether a workload, of which no pod is known, could be who was asked about."""
        if isinstance(party, External):
            return party.name == self.text
        return party in self.workloads or self.text in written(party)


def written(workload: Workload) -> tuple[str, str, str]:
    """The ways to write a workload's name."""
    spaced = f"{workload.namespace}/{workload.name}"
    return workload.name, full_name(workload), spaced


def find_asked(text: str, snapshot: Snapshot, identities: Identities) -> AskedName:
    """What a name means in a snapshot."""
    held = held_by_workloads(snapshot, identities)
    workloads = {API_SERVER, *(one for holders in held.values() for one in holders)}
    named = frozenset(one for one in workloads if text in written(one))
    if named:
        addresses = (address for address, holders in held.items() if named & holders)
        return AskedName(text, named, addresses=frozenset(addresses))
    pods = [pod for pod in snapshot.pods if text in _written(pod.namespace, pod.name)]
    if pods:
        names = frozenset((pod.namespace, pod.name) for pod in pods)
        addresses = (
            address
            for address, tenures in snapshot.tenures.items()
            if any((one.pod.namespace, one.pod.name) in names for one in tenures)
        )
        owners = frozenset(identities.of(pod).workload for pod in pods)
        return AskedName(text, owners, names, frozenset(addresses))
    try:
        address = parse_address(text)
    except AddressError:
        services = frozenset(
            f"{one.name}.{one.namespace}"
            for one in snapshot.services
            if text in _written(one.namespace, one.name)
        )
        return AskedName(text, services=services, near=_near(text, workloads))
    holders = frozenset(held.get(address, ()))
    return AskedName(text, holders, addresses=frozenset((address,)), address=address)


def _written(namespace: str, name: str) -> tuple[str, str, str]:
    return name, f"{name}.{namespace}", f"{namespace}/{name}"


def _near(text: str, workloads: Iterable[Workload]) -> tuple[str, ...]:
    known = {name for one in workloads for name in written(one) if ("/" in name) == ("/" in text)}
    return tuple(sorted(get_close_matches(text, known, n=NEAR)))

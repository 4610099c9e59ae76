"""The snapshot of one capture under some rules: what everything that resolves it asks."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from msgspec import Struct, field
from msgspec.structs import replace

from otterize_pcap.addresses import KINDS, borders_of, in_network, is_private
from otterize_pcap.connections.names import Names, RecordedPayload, read_names
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.packets.closed_tunnels import FORGED
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.resolve.any_clock import AnyClockResolver
from otterize_pcap.resolve.build_graph import (
    Inclusion,
)
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.changes_of_hands import ChangesOfHands
from otterize_pcap.resolve.cluster_dns import ClusterDns, ServiceName
from otterize_pcap.resolve.identity import ANNOTATIONS, Identities, NamedBy
from otterize_pcap.resolve.resolve import DEFAULT_SLACK_NS, Resolver
from otterize_pcap.resolve.service_routes import ServiceRoutes
from otterize_pcap.resolve.time_asked import TimeAsked
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.rows import Endpoint


class Rules(Struct, frozen=True):
    """The options that change how a capture is understood; the defaults are the rules' own.

    `cluster_dns` are Services, (namespace, name), that are the cluster's DNS as well (S45).
    `force` goes on where a capture and a snapshot do not belong together (S13). `time` is when
    connections must have been there.
    """

    slack_ns: int = DEFAULT_SLACK_NS
    annotation: str = ANNOTATIONS[0]
    image_name_for_jobs: bool = False
    inclusion: Inclusion = field(default_factory=Inclusion)
    owner: NamedBy = NamedBy.ROOT
    workload_labels: tuple[str, ...] = ()
    cluster_dns: tuple[ServiceName, ...] = ()
    force: bool = False
    time: TimeAsked = field(default_factory=TimeAsked)


def identities_under(rules: Rules, snapshot: Snapshot) -> Identities:
    """Who the pods of a snapshot are under these rules."""
    return Identities(
        snapshot,
        annotation=rules.annotation,
        image_name_for_jobs=rules.image_name_for_jobs,
        owner=rules.owner,
        workload_labels=rules.workload_labels,
    )


DEFAULT_RULES = Rules()


class CaptureLookup:
    """What everything that resolves one capture asks: its snapshot under the given rules."""

    def __init__(self, capture: Capture, rules: Rules) -> None:
        self.contents = contents = contents_of(capture)
        self.rules = rules
        self.snapshot = contents.snapshot
        # An address that the API says is a node's is no other's, whatever interfaces have it.
        own = {address: frozenset((node,)) for address, node in self.snapshot.nodes.items()}
        self.nodes = {**contents.nodes, **own}
        self.hands = ChangesOfHands(contents, self.nodes, rules.slack_ns)
        self.routes = ServiceRoutes(self.snapshot, self.nodes, rules.slack_ns, self.hands)
        self.identities = identities_under(rules, self.snapshot)
        self.cluster_dns = ClusterDns(self.snapshot, self.identities, rules.cluster_dns)

    def resolver(self, other_readings: Sequence[int] = ()) -> Resolver:
        """What resolves ends by the clock chosen, and by others that may be right (S12)."""
        asked = (
            self.snapshot,
            self.identities,
            self.routes,
            self.nodes,
            self.rules.slack_ns,
            self.contents.inside,
        )
        if other_readings:
            # Which hand was whose depends on the clock.
            return AnyClockResolver(*asked, other_readings)
        return Resolver(*asked, self.hands)

    def names(self, offsets: Mapping[str, int]) -> Names:
        """What the capture's payloads name, by corrected time."""
        recorded = [
            RecordedPayload(payload, file, offsets.get(node, 0))
            for node, file, payload in self.contents.payloads
        ]
        return read_names(recorded, self._leads, self._vouches)

    def _leads(self, protocol: int, asked: Endpoint, answered: Endpoint) -> bool:
        """Whether what is asked at one endpoint may be answered from another: a Service's."""
        return any((lead[0], lead[1]) == answered for lead in self.routes.leads(protocol, asked))

    def _vouches(self, address: bytes) -> bool:
        """Whether no pod but the cluster's DNS can send from an address.

        Asked where reading kept too little of DNS to show the questions. Masquerading gives pods a
        node's address.
        """
        if self.contents.asks_kept:
            return False
        if self.cluster_dns.answers_from(address):
            return True
        return address not in self.snapshot.tenures and address not in self.nodes

    def port_ranges(self) -> dict[bytes, range]:
        """The ephemeral ports of nodes' and pods' addresses, as far as nodes saved them (S35).

        Nodes of a cluster are tuned alike: where all that are known say the same, the others do.
        """
        saved = self.contents.port_ranges
        ranges = set(saved.values())
        usual = ranges.pop() if len(ranges) == 1 else None
        pods = {
            address: frozenset(tenure.pod.node for tenure in tenures)
            for address, tenures in self.snapshot.tenures.items()
        }
        found = {
            address: saved.get(next(iter(names)), usual) if len(names) == 1 else usual
            for address, names in ({**self.nodes, **pods} if saved else {}).items()
        }
        return {address: ports for address, ports in found.items() if ports is not None}

    def is_outside(self, address: bytes) -> bool:
        """Whether an address is of the internet, as far as anybody says (S50)."""
        known = address in self._known or self.snapshot.owns(address) or is_private(address)
        return not known and not any(in_network(address, one) for one in self.contents.inside)

    @cached_property
    def owners(self) -> tuple[tuple[Workload, Workload], ...]:
        """Workloads by who made their pods, each with what owns that in turn (S2)."""
        return identities_under(replace(self.rules, owner=NamedBy.NEAREST), self.snapshot).roots()

    @cached_property
    def own_of_nodes(self) -> Mapping[bytes, tuple[str, ...]]:
        """The addresses that one node has alone, with its name."""
        return {
            address: tuple(names)
            for address, names in self.nodes.items()
            if len(names) == 1 and self.routes.is_node(address)
        }

    @cached_property
    def _known(self) -> set[bytes]:
        return self.routes.addresses()

    def borders(self) -> list[bytes]:
        """Where the ranges begin and end by which `Resolver` tells unknown clients apart."""
        return borders_of((*KINDS, *self.contents.inside, *self.snapshot.pod_networks))

    @staticmethod
    def believes(tunnels: tuple[Tunnel, ...]) -> bool:
        """Whether no pod sent a copy of what came through a tunnel (S25)."""
        return FORGED not in tunnels

"""The ends of one resolved or unresolved connection, as packet filters at the pods see them.

A filter at the client's pod sees where packets go after its own node changed their destination
(kube-proxy: DNAT of Services), one at the server's pod whom they come from after every node on the
way changed their source (masquerading of NodePorts).
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from otterize_pcap.addresses import MAPPED, is_private, parse_address
from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.stands import ConnectionGroup
from otterize_pcap.graph.service_graph import External, Workload
from otterize_pcap.policies.flow_ends import (
    AnyEnd,
    ApiServerEnd,
    CallerEnd,
    FlowEnd,
    NodeEnd,
    OutsideEnd,
    PodEnd,
    ServiceEnd,
    UnknownEnd,
)
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.resolution import (
    AMBIGUOUS,
    API_SERVER,
    EXTERNAL_CLIENT,
    NO_BACKEND,
    NO_POD,
    NODE_CLIENT,
    NODE_SERVER,
    NOT_A_CALL,
    UNKNOWN_PRIVATE,
    Party,
    Unknown,
)
from otterize_pcap.resolve.service_routes import distinct_services
from otterize_pcap.snapshot.snapshot import Pod, Snapshot
from otterize_pcap.table.rows import Endpoint

Seen = Connection | ConnectionGroup
Span = tuple[int, int]


class Reached(Struct, frozen=True):
    """A server and its own port; and where its client sent to, where another node led on."""

    end: AnyEnd
    port: int
    front: NodeEnd | None = None
    front_port: int = 0


class Locator:
    """Finds the ends of one capture's connections."""

    def __init__(self, mapped: MappedCapture) -> None:
        lookup = mapped.lookup
        self._snapshot: Snapshot = lookup.snapshot
        self._identities = lookup.identities
        self._routes = lookup.routes
        self._nodes = lookup.nodes
        self._resolver = mapped.resolver
        self._api_server = tuple(sorted(lookup.routes.api_server.addresses))
        self._pod_ends: dict[tuple[Pod, bytes], PodEnd] = {}

    def client(self, found: Party | Unknown, seen: Seen) -> CallerEnd | UnknownEnd:
        """Who called: the pod before anything changed its address, else who is known of it."""
        address = seen.clients[0][0]
        if isinstance(found, Party):
            if found.workload == API_SERVER:
                return ApiServerEnd(self._api_server or (address,))
            return self._pod(found, [address for address, _ in seen.clients])
        return self._nobodys(found, address, client_span(seen))

    def source(self, client: CallerEnd, server: FlowEnd, seen: Seen) -> CallerEnd:
        """Whom a filter at the server's pod takes for the client; others have no filter."""
        address = seen.clients[-1][0]
        is_filtered = isinstance(server, PodEnd | ServiceEnd)
        if not is_filtered or len(seen.clients) == 1 or not self._routes.is_node(address):
            return client
        return NodeEnd(address, tuple(sorted(self._nodes[address])))

    def servers(
        self, found: Party | External | Unknown, port: int, seen: Seen, client: AnyEnd
    ) -> Iterator[Reached]:
        """Where a connection may have ended: one place, but for backends with several ports."""
        first, last = seen.servers[0], seen.servers[-1]
        for end, own_port in self._ends(found, port, seen):
            if first != last and self._is_other_node(first[0], client):
                names = tuple(sorted(self._nodes[first[0]]))
                yield Reached(end, own_port, NodeEnd(first[0], names), first[1])
            else:
                yield Reached(end, own_port)

    def _ends(
        self, found: Party | External | Unknown, port: int, seen: Seen
    ) -> Iterator[tuple[AnyEnd, int]]:
        address, last_port = seen.servers[-1]
        if isinstance(found, Unknown) and found.fate == NODE_SERVER:
            yield NodeEnd(address, tuple(sorted(self._nodes[address]))), last_port
        elif isinstance(found, Party) and found.workload == API_SERVER:
            yield from self._api_ends(seen, port)
        elif isinstance(found, Party) and self._was_there(found, seen):
            yield self._pod(found, [address for address, _ in reversed(seen.servers)]), port
        else:
            yield from self._behind_service(found, port, seen) or self._nowhere(found, port, seen)

    def _api_ends(self, seen: Seen, port: int) -> Iterator[tuple[AnyEnd, int]]:
        """The API server: where a snapshot lacks its endpoints, where it was seen to answer."""
        reached = [end for end in seen.servers if end[0] not in self._snapshot.virtual]
        if self._api_server or reached:
            yield ApiServerEnd(self._api_server or (reached[-1][0],)), port
        else:
            yield UnknownEnd(seen.servers[-1][0], NO_BACKEND), port

    def _was_there(self, party: Party, seen: Seen) -> bool:
        """Whether packets show where it was: at its own address, or at its node's."""
        addresses = [address for address, _ in seen.servers]
        held = any(party.tenure in self._snapshot.tenures.get(address, ()) for address in addresses)
        return held or (self._routes.is_node(addresses[-1]) and not self._leads_on(seen))

    def _leads_on(self, seen: Seen) -> bool:
        """Whether a Service listens at the last endpoint that was seen."""
        return bool(self._routes.listeners(seen.servers[-1], seen.protocol, *server_span(seen)))

    def _behind_service(
        self, found: Party | External | Unknown, port: int, seen: Seen
    ) -> list[tuple[AnyEnd, int]]:
        """All that may stand behind the Service that was reached, by port; none where none was."""
        span, last = server_span(seen), seen.servers[-1]
        listeners = self._routes.listeners(last, seen.protocol, *span)
        by_port: dict[int, list[PodEnd | NodeEnd | OutsideEnd]] = {}
        for listener in listeners:
            for target in self._routes.targets(listener, *span):
                end = self._at(target, seen.protocol, span)
                if isinstance(end, UnknownEnd):
                    fate = found.fate if isinstance(found, Unknown) else end.fate
                    return [(UnknownEnd(last[0], fate, end.candidates), port)]
                if end is not None and _fits(end, found):
                    by_port.setdefault(target[1], []).append(end)
        services = distinct_services(listeners)
        return [
            (ServiceEnd(services, ends) if len(ends) > 1 else ends[0], own_port)
            for own_port, ends in sorted(
                (own_port, tuple(dict.fromkeys(ends))) for own_port, ends in by_port.items()
            )
        ]

    def _at(
        self, endpoint: Endpoint, protocol: int, span: Span
    ) -> PodEnd | NodeEnd | OutsideEnd | UnknownEnd | None:
        """Who stands at a Service's endpoint; None where a pod stood there, but not then."""
        address, _ = endpoint
        held = self._resolver.holder(address, *span)
        if isinstance(held, Party) and held.pod is not None:
            return PodEnd(held.pod, held.workload, address)
        if address in self._snapshot.tenures and isinstance(held, Unknown):
            is_open = held.fate == AMBIGUOUS
            return UnknownEnd(address, held.fate, held.candidates) if is_open else None
        if self._routes.is_node(address):
            names = tuple(sorted(self._nodes[address]))
            pods = [tenure.pod for tenure, _ in self._routes.at_node(endpoint, protocol, *span)]
            pod = pods[-1] if len(pods) == 1 else None
            return NodeEnd(address, names, pod, self._identities.of(pod).workload if pod else None)
        if self._snapshot.is_pod_range(address):
            return UnknownEnd(address, NO_POD)
        if is_private(address) and not self._is_surely_no_pod(address, span):
            return UnknownEnd(address, UNKNOWN_PRIVATE)
        return OutsideEnd(address)

    def _nowhere(
        self, found: Party | External | Unknown, port: int, seen: Seen
    ) -> list[tuple[AnyEnd, int]]:
        """Who answered at an address that neither a pod nor a Service had."""
        address, last_port = seen.servers[-1]
        if isinstance(found, Unknown):
            return [(self._nobodys(found, address, server_span(seen)), port)]
        if isinstance(found, External):
            if found.is_address:
                return [(OutsideEnd(parse_address(found.name)), last_port)]
            return [(OutsideEnd(address, found.name), last_port)]
        # Only a load balancer's name led on from there: what that sends is another connection.
        return [(OutsideEnd(address), last_port)]

    def _pod(self, party: Party, addresses: Sequence[bytes]) -> PodEnd | NodeEnd:
        """A party that was found by a pod: at which of some addresses, or on its node's network."""
        pod = party.pod
        if pod is None or pod.host_network:
            names = tuple(sorted(self._nodes.get(addresses[0], ())))
            return NodeEnd(addresses[0], names, pod, party.workload)
        for address in addresses:
            if party.tenure in self._snapshot.tenures.get(address, ()):
                return self._pod_at(pod, party.workload, address)
        # By its node's hostPort: packets went on to its own address of that family.
        is_ipv4 = addresses[0].startswith(MAPPED)
        own = [each for each in pod.addresses if each.startswith(MAPPED) == is_ipv4]
        return self._pod_at(pod, party.workload, (*own, *pod.addresses, *addresses)[0])

    def _pod_at(self, pod: Pod, workload: Workload, address: bytes) -> PodEnd:
        """One value for each, since most flows have ends that others have as well."""
        found = self._pod_ends.get((pod, address))
        if found is None:
            found = self._pod_ends[pod, address] = PodEnd(pod, workload, address)
        return found

    def _nobodys(
        self, found: Unknown, address: bytes, span: Span
    ) -> NodeEnd | OutsideEnd | UnknownEnd:
        """An end that no pod held: a node's, outside's, or nobody's."""
        if found.fate == NODE_CLIENT:
            return NodeEnd(address, tuple(sorted(self._nodes[address])))
        if found.fate in (EXTERNAL_CLIENT, NOT_A_CALL):
            return OutsideEnd(address)
        if found.fate == UNKNOWN_PRIVATE and self._is_surely_no_pod(address, span):
            return OutsideEnd(address)
        return UnknownEnd(address, found.fate, found.candidates)

    def _is_surely_no_pod(self, address: bytes, span: Span) -> bool:
        """Whether a private address is outside: every pod of that time, or every range, is known.

        Databases and load balancers of a company's network have such addresses.
        """
        if self._snapshot.watched(*span):
            return True
        is_ipv4 = address.startswith(MAPPED)
        head = int.from_bytes(MAPPED) << 32
        return any(
            (value >> 32 == head >> 32) == is_ipv4 for value, _ in self._snapshot.pod_networks
        )

    def _is_other_node(self, address: bytes, client: AnyEnd) -> bool:
        """Whether an address is that of a node which the client's pod was not on.

        A node changes the destination only of what is sent to its own NodePorts (kube-proxy:
        `--dst-type LOCAL`); what goes to another's leaves the client as it is.
        """
        return (
            isinstance(client, PodEnd)
            and self._routes.is_node(address)
            and client.pod.node not in self._nodes[address]
        )


def client_span(seen: Seen) -> Span:
    """When the client sent, in one of the connections."""
    if isinstance(seen, Connection):
        return seen.client_sent
    return seen.client.first_ns, seen.client.last_ns


def server_span(seen: Seen) -> Span:
    """When the server sent, in one of the connections."""
    if isinstance(seen, Connection):
        return seen.server_sent
    return seen.server.first_ns, seen.server.last_ns


def _fits(end: AnyEnd, found: Party | External | Unknown) -> bool:
    """Whether a backend can be who was found: of several at an address, others had gone."""
    if not isinstance(found, Party) or not isinstance(end, PodEnd):
        return True
    return end.workload == found.workload

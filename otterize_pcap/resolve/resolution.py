"""What becomes of connections: resolved, or unresolved with the reason, and who was at the ends."""

from typing import Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.addresses import format_address
from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.stands import ConnectionGroup
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import External, Workload
from otterize_pcap.resolve.identity import Identities
from otterize_pcap.snapshot.snapshot import Pod, Tenure
from otterize_pcap.table.rows import Endpoint

API_SERVER = Workload("kubernetes", "default", "Service")
API_SERVICE = "kubernetes.default"
UNDIRECTED = Fate(FateKind.UNDIRECTED, "no rule tells client from server")
NOT_A_CALL = Fate(FateKind.NOT_A_CALL, "loopback, link-local, multicast or broadcast")
NODE_CLIENT = Fate(FateKind.UNRESOLVED, "node as client")
NODE_SERVER = Fate(
    FateKind.UNRESOLVED, "node as server, no pod there declares the port or is named for it"
)
NO_POD = Fate(FateKind.UNRESOLVED, "no pod had the address then")
OUTSIDE_TENURE = Fate(
    FateKind.UNRESOLVED, "the pod did not have the address over all the time in which it sent"
)
CHANGED_HANDS = Fate(
    FateKind.UNRESOLVED, "the packets show another pod at the address than the snapshot has"
)
NO_BACKEND = Fate(FateKind.UNRESOLVED, "Service without pods behind that port")
UNKNOWN_PRIVATE = Fate(FateKind.UNRESOLVED, "unknown private address")
EXTERNAL_CLIENT = Fate(FateKind.EXTERNAL_CLIENT)
AMBIGUOUS = Fate(FateKind.AMBIGUOUS)


class Party(Struct, frozen=True):
    """A resolved end: its workload, and the pod and tenure it was found by.

    `pod` is None for the API server. It `is_example` where it is one of several behind a Service,
    of which none was seen: its labels may be asked, and it is not to be named.
    """

    workload: Workload
    pod: Pod | None = None
    tenure: Tenure | None = None
    inferred: str | None = None
    is_example: bool = False

    @property
    def certain_pod(self) -> Pod | None:
        """The pod that it was; None where it may have been another."""
        return None if self.is_example else self.pod


Seen = TypeVar("Seen", Connection, ConnectionGroup)


class Resolved(Struct, Generic[Seen], frozen=True):
    """A connection, or a group, with both ends known.

    `port` is the server's own, `services` what led there.
    """

    connection: Seen
    client: Party
    server: Party | External
    port: int
    services: tuple[str, ...] = ()


class Unresolved(Struct, Generic[Seen], frozen=True):
    """A connection that is no call, or whose ends cannot be known.

    `side` is the end that `fate` speaks of, `candidates` the workloads between which it could
    not be decided. `client` and `server` are what was known all the same.
    """

    connection: Seen
    fate: Fate
    side: str = ""
    candidates: tuple[Workload, ...] = ()
    client: Party | None = None
    server: Party | External | None = None


Resolution = Resolved[Connection] | Unresolved[Connection]
"""What becomes of one connection."""
GroupResolution = Resolved[ConnectionGroup] | Unresolved[ConnectionGroup]
"""What becomes of each connection of a group."""
AnyResolution = Resolution | GroupResolution
AnyResolved = Resolved[Connection] | Resolved[ConnectionGroup]
"""A connection, or a group of them, with both ends known."""


def of_one(resolution: GroupResolution, connection: Connection) -> Resolution:
    """What becomes of one connection of a group."""
    if connection.outcome != resolution.connection.outcome:
        connection = replace(connection, outcome=resolution.connection.outcome)
    server = resolution.server
    if isinstance(server, External) and resolution.connection.server.is_example:
        server = outside(connection.servers[-1])
    if isinstance(resolution, Unresolved):
        return Unresolved(
            connection,
            resolution.fate,
            resolution.side,
            resolution.candidates,
            resolution.client,
            server,
        )
    # Where the group was resolved, so is each of its connections.
    known = resolution.server if server is None else server
    return Resolved(connection, resolution.client, known, resolution.port, resolution.services)


def outside(endpoint: Endpoint) -> External:
    """A server outside the cluster, of which nothing but its address is known."""
    return External(format_address(endpoint[0]), is_address=True)


class Unknown(Struct, frozen=True):
    """Why an end is not known."""

    fate: Fate
    candidates: tuple[Workload, ...] = ()


FoundServer = tuple[Party | External | Unknown, tuple[str, ...], int]
"""A server, the Services that led to it, and its port."""


def party_of(identities: Identities, tenure: Tenure) -> Party:
    """The pod of a tenure as an end of a connection."""
    identity = identities.of(tenure.pod)
    return Party(identity.workload, tenure.pod, tenure, identity.inferred)

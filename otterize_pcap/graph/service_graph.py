"""The service graph: which workload calls which, and how that is known.

These values are what everything after resolution works on: renderers, `diff`, `check`, readers of
ClientIntents. A graph read from ClientIntents has calls without uses; one from captures has them.
"""

from collections.abc import Iterable

from msgspec import Struct

from otterize_pcap.api_groups import BUILT_IN_KINDS, written_kind
from otterize_pcap.flow_logs.flow import EVENT
from otterize_pcap.graph.fate import Fate
from otterize_pcap.node_status import NodeStatus

ESTABLISHED, ATTEMPTED, LOOKUP = "established", "attempted", "lookup"

NEVER_CALLS = (
    "not IP",
    "ICMP",
    "not TCP, UDP or SCTP",
    "rest of a packet in a tunnel",
    EVENT.strip(),
)
"""How reasons begin for which a packet is no part of a connection; only `-v` counts these."""

# The kind of a server that is named by its Service, whatever stands behind it.
SERVICE = "Service"


class Workload(Struct, frozen=True, order=True):
    """A workload's identity (S7). `namespace` or `kind` is empty where a document leaves it out.

    The API server is the Service target (`kubernetes`, `default`, kind `Service`) (S24). `label`
    is `key=value` where clients were asked to be told apart by a label of their pods. `group` is a
    custom resource's API group; it is empty for Kubernetes' own kinds, and where a document names
    a custom resource without it.
    """

    name: str
    namespace: str
    kind: str = ""
    label: str = ""
    group: str = ""

    @property
    def is_service(self) -> bool:
        """Whether it is a core Service, and not a custom resource of that kind."""
        return self.kind == SERVICE and not self.group

    @property
    def written_kind(self) -> str:
        """The kind in one word: with its group where it alone would read as Kubernetes' own."""
        return written_kind(self.kind, self.group)

    @property
    def is_complete(self) -> bool:
        """Whether no part is left out that another document or a capture could add."""
        known = bool(self.group) or self.kind in BUILT_IN_KINDS
        return bool(self.namespace and self.kind) and known


class External(Struct, frozen=True, order=True):
    """A destination outside the cluster (S50): a domain name, or an address without a known one."""

    name: str
    is_address: bool = False


Server = Workload | External

Labels = tuple[tuple[str, tuple[str, ...]], ...]
"""Keys of labels, each with all its values among some pods; both sorted."""


class Evidence(Struct, frozen=True):
    """Where to look for a connection: file, number of its first packet, its time (ns), its rule."""

    file: str
    packet: int
    time_ns: int
    rule: str


class Use(Struct, frozen=True):
    """What went to one port of a server: `protocol` is TCP, UDP or SCTP, `port` the server's own.

    `services` are the `name.namespace` of Services it was reached through. `packets` and `bytes`
    are (to the server, to the client). `first_ns` and `last_ns` are nanoseconds since the epoch.
    `outcomes` and `rules` count connections by outcome (S40) and by direction rule (S30 to S36),
    sorted by name. `evidence` is the earliest connection. `captures` is in how many captures it was
    seen, and where these are several, `hours` are the hours of the day (UTC) at which it was seen
    first or last in one. `client_pods` and `server_pods` are the names of the pods at its ends,
    sorted: of graphs that were asked for them, and of a server none where its Service's address is
    all that packets showed.
    """

    protocol: str
    port: int
    connections: int
    packets: tuple[int, int]
    bytes: tuple[int, int]
    first_ns: int
    last_ns: int
    outcomes: tuple[tuple[str, int], ...]
    rules: tuple[tuple[str, int], ...]
    services: tuple[str, ...] = ()
    evidence: Evidence | None = None
    captures: int = 1
    hours: tuple[int, ...] = ()
    client_pods: tuple[str, ...] = ()
    server_pods: tuple[str, ...] = ()


class Call(Struct, frozen=True):
    """One client calling one server.

    `status` is `established`, or `attempted` (S41) or `lookup` (S42) where only that was seen.
    `uses` are sorted by protocol and port; those of a call read from a document are the ports
    that it declares, with nothing counted and perhaps no protocol. `details` are
    what a document says beyond the names (`path /a methods GET`, `topic t operations consume`),
    sorted; they only matter for comparison.
    """

    client: Workload
    server: Server
    status: str = ESTABLISHED
    uses: tuple[Use, ...] = ()
    details: tuple[str, ...] = ()


class FileCoverage(Struct, frozen=True):
    """What one capture file held; times in nanoseconds, None for a file without packets.

    `dropped` counts packets the kernel or interface dropped, None where nothing says. `truncated`
    marks a file that is not whole: cut off, damaged, not read, or other than its manifest says;
    `reason` then says more, where there is more to say. `sample` is why a flow log does not show
    all that there was, empty for packets; its `packets` are its records.
    """

    file: str
    node: str | None
    packets: int
    first_ns: int | None
    last_ns: int | None
    truncated: bool = False
    dropped: int | None = None
    reason: str | None = None
    sample: str = ""


class NodeCoverage(Struct, frozen=True):
    """One node of the cluster: whether it was captured, and from when to when (ns).

    `workloads` had pods on it: filled where not all of its packets were recorded, else None.
    """

    name: str
    status: NodeStatus
    reason: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None
    workloads: tuple[Workload, ...] | None = None


class UndecidedCall(Struct, frozen=True):
    """Connections that may be a call, of which an end or the direction is not known.

    `clients` and `servers` are who the ends may have been, None for anybody; `fate` says why that
    is all that is known. `protocol` is empty where it is not known.
    """

    fate: Fate
    clients: tuple[Server, ...] | None
    servers: tuple[Server, ...] | None
    protocol: str
    connections: int


def _tell_the_same(one: "Coverage | ServiceGraph", other: object) -> bool:
    """Two are equal where what they tell is, whatever else they carry."""
    return type(one) is type(other) and one._told == other._told


def _hash_of_told(one: "Coverage | ServiceGraph") -> int:
    return hash(one._told)


class SharedAddresses(Struct, frozen=True):
    """Workloads whose pods had the same address at some time, and how many addresses they share."""

    workloads: tuple[Workload, ...]
    addresses: int


class Coverage(Struct, frozen=True, eq=False):
    """What a graph rests on, so that absence can be told from not having looked.

    `connections` counts connections by what became of them, in order of the fates' texts.
    `skipped` counts packets that hold no connection, by reason. `undecided` are the connections,
    of those counted, that may be a call. Objects of the snapshot alone tell workloads apart that
    `shared` addresses (S12), and those that stood `outside` from strangers (S50). `captures` is of
    how many it is. `aside` counts what else lay in the directories; no document keeps it.
    """

    files: tuple[FileCoverage, ...] = ()
    nodes: tuple[NodeCoverage, ...] = ()
    connections: tuple[tuple[Fate, int], ...] = ()
    skipped: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    undecided: tuple[UndecidedCall, ...] = ()
    shared: tuple[SharedAddresses, ...] = ()
    outside: tuple[Workload, ...] = ()
    captures: int = 1
    aside: tuple[str, ...] = ()

    @property
    def _told(self) -> tuple[object, ...]:
        """What documents hold."""
        return tuple(getattr(self, name) for name in self.__struct_fields__ if name != "aside")

    __eq__, __hash__ = _tell_the_same, _hash_of_told


class HiddenCall(Struct, frozen=True):
    """A call between workloads that was seen but is not shown; `fate` is what hid it.

    `services` are the `name.namespace` of Services it was reached through.
    """

    client: Workload
    server: Workload
    fate: Fate
    services: tuple[str, ...] = ()


class ServiceGraph(Struct, frozen=True, eq=False):
    """Calls, sorted by client and server (S61). `coverage` is None for a graph from documents.

    `hidden` is what is absent from `calls` but was not absent from the capture. `inferred` are
    workloads that are named by what their pods say, and by what (S3). `roots` are workloads named
    by who made their pods, each with what owns that in turn (S2); `parts` are the same of a graph
    that names workloads by what owns them. `labels` are those of the workloads' pods, else of their
    namespace, where they were asked for. Graph JSON holds these three, and no document the others,
    so that they make no two graphs different.
    """

    calls: tuple[Call, ...] = ()
    coverage: Coverage | None = None
    hidden: tuple[HiddenCall, ...] = ()
    inferred: tuple[tuple[Workload, str], ...] = ()
    roots: tuple[tuple[Workload, Workload], ...] = ()
    parts: tuple[tuple[Workload, Workload], ...] = ()
    labels: tuple[tuple[Workload, Labels], ...] = ()

    @property
    def _told(self) -> tuple[object, ...]:
        """What makes two graphs different."""
        return self.calls, self.coverage

    __eq__, __hash__ = _tell_the_same, _hash_of_told


def could_be(one: Workload, other: Workload) -> bool:
    """Whether two names can mean one workload, where either may leave out namespace or kind."""
    return (
        one.name == other.name
        and (not one.namespace or not other.namespace or one.namespace == other.namespace)
        and (not one.kind or not other.kind or is_one_kind(one, other))
    )


def is_one_kind(one: Workload, other: Workload) -> bool:
    """Whether two kinds are one; a custom resource's group may be left out by either (S7)."""
    if one.kind != other.kind:
        return False
    left_out = one.kind not in BUILT_IN_KINDS and not (one.group and other.group)
    return left_out or one.group == other.group


def ends_of(calls: Iterable[Call]) -> set[Workload]:
    """The workloads at either end of some calls."""
    ends = (end for call in calls for end in (call.client, call.server))
    return {end for end in ends if isinstance(end, Workload)}


def declared_use(protocol: str, port: int) -> Use:
    """A port that a document declares: nothing was counted; `protocol` may be unknown (empty)."""
    return Use(protocol, port, 0, (0, 0), (0, 0), 0, 0, (), ())

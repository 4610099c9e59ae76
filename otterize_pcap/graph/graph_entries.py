"""The parts of our JSON documents: what a graph, a diff or a check consists of, as JSON has it.

The JSON Schemas under docs/schemas/ are made from these types.
"""

from typing import Literal

import msgspec


class WorkloadEntry(msgspec.Struct, frozen=True, tag_field="type", tag="workload"):
    """A workload of the cluster; namespace or kind is empty where a document left it out.

    `group` is a custom resource's API group, and absent for Kubernetes' own kinds.
    """

    name: str
    namespace: str = ""
    kind: str = ""
    label: str = ""
    group: str | msgspec.UnsetType = msgspec.UNSET


class ExternalEntry(msgspec.Struct, frozen=True, tag_field="type", tag="external", rename="camel"):
    """A server outside the cluster: a domain name, or an address."""

    name: str
    is_address: bool = False


class EvidenceEntry(msgspec.Struct, frozen=True):
    """The earliest connection: file, number of its first packet, its time, direction rule."""

    file: str
    packet: int
    time: str
    rule: str


class Directions(msgspec.Struct, frozen=True, rename="camel"):
    """A count for each way."""

    to_server: int
    to_client: int


Protocol = Literal["TCP", "UDP", "SCTP", ""]
"""As `packets.protocols` has them; empty where none is declared. They are printed as they are."""


class UseEntry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What went to one port of a server, between which pods."""

    protocol: Protocol
    port: int
    connections: int
    packets: Directions
    bytes: Directions
    outcomes: dict[str, int]
    rules: dict[str, int]
    first_seen: str | None = None
    last_seen: str | None = None
    services: tuple[str, ...] = ()
    evidence: EvidenceEntry | None = None
    captures: int = 1
    hours: tuple[int, ...] = ()
    client_pods: tuple[str, ...] = ()
    server_pods: tuple[str, ...] = ()


class CallEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One client calling one server."""

    client: WorkloadEntry
    server: WorkloadEntry | ExternalEntry
    status: Literal["established", "attempted", "lookup"]
    uses: tuple[UseEntry, ...] = ()
    details: tuple[str, ...] = ()


class FileEntry(msgspec.Struct, frozen=True, rename="camel"):
    """What one capture file held.

    `sample` is why a flow log does not show all; its `packets` are its records.
    """

    file: str
    node: str | None
    packets: int
    first_packet: str | None
    last_packet: str | None
    truncated: bool
    dropped: int | None
    reason: str | msgspec.UnsetType = msgspec.UNSET
    sample: str | msgspec.UnsetType = msgspec.UNSET


class NodeEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One node: whether it was captured, and from when to when.

    Where not all of its packets were recorded, `workloads` had pods on it.
    """

    name: str
    status: str
    reason: str | None
    start: str | None
    end: str | None
    workloads: tuple[WorkloadEntry, ...] | None = None


class UndecidedEntry(msgspec.Struct, frozen=True):
    """Connections that may be a call: who may have been at the ends, null for anybody."""

    fate: str
    clients: tuple[WorkloadEntry | ExternalEntry, ...] | None
    servers: tuple[WorkloadEntry | ExternalEntry, ...] | None
    protocol: Protocol
    connections: int


class SharedEntry(msgspec.Struct, frozen=True):
    """Workloads whose pods had the same address at some time, and how many addresses they share."""

    workloads: tuple[WorkloadEntry, ...]
    addresses: int


class CoverageEntry(msgspec.Struct, frozen=True):
    """What the graph rests on: connections by what became of them, packets without one.

    Objects of the snapshot alone tell workloads apart that `shared` addresses, and those that stood
    `outside` from strangers.
    """

    files: tuple[FileEntry, ...]
    nodes: tuple[NodeEntry, ...]
    connections: dict[str, int]
    skipped: dict[str, int]
    notes: tuple[str, ...]
    undecided: tuple[UndecidedEntry, ...] | msgspec.UnsetType = msgspec.UNSET
    shared: tuple[SharedEntry, ...] | msgspec.UnsetType = msgspec.UNSET
    outside: tuple[WorkloadEntry, ...] | msgspec.UnsetType = msgspec.UNSET
    captures: int | msgspec.UnsetType = msgspec.UNSET


class OwnerEntry(msgspec.Struct, frozen=True):
    """A workload by who made its pods, and what owns that in turn."""

    workload: WorkloadEntry
    owner: WorkloadEntry


class LabelsEntry(msgspec.Struct, frozen=True):
    """The labels of a workload's pods, each key with all its values, else of their namespace."""

    workload: WorkloadEntry
    labels: dict[str, tuple[str, ...]]


class GraphDocument(msgspec.Struct, frozen=True):
    """A service graph; `coverage` is null for one that was read from documents.

    `roots` are owners of workloads that the calls name; `parts` are workloads whose owners the
    calls name instead of them.
    """

    format: Literal["otterize-graph"]
    version: Literal[1]
    calls: tuple[CallEntry, ...]
    coverage: CoverageEntry | None
    roots: tuple[OwnerEntry, ...] | msgspec.UnsetType = msgspec.UNSET
    parts: tuple[OwnerEntry, ...] | msgspec.UnsetType = msgspec.UNSET
    labels: tuple[LabelsEntry, ...] | msgspec.UnsetType = msgspec.UNSET

"""What really happened in a run, said by the scenario that made it happen."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

# Whether captures of the nodes' uplinks alone show who called whom: inside the tunnel between two
# nodes they do, within a node they cannot, and where the source was rewritten on the way only the
# nodes' conntrack tables still know it.
Uplink = Literal["yes", "no", "conntrack"]
# What tests/lab/views.py makes of a recording: less than was recorded.
VIEWS = (
    "no-conntrack",
    "no-watch",
    "no-conntrack+no-watch",
    "only-node-a",
    "only-node-b",
    "uplink",
    "uplink+no-conntrack",
)

NO_MAC = "only the interfaces of the address's own node show that it changed hands"
_UPLINK_REASONS: dict[Uplink, dict[str, str]] = {
    "yes": {},
    "no": {"uplink": "both ends are on one node"},
    "conntrack": {"uplink+no-conntrack": "masqueraded: only conntrack knows who called"},
}


def not_past(node: str) -> dict[str, str]:
    """An edge of which nothing passes this node."""
    return {f"only-{node}": f"not one packet of it passes {node}"}


def crossing(one: str, other: str) -> Uplink:
    """Whether a call between pods of these nodes passes their uplinks."""
    return "no" if one == other else "yes"


def within(node: str) -> dict[str, str]:
    """An edge whose two ends are on this node of two."""
    return not_past("node-b" if node == "node-a" else "node-a")


def masqueraded_at(node: str) -> dict[str, str]:
    """An edge whose client this node sees behind another node's address."""
    return {f"only-{node}": f"comes to {node} from the other node's address, whose conntrack knows"}


@dataclass(frozen=True, slots=True)
class Workload:
    """Who a pod is: the name, namespace and kind of what it belongs to at the root."""

    name: str
    namespace: str
    kind: str
    group: str = ""  # the API group of a custom resource

    def document(self) -> dict[str, str]:
        """As truth.json has it."""
        who = {"name": self.name, "namespace": self.namespace, "kind": self.kind}
        return who | ({"group": self.group} if self.group else {})


class HasWorkload(Protocol):
    """A group of pods."""

    @property
    def workload(self) -> Workload:
        """Whose pods they are."""
        ...


class Named(Protocol):
    """A Service."""

    @property
    def name(self) -> str:
        """Its name."""
        ...


Party = Workload | HasWorkload


@dataclass(slots=True)
class Truth:
    """The true edges, what must not become one, external calls and hidden attempts.

    `views` are the ways of looking at the recording in which each edge that is not said to be
    unknown there must be found: words joined by `+`, see README.md.
    """

    edges: list[dict[str, Any]] = field(default_factory=list)
    not_edges: list[dict[str, Any]] = field(default_factory=list)
    external: list[dict[str, Any]] = field(default_factory=list)
    hidden: dict[str, int] = field(default_factory=dict)
    views: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    def edge(
        self,
        client: Party,
        server: Party,
        port: int,
        *,
        uplink: Uplink,
        protocol: str = "TCP",
        service: Named | None = None,
        unknown: dict[str, str] | None = None,
        **details: object,
    ) -> None:
        """A call that was made and answered; `port` is the one reached at the server.

        `unknown` says in which views the call cannot be known, and why; `recorded` is the view
        of everything that was recorded. `details` go into the edge as they are, such as
        `connections` where the scenario counts.
        """
        call = _call(client, server, protocol, port, service)
        reasons = (_UPLINK_REASONS[uplink] if self.views else {}) | (unknown or {})
        why = {"unknown": reasons} if reasons else {}
        self.edges.append(call | {"uplink": uplink} | why | details)

    def no_edge(
        self,
        client: Party,
        server: Party,
        port: int,
        why: str,
        *,
        protocol: str = "TCP",
        service: Named | None = None,
        **details: object,
    ) -> None:
        """Packets that must not become a call, and why."""
        call = _call(client, server, protocol, port, service)
        self.not_edges.append(call | {"why": why} | details)

    def outside(self, client: Party, address: str, port: int, name: str | None = None) -> None:
        """A call to an address outside the cluster, by name where the client can know it."""
        call = {"client": _who(client), "address": address, "port": port}
        self.external.append(call | ({} if name is None else {"name": name}))

    def document(self) -> dict[str, Any]:
        """truth.json."""
        parts: dict[str, Any] = {"edges": _sorted(self.edges)}
        parts["notEdges"] = _sorted(self.not_edges)
        parts["external"] = self.external
        parts |= {"views": self.views} if self.views else {}
        return parts | ({"hidden": self.hidden} if self.hidden else {}) | self.more


def _who(party: Party) -> dict[str, str]:
    return (party if isinstance(party, Workload) else party.workload).document()


def _call(
    client: Party, server: Party, protocol: str, port: int, service: Named | None
) -> dict[str, Any]:
    return {
        "client": _who(client),
        "server": _who(server),
        "protocol": protocol,
        "port": port,
        "service": None if service is None else service.name,
    }


def _sorted(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def key(call: dict[str, Any]) -> tuple[Any, ...]:
        sides = (call["client"], call["server"])
        names = [side[part] for side in sides for part in ("name", "namespace", "kind")]
        return (*names, call["protocol"], call["port"], call.get("why", ""))

    return sorted(calls, key=key)

"""What would have told of calls that are no edge: for each fate of a connection what to do.

Input: what became of the connections of one pair, and what is known of where its pods are. Output:
sentences. The summary says some of them of all connections.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec import Struct

from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import External, Workload
from otterize_pcap.resolve.build_graph import (
    HIDDEN_DNS,
    HIDDEN_EXTERNAL,
    HIDDEN_HALF,
    HIDDEN_ONE_WAY,
    HIDDEN_SELF,
)
from otterize_pcap.resolve.capture import CaptureContents
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.resolution import (
    AMBIGUOUS,
    CHANGED_HANDS,
    NO_BACKEND,
    NO_POD,
    NODE_CLIENT,
    NODE_SERVER,
    OUTSIDE_TENURE,
    UNDIRECTED,
    UNKNOWN_PRIVATE,
    AnyResolved,
    Resolved,
)

WATCH = "otterize capture watches who has which address meanwhile"
ATTEMPTS = frozenset(("unanswered", "refused", "probed"))
MISSED = (
    "a pod that came or went unseen is missing from a snapshot without a watch, and what it sent "
    f"or got is nobody's or another's: {WATCH}"
)

_ADVICE: Mapping[Fate, str] = {
    UNDIRECTED: (
        "its handshake or first datagram would tell (record from before it begins), or a port that "
        "the server's pods declare; otterize capture saves conntrack's tables and nodes' ephemeral "
        "ports, too"
    ),
    CHANGED_HANDS: "a snapshot from the other end of the capture may have it",
    OUTSIDE_TENURE: "a snapshot of that time would say whose address it was then",
    NODE_CLIENT: (
        "every process of a node has its address; what a pod sends through NAT is told by its own "
        "node's packets or conntrack"
    ),
    NODE_SERVER: (
        "a containerPort or hostPort that a pod there declares, or an EndpointSlice that names it"
    ),
    NO_BACKEND: "a snapshot of that time with the Service's EndpointSlices and their pods",
    UNKNOWN_PRIVATE: "a snapshot with whatever has that address: Nodes, Services, all pods",
    HIDDEN_ONE_WAY: "the other direction was not recorded; --one-way-udp shows it",
    HIDDEN_HALF: (
        "the other direction's packets or conntrack's tables would tell; "
        "--include-attempts shows it"
    ),
    HIDDEN_EXTERNAL: "--internet shows it",
    HIDDEN_DNS: "--include-cluster-dns shows it",
    HIDDEN_SELF: "--exclude-self hides it",
}
_AMBIGUOUS = (
    "two had the address within --time-slack of that time, or at once; all interfaces of its node "
    "would show which (-i any, tcpdump 4.99 or newer)"
)
_CLOCKS = "which of two clocks is right would tell: otterize capture measures them"


class Seen(Struct, frozen=True):
    """What a capture could show.

    Whether one watch lasted over all of it, which nodes have recordings, whether what these show
    is within nodes, too, and whether nothing tells which of two clocks is right.
    """

    watched: bool
    nodes: frozenset[str]
    within_nodes: bool
    clocks_disagree: bool


def advice(fate: Fate, seen: Seen) -> str:
    """What would have shown what became of a connection; empty where nothing would."""
    if fate == NO_POD:
        return "a snapshot of that time would name it" if seen.watched else WATCH
    if fate == AMBIGUOUS:
        more = _CLOCKS if seen.clocks_disagree else "" if seen.watched else WATCH
        return "; ".join(filter(None, (_AMBIGUOUS, more)))
    if fate.kind is FateKind.HIDDEN and fate.reason in ATTEMPTS:
        return "--include-attempts shows it"
    return _ADVICE.get(fate, "")


def fate_lines(fates: Iterable[Fate], seen: Seen) -> Iterator[str]:
    """What would have shown each of some fates."""
    for fate in sorted(fates):
        text = advice(fate, seen)
        if text:
            yield f"{fate.reason or fate.kind}: {text}"


def what_was_seen(mapped: MappedCapture) -> Seen:
    """What a capture could show."""
    contents = mapped.lookup.contents
    times = [time for file in contents.files_read for time in (file.first_ns, file.last_ns) if time]
    shown = [each for each in (*mapped.groups, *mapped.odd) if isinstance(each, Resolved)]
    return Seen(
        watched=bool(times) and contents.snapshot.watched(min(times), max(times)),
        nodes=frozenset(_seen_nodes(contents)),
        within_nodes=not shown or any(map(_is_within_node, shown)),
        clocks_disagree=mapped.clocks_disagree,
    )


def _seen_nodes(contents: CaptureContents) -> Iterator[str]:
    """The nodes of which there are packets, or flows."""
    yield from (each.node for each in contents.recordings if each.files)
    for one in contents.logged.connections if contents.logged else ():
        yield from (leg.recording.node for leg in one.connection.legs)


def _is_within_node(resolved: AnyResolved) -> bool:
    """Whether both ends are pods of one node."""
    if isinstance(resolved.server, External):
        return False
    client, server = resolved.client.pod, resolved.server.pod
    return client is not None and server is not None and client.node == server.node


def homes_of(mapped: MappedCapture) -> dict[Workload, set[str]]:
    """The nodes that the pods of each workload were on, as far as the snapshot says."""
    found: dict[Workload, set[str]] = {}
    for pod in mapped.snapshot.pods:
        workload = mapped.identities.of(pod).workload
        found.setdefault(workload, set()).update({pod.node} - {""})
    return found


def unrecorded_line(client: Collection[str], server: Collection[str], seen: Seen) -> str:
    """Why nothing of two workloads was recorded, by the nodes that their pods are on."""
    if not client or not server:
        return ""
    nodes = sorted({*client, *server})
    if seen.nodes.isdisjoint(nodes):
        return f"nothing was recorded on the nodes of their pods: {', '.join(nodes)}"
    if len(nodes) == 1 and not seen.within_nodes:
        where = f"all their pods are on {nodes[0]}"
        return f"{where}, and no call within a node was recorded: -i any has them"
    return ""

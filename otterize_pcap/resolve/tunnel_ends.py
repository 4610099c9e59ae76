"""Which tunnels are opened, by their outer ends, and what is said of those that are not (S25).

Between two nodes a tunnel is the network's own. What anybody else sends on a tunnel's port could
be made up, and is a datagram like any other.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from otterize_pcap.addresses import MAPPED, Network, format_address, in_network
from otterize_pcap.counted import counted
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.snapshot.snapshot import Snapshot

MAX_CACHED_ENDS = 1 << 16
"""Pairs of outer ends of which a process keeps whether tunnels between them are opened."""
MAX_LISTED = 3
LEFT_CLOSED = "left closed"
NO_NODES = (
    "the snapshot has no Node: tunnels were opened between all addresses that no pod had "
    "(take nodes into the snapshot)"
)


class TunnelEnds:
    """Knows which outer addresses are trusted to be ends of tunnels.

    Args:
        snapshot: Who had which address; an address that any pod ever had is no end.
        local: The addresses that nodes themselves said they have.
        given: Ranges that somebody says hold ends (`--tunnel-endpoints`).
    """

    def __init__(
        self, snapshot: Snapshot, local: Collection[bytes], given: tuple[Network, ...] = ()
    ) -> None:
        self._snapshot = snapshot
        self._nodes = {*snapshot.nodes, *local}
        self._given = given

    @property
    def knows_nodes(self) -> bool:
        """Whether the address of any node is known."""
        return bool(self._nodes)

    def opens(self, source: bytes, destination: bytes) -> bool:
        """Whether a tunnel between two outer addresses is opened."""
        return self.trusts(source) and self.trusts(destination)

    def trusts(self, address: bytes) -> bool:
        """Whether an address is the end of a tunnel that no pod can make."""
        if address in self._snapshot.tenures:
            return False
        if address in self._nodes or any(in_network(address, one) for one in self._given):
            return True
        return not self._nodes and not self._snapshot.owns(address)

    def notes(self, closed: Mapping[Tunnel, int], *, opened: bool) -> Iterator[str]:
        """What the summary says of tunnels that were left closed, and of any that were not."""
        pods: Counter[frozenset[bytes]] = Counter()
        unknown: Counter[frozenset[bytes]] = Counter()
        for tunnel, packets in closed.items():
            ends = frozenset((tunnel.low, tunnel.high))
            is_pods = any(end in self._snapshot.tenures for end in ends)
            (pods if is_pods else unknown)[ends] += packets
        if pods:
            look = counted(pods.total(), "packet looks", "packets look")
            yield (
                f"{look} like a tunnel's with a pod at its end, and {_were(pods)} {LEFT_CLOSED} "
                f"(UDP counts as a call): {_listed(pods)}"
            )
        if unknown:
            closing = sorted({end for pair in unknown for end in pair if not self.trusts(end)})
            of_them = counted(unknown.total(), "packet")
            yield (
                f"{of_them} of tunnels {_were(unknown)} {LEFT_CLOSED}, as their ends are not known "
                f"to be nodes: {_listed(unknown)}; to open them: {_options(closing)}"
            )
        if opened and not self.knows_nodes:
            yield NO_NODES


def _were(packets: Counter[frozenset[bytes]]) -> str:
    return "was" if packets.total() == 1 else "were"


def _listed(pairs: Counter[frozenset[bytes]]) -> str:
    """The pairs with the most packets."""
    most_first = sorted(pairs, key=lambda pair: (-pairs[pair], sorted(pair)))
    texts = [" and ".join(map(format_address, sorted(pair))) for pair in most_first[:MAX_LISTED]]
    more = f" and {len(pairs) - MAX_LISTED} more" if len(pairs) > MAX_LISTED else ""
    return ", ".join(texts) + more


def _options(ends: list[bytes]) -> str:
    shown = " ".join(
        f"--tunnel-endpoints {format_address(end)}/{32 if end.startswith(MAPPED) else 128}"
        for end in ends[: 2 * MAX_LISTED]
    )
    return shown if len(ends) <= 2 * MAX_LISTED else f"{shown} …"

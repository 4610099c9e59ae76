"""A capture that was read: what other programs hold, and what resolution makes of it."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from otterize_pcap.addresses import Network
from otterize_pcap.connections.conntrack import Dump
from otterize_pcap.connections.legs import Recording
from otterize_pcap.flow_logs.logged import Logged
from otterize_pcap.graph.service_graph import FileCoverage, NodeCoverage
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.capture_counts import Payload


class CaptureContents(Struct, frozen=True):
    """All that was recorded at one time: files, conntrack dumps, node addresses, the snapshot.

    `nodes` maps local node addresses, beyond those in the snapshot, to the nodes that have them;
    `inside` are the ranges that their routes tell to lie within the cluster.
    `files_read` and `coverage_nodes` say what was read and which nodes were captured, and
    `compared` the same of files once they are compared with the manifest; `skipped` counts
    packets without a connection, by reason. `payloads` are what names are read from, each with its
    node and file. `clocks_ahead` is how far, in ns, nodes' clocks were ahead of the API server's,
    where measured. `asks_kept` says that all of DNS is among the payloads, questions too.
    `port_ranges` are the ephemeral ports that nodes saved, by node. `closed`
    counts the packets of tunnels that were left closed (S25).
    `notes` are what is to be said of files: those that were left out, or count once;
    `aside` counts what else lies in the directory.
    `logged` is what flow logs hold; the snapshot then has the pods that they name.
    `threads` says how many may work on it at once.
    """

    recordings: Sequence[Recording]
    snapshot: Snapshot
    dumps: Sequence[Dump] = ()
    nodes: Mapping[bytes, frozenset[str]] = field(default_factory=dict)
    files_read: tuple[FileCoverage, ...] = ()
    coverage_nodes: tuple[NodeCoverage, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    payloads: Sequence[tuple[str, str, Payload]] = ()
    asks_kept: bool = False
    clocks_ahead: Mapping[str, int] = field(default_factory=dict)
    inside: tuple[Network, ...] = ()
    port_ranges: Mapping[str, range] = field(default_factory=dict)
    closed: Mapping[Tunnel, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    logged: Logged | None = None
    compared: Callable[[], tuple[FileCoverage, ...]] | None = None
    threads: int = 1

    @property
    def files(self) -> tuple[FileCoverage, ...]:
        """The files with all that is amiss with them: waits until that is known.

        Who needs their names and times alone asks for `files_read`.
        """
        return self.files_read if self.compared is None else self.compared()


class Capture(Struct, frozen=True):
    """One capture, read but not yet understood; `graph_capture` makes a service graph of it.

    How packets are kept until then is no part of the library, and changes.
    """

    _contents: CaptureContents

    def __repr__(self) -> str:
        return "Capture()"

    @property
    def files(self) -> tuple[FileCoverage, ...]:
        """What each file held."""
        return self._contents.files

    @property
    def nodes(self) -> tuple[NodeCoverage, ...]:
        """The nodes that the capture directory's manifest names; empty without one."""
        return self._contents.coverage_nodes

    @property
    def skipped(self) -> Mapping[str, int]:
        """Packets that hold no connection, by reason."""
        return self._contents.skipped


def contents_of(capture: Capture) -> CaptureContents:
    """What a capture holds, for the stages that work on it."""
    return capture._contents

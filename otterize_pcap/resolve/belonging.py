"""Whether a capture and a snapshot are of one cluster (S13).

Clusters that were set up alike give their pods the same addresses. Every name found by them in
another cluster's snapshot would be wrong, and nothing in the graph would show it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

from otterize_pcap.addresses import format_address, is_private
from otterize_pcap.connections.conntrack import Dump
from otterize_pcap.connections.legs import Recording, Tuple5
from otterize_pcap.errors import MismatchError
from otterize_pcap.graph.service_graph import NodeCoverage
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.resolve.api_server import API_SERVER_NAME
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.rows import Endpoint, Row

SAMPLE = 2_000
"""Rows of a recording that are looked at; 20 ms, where all of a million would take ten seconds."""
FEW_PODS = 8
"""So many unknown pods can have come and gone unseen; more, and more than known ones, not."""
FEW_SERVICES = 2
"""So many unknown Services can have come and gone unseen; more, and more than known ones, not."""
MAX_LISTED = 4
ADVICE = (
    "are they of one cluster? Give the snapshot that belongs to the capture, or go on with --force"
)


def refuse_strangers(
    recordings: Sequence[Recording],
    captured: Sequence[NodeCoverage],
    snapshot: Snapshot,
    saved: Mapping[bytes, frozenset[str]],
    dumps: Sequence[Dump] = (),
) -> None:
    """Stop where a capture is not of the snapshot's cluster.

    Args:
        recordings: The rows, by node.
        captured: The nodes that a manifest names.
        snapshot: The snapshot.
        saved: The addresses that nodes said they have, each with their names.
        dumps: Conntrack's tables.

    Raises:
        MismatchError: They do not belong together.
    """
    known = {*snapshot.nodes.values(), *(pod.node for pod in snapshot.pods)} - {""}
    if not known:
        return
    named = {each.name for each in captured if each.status is NodeStatus.CAPTURED}
    if named and not named & known:
        message = (
            f"{snapshot.where}: knows none of the nodes that were captured ({_listed(named)}), but "
            f"{_listed(known)}; {ADVICE}"
        )
        raise MismatchError(message)
    _refuse_other_nodes(saved, snapshot)
    nodes = saved.keys() | snapshot.nodes.keys()
    strangers = list(_strangers(recordings, known, snapshot, nodes))
    if strangers:
        files = {each.files[0] for each in strangers}
        message = (
            f"{_listed(files)}: recorded on nodes that the snapshot does not know "
            f"({_listed({each.node for each in strangers})}), with its pods' addresses but other "
            f"packets than its nodes saw; {ADVICE}"
        )
        raise MismatchError(message)
    _refuse_unknown_pods(recordings, snapshot, nodes)
    _refuse_unknown_services(recordings, snapshot, nodes, dumps)


def _refuse_other_nodes(saved: Mapping[bytes, frozenset[str]], snapshot: Snapshot) -> None:
    """Stop where no node that both know has its private address by both.

    A public one may be a gateway's. What several nodes have, such as a bridge's, is no node's own.
    """
    own: dict[str, set[bytes]] = {}
    for address, name in snapshot.nodes.items():
        if is_private(address):
            own.setdefault(name, set()).add(address)
    said: dict[str, set[bytes]] = {}
    for address, names in saved.items():
        if is_private(address) and len(names) == 1:
            said.setdefault(next(iter(names)), set()).add(address)
    both = own.keys() & said.keys()
    if both and all(own[name].isdisjoint(said[name]) for name in both):
        message = (
            f"{snapshot.where}: gives nodes of these names other addresses than they said they "
            f"have ({_listed(both)}); {ADVICE}"
        )
        raise MismatchError(message)


def _strangers(
    recordings: Sequence[Recording],
    known: Collection[str],
    snapshot: Snapshot,
    nodes: Collection[bytes],
) -> Iterator[Recording]:
    """Recordings of nodes that are not the snapshot's, where others beside them are.

    A file that somebody named otherwise shows the address of a node (by its tunnels, by kubelet's
    probes) or a connection that a node's file shows too, and nothing of a pod that was not recorded
    on the pod's own node as well.
    """
    homes = {each.node: each for each in recordings if each.node in known}
    for recording in recordings if homes else ():
        if recording.node in known or not recording.files:
            continue
        shown = _shown(recording)
        if not any(address in snapshot.tenures for address in shown):
            continue
        is_alone = not any(address in nodes for address in shown) and not any(
            _share(recording, home) for home in homes.values()
        )
        if is_alone or _is_elsewhere(recording, homes, snapshot):
            yield recording


def _share(one: Recording, other: Recording) -> bool:
    """Whether a connection is in two recordings."""
    tuples = {_key(row) for row in islice(one.rows, SAMPLE)}
    return any(_key(row) in tuples for row in other.rows)


def _is_elsewhere(recording: Recording, homes: Mapping[str, Recording], snapshot: Snapshot) -> bool:
    """Whether packets of a pod are in it that the pod's own node never saw.

    That node was recorded at the time; or both ends are its pods, whose packets never leave it.
    Then one address was on two nodes.
    """
    seen: dict[str, tuple[set[Tuple5], int, int]] = {}
    for row in islice(recording.rows, SAMPLE):
        ends = [_homes_of(address, row, snapshot) & homes.keys() for address in _ends(row)]
        for node in sorted(ends[0] | ends[1]) if _both_ways(row) else ():
            if node not in seen:
                seen[node] = _all_of(homes[node])
            tuples, first_ns, last_ns = seen[node]
            at_once = first_ns <= row.first_ns and row.last_ns <= last_ns
            if _key(row) not in tuples and (at_once or node in ends[0] & ends[1]):
                return True
    return False


def _homes_of(address: bytes, row: Row, snapshot: Snapshot) -> set[str]:
    """The nodes of the pods that surely had an address at the time of a row."""
    return {
        tenure.pod.node
        for tenure in snapshot.tenures.get(address, ())
        if tenure.interval.covers(row.first_ns, row.last_ns, 0)
    }


def _ends(row: Row) -> tuple[bytes, bytes]:
    return row.low[0], row.high[0]


def _all_of(recording: Recording) -> tuple[set[Tuple5], int, int]:
    """Every 5-tuple of a recording, and from when to when it has packets."""
    rows = list(recording.rows)
    return (
        set(map(_key, rows)),
        min((row.first_ns for row in rows), default=0),
        max((row.last_ns for row in rows), default=0),
    )


def _key(row: Row) -> Tuple5:
    return row.protocol, row.low, row.high


def _refuse_unknown_pods(
    recordings: Sequence[Recording], snapshot: Snapshot, nodes: Collection[bytes]
) -> None:
    shown = {
        address
        for recording in recordings
        for row in islice(recording.rows, SAMPLE)
        if _both_ways(row)
        for address in _ends(row)
    }
    pods = {address for address in shown if address in snapshot.tenures}
    unknown = {
        address
        for address in shown - pods
        if snapshot.is_pod_range(address) and address not in nodes
    }
    if len(unknown) > max(len(pods), FEW_PODS):
        message = (
            f"{snapshot.where}: knows {len(pods)} of the {len(pods) + len(unknown)} pod addresses "
            f"that were looked at; {ADVICE}"
        )
        raise MismatchError(message)


def _refuse_unknown_services(
    recordings: Sequence[Recording],
    snapshot: Snapshot,
    nodes: Collection[bytes],
    dumps: Sequence[Dump],
) -> None:
    """Stop where most Services that were called are none that the snapshot knows.

    One that has the Service of the API server has those of all namespaces.
    """
    if not any((one.namespace, one.name) == API_SERVER_NAME for one in snapshot.services):
        return
    called = {*_rewritten(recordings), *_translated(dumps)}
    known = called & snapshot.virtual
    unknown = {
        address
        for address in called - known
        if is_private(address)
        and address not in nodes
        and address not in snapshot.tenures
        and not snapshot.is_pod_range(address)
    }
    if len(unknown) > max(len(known), FEW_SERVICES):
        message = (
            f"{snapshot.where}: knows {len(known)} of the {len(known) + len(unknown)} Service "
            f"addresses that were called ({_listed(set(map(format_address, unknown)))}); {ADVICE}"
        )
        raise MismatchError(message)


def _rewritten(recordings: Sequence[Recording]) -> Iterator[bytes]:
    """Destinations of which NAT made another: the same SYN went to both, and there first."""
    called: dict[tuple[Endpoint, int], dict[bytes, int]] = {}
    for recording in recordings:
        for row in islice(recording.rows, SAMPLE):
            if row.client is not None and row.client_isn is not None:
                client, server = (row.low, row.high)[:: -1 if row.client else 1]
                first = called.setdefault((client, row.client_isn), {})
                first[server[0]] = min(row.first_ns, first.get(server[0], row.first_ns))
    for first in called.values():
        if len(first) > 1:
            yield min(first, key=lambda address: (first[address], address))


def _translated(dumps: Sequence[Dump]) -> Iterator[bytes]:
    """Destinations of which conntrack says that NAT made another."""
    for dump in dumps:
        for entry in islice(dump.entries, SAMPLE):
            if entry.target != entry.server:
                yield entry.target[0]


def _shown(recording: Recording) -> set[bytes]:
    """Addresses of a part of a recording, outside of tunnels and inside."""
    shown: set[bytes] = set()
    for row in islice(recording.rows, SAMPLE):
        shown.update(_ends(row))
        shown.update(end for tunnel in row.tunnels for end in (tunnel.low, tunnel.high))
    return shown


def _both_ways(row: Row) -> bool:
    return all(side.packets for side in row.sides)


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:MAX_LISTED])
    return shown if len(names) <= MAX_LISTED else f"{shown} and {len(names) - MAX_LISTED} more"

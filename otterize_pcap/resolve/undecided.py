"""Resolutions → connections that may be a call, of which an end or the direction is not known.

Who may have been at an end is as much a part of what was seen as who was: a call that such a
connection could be is not known to be absent (S65).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.grouped import ConnectionGroup
from otterize_pcap.connections.outcome import ESTABLISHED
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import External, UndecidedCall, Workload
from otterize_pcap.packets.protocols import PROTOCOL_NAMES
from otterize_pcap.resolve.build_graph import count_of
from otterize_pcap.resolve.resolve import (
    NODE_CLIENT,
    GroupResolution,
    Party,
    Resolution,
    Unresolved,
)

OPEN_KINDS = frozenset((FateKind.UNRESOLVED, FateKind.AMBIGUOUS, FateKind.UNDIRECTED))
SEVERAL = 2

AnyUnresolved = Unresolved[Connection] | Unresolved[ConnectionGroup]

Ends = tuple[Workload | External, ...] | None
"""Who an end may have been; None for anybody."""


def find_undecided(
    resolutions: Iterable[Resolution | GroupResolution], *, attempts: bool
) -> tuple[UndecidedCall, ...]:
    """What may have been calls, counted by who may have been at the ends.

    `attempts` counts connections that were never established, where these are calls (S41).
    """
    found: Counter[tuple[Fate, Ends, Ends, str]] = Counter()
    for resolution in resolutions:
        if not isinstance(resolution, Unresolved) or not _is_open(resolution.fate):
            continue
        connection = resolution.connection
        if connection.outcome != ESTABLISHED and not attempts:
            continue
        protocol = PROTOCOL_NAMES[connection.protocol]
        for clients, servers in _ends(resolution):
            found[resolution.fate, clients, servers, protocol] += count_of(connection)
    return merge_undecided(UndecidedCall(*key, count) for key, count in found.items())


def unknown_ends(fate: Fate, connections: int) -> tuple[UndecidedCall, ...]:
    """Connections of which nothing tells who was at either end."""
    return (UndecidedCall(fate, None, None, "", connections),) if connections else ()


def merge_undecided(parts: Iterable[UndecidedCall]) -> tuple[UndecidedCall, ...]:
    """The same of several captures, each kind once, in order."""
    found: Counter[tuple[Fate, Ends, Ends, str]] = Counter()
    for part in parts:
        found[part.fate, part.clients, part.servers, part.protocol] += part.connections
    calls = (UndecidedCall(*key, count) for key, count in found.items())
    return tuple(sorted(calls, key=_order))


def _is_open(fate: Fate) -> bool:
    return fate.kind in OPEN_KINDS and fate != NODE_CLIENT


def _ends(resolution: AnyUnresolved) -> Iterator[tuple[Ends, Ends]]:
    """Client and server as far as they are known; both ways round where nothing tells."""
    client, server = _known(resolution.client), _known(resolution.server)
    # One candidate is who had the address last: nobody knows who else had it.
    candidates = resolution.candidates if len(resolution.candidates) >= SEVERAL else None
    if resolution.side == "client":
        client = candidates
    elif resolution.side == "server":
        server = candidates
    yield client, server
    if resolution.fate.kind is FateKind.UNDIRECTED and client != server:
        yield server, client


def _known(party: Party | External | None) -> Ends:
    if party is None:
        return None
    return (party.workload,) if isinstance(party, Party) else (party,)


def _order(call: UndecidedCall) -> tuple[str, Sequence[str], Sequence[str], str]:
    return str(call.fate), _texts(call.clients), _texts(call.servers), call.protocol


def _texts(ends: Ends) -> list[str]:
    return [] if ends is None else list(map(repr, ends))

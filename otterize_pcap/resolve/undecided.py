"""Resolutions → connections that may be a call, of which an end or the direction is not known.

Who may have been at an end is as much a part of what was seen as who was: a call that such a
connection could be is not known to be absent (S65).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from otterize_pcap.addresses import format_address
from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.conntrack import Entry
from otterize_pcap.connections.outcome import ESTABLISHED
from otterize_pcap.connections.stands import ConnectionGroup
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.service_graph import External, UndecidedCall, Workload
from otterize_pcap.packets.protocols import PROTOCOL_NAMES, UDP
from otterize_pcap.resolve.resolution import (
    API_SERVER,
    NODE_CLIENT,
    GroupResolution,
    Party,
    Resolution,
    Unresolved,
)
from otterize_pcap.resolve.use_tally import count_of

OPEN_KINDS = frozenset((FateKind.UNRESOLVED, FateKind.AMBIGUOUS, FateKind.UNDIRECTED))
AGELESS = Fate(FateKind.UNRESOLVED, "known to conntrack only, without its age")
SEVERAL = 2

AnyUnresolved = Unresolved[Connection] | Unresolved[ConnectionGroup]

Ends = tuple[Workload | External, ...] | None
"""Who an end may have been; None for anybody."""


def find_undecided(
    resolutions: Iterable[Resolution | GroupResolution],
    *,
    attempts: bool,
    balancers: bool,
    tunnels: bool,
) -> tuple[UndecidedCall, ...]:
    """What may have been calls, counted by who may have been at the ends.

    `attempts` counts connections that were never established, where these are calls (S41);
    `balancers`: an address outside may be a Service's (S50). `tunnels` were left closed: each way
    of one is a one-way flow (S25).
    """
    found: Counter[tuple[Fate, Ends, Ends, str]] = Counter()
    for resolution in resolutions:
        if not isinstance(resolution, Unresolved) or resolution.fate.kind not in OPEN_KINDS:
            continue
        connection = resolution.connection
        one_way = tunnels and connection.protocol == UDP
        if connection.outcome != ESTABLISHED and not (attempts or one_way):
            continue
        protocol = PROTOCOL_NAMES[connection.protocol]
        for clients, known in _ends(resolution):
            outside = known is not None and any(isinstance(one, External) for one in known)
            servers = None if balancers and outside else known
            found[resolution.fate, clients, servers, protocol] += count_of(connection)
    return merge_undecided(UndecidedCall(*key, count) for key, count in found.items())


def may_be_called(resolution: GroupResolution) -> bool:
    """Whether a group speaks of calls to addresses outside of which it names one alone."""
    return (
        resolution.connection.server.is_example
        and isinstance(resolution, Unresolved)
        and resolution.fate.kind in OPEN_KINDS
        and isinstance(resolution.server, External)
    )


def untimed_calls(
    entries: Iterable[Entry],
    held: Mapping[bytes, frozenset[Workload]],
    is_outside: Callable[[bytes], bool],
) -> tuple[UndecidedCall, ...]:
    """What conntrack alone knows, at a time that it does not tell (S46).

    Its ends are any that ever held the addresses (`held`); masquerading, and what stands behind a
    Service elsewhere, leave an end open.
    """

    def ends(address: bytes) -> Ends:
        if is_outside(address):
            return (External(format_address(address), is_address=True),)
        return tuple(sorted(held[address])) if address in held else None

    found: Counter[tuple[Fate, Ends, Ends, str]] = Counter()
    for entry in entries:
        client, server = ends(entry.client[0]), ends(entry.server[0])
        known = client is None or any(isinstance(one, Workload) for one in client)
        found[AGELESS, client if known else None, server, PROTOCOL_NAMES[entry.protocol]] += 1
    return merge_undecided(UndecidedCall(*key, count) for key, count in found.items())


def merge_undecided(parts: Iterable[UndecidedCall]) -> tuple[UndecidedCall, ...]:
    """The same of several captures, each kind once, in order."""
    found: Counter[tuple[Fate, Ends, Ends, str]] = Counter()
    for part in parts:
        found[part.fate, part.clients, part.servers, part.protocol] += part.connections
    calls = (UndecidedCall(*key, count) for key, count in found.items())
    return tuple(sorted(calls, key=_order))


def _ends(resolution: AnyUnresolved) -> Iterator[tuple[Ends, Ends]]:
    """Client and server as far as they are known; both ways round where nothing tells."""
    client, server = _known(resolution.client), _known(resolution.server)
    # One candidate is who had the address last: nobody knows who else had it.
    candidates = resolution.candidates if len(resolution.candidates) >= SEVERAL else None
    if resolution.fate == NODE_CLIENT:
        # Pods' calls are seen before masquerading too (S22); the API server's come from its node.
        client = (API_SERVER,)
    elif resolution.side == "client":
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

"""Added calls that may be an absent one: seen under another name, or the other way round.

What the later snapshot lacks changes what a call is called: an owner that is absent leaves the name
of who is below it, an absent Service of the API server the pod behind it, an absent relay its two
calls as one. Each of these was seen, and is not gone.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from otterize_pcap.compare.renamed_ends import RenamedEnds
from otterize_pcap.graph.service_graph import Call, Server, Workload
from otterize_pcap.resolve.resolution import API_SERVER

TURNED = "it was seen the other way round"
RENAMED = "a call that is new may be it under another name"
THROUGH = "a call that is new may have gone through what is absent"
NOBODY: frozenset[Server] = frozenset()


class Instead:
    """The calls that were `added`, and the clients and servers of all that there were `before`."""

    def __init__(
        self, added: Iterable[Call] = (), before: Collection[tuple[Workload, Server]] = ()
    ) -> None:
        self._added = {(call.client, call.server): call for call in added}
        self._servers, self._clients = _both_ways(self._added)
        self._servers_before, self._clients_before = _both_ways(before)
        self._ends = RenamedEnds({end for pair in self._added for end in pair})

    def reasons(self, call: Call) -> Iterator[str]:
        """Why added calls may be an absent one; nothing where none is."""
        client, server = call.client, call.server
        if (server, client) in self._added:
            yield TURNED
        if self._is_renamed(call):
            yield RENAMED
        # Sets, of which the smaller is walked: one client may have lost and got thousands.
        onward = self._servers.get(client, NOBODY), self._servers_before.get(server, NOBODY)
        inward = self._clients.get(server, NOBODY), self._clients_before.get(client, NOBODY)
        if any(not after.isdisjoint(earlier) for after, earlier in (onward, inward)):
            yield THROUGH

    def _is_renamed(self, call: Call) -> bool:
        """Whether an added call is between ends that may be the absent one's."""
        servers = self._ends.may_be(call.server)
        for client in self._ends.may_be(call.client):
            called = self._servers.get(client, NOBODY)
            if not called.isdisjoint(servers):
                return True
            if call.server == API_SERVER and any(
                _is_behind_api_server(call, self._added[client, other])  # type: ignore[index]
                for other in called
            ):
                return True
        return False


def _both_ways(
    pairs: Iterable[tuple[Workload, Server]],
) -> tuple[dict[Server, set[Server]], dict[Server, set[Server]]]:
    """The servers of each client, and the clients of each server."""
    servers: dict[Server, set[Server]] = defaultdict(set)
    clients: dict[Server, set[Server]] = defaultdict(set)
    for client, server in pairs:
        servers[client].add(server)
        clients[server].add(client)
    return servers, clients


def _is_behind_api_server(absent: Call, added: Call) -> bool:
    """Whether a call to the API server may now be one to the pod behind its Service."""
    ports = {(use.protocol, use.port) for use in absent.uses}
    reached = {(use.protocol, use.port) for use in added.uses}
    return not ports.isdisjoint(reached)


NOTHING = Instead()

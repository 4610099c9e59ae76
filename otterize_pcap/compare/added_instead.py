"""Added calls that may be an absent one: seen under another name, or the other way round.

What the later snapshot lacks changes what a call is called: an owner that is absent leaves the name
of who is below it, an absent Service of the API server the pod behind it, an absent relay its two
calls as one. Each of these was seen, and is not gone.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import product

from otterize_pcap.graph.generated_names import has_generated_name
from otterize_pcap.graph.service_graph import Call, Server, Workload, could_be, is_one_kind
from otterize_pcap.resolve.resolution import API_SERVER

TURNED = "it was seen the other way round"
RENAMED = "a call that is new may be it under another name"
NO_NAMESPACE = "default"
"""Where objects without a namespace are taken to be."""
THROUGH = "a call that is new may have gone through what is absent"


class Instead:
    """The calls that were `added`, and the clients and servers of all that there were `before`."""

    def __init__(
        self, added: Iterable[Call] = (), before: Collection[tuple[Workload, Server]] = ()
    ) -> None:
        self._before = before
        self._added = {(call.client, call.server): call for call in added}
        self._servers: dict[Workload, list[Server]] = defaultdict(list)
        self._clients: dict[Server, list[Workload]] = defaultdict(list)
        for client, server in self._added:
            self._servers[client].append(server)
            self._clients[server].append(client)
        self._ends = {end for pair in self._added for end in pair}
        self._names: dict[Server, tuple[Server, ...]] = {}

    def reasons(self, call: Call) -> Iterator[str]:
        """Why added calls may be an absent one; nothing where none is."""
        client, server = call.client, call.server
        if (server, client) in self._added:
            yield TURNED
        if any(pair in self._added for pair in product(self._of(client), self._of(server))) or any(
            _is_api_server(call, self._added[one, other])
            for one in self._of(client)
            if isinstance(one, Workload)
            for other in self._servers.get(one, ())
        ):
            yield RENAMED
        if any((server, other) in self._before for other in self._servers.get(client, ())) or any(
            (other, client) in self._before for other in self._clients.get(server, ())
        ):
            yield THROUGH

    def _of(self, end: Server) -> tuple[Server, ...]:
        """The ends of added calls that may be this one under another name."""
        if end not in self._names:
            self._names[end] = tuple(one for one in self._ends if _may_be_renamed(end, one))
        return self._names[end]


NOTHING = Instead()


def _may_be_renamed(absent: Server, added: Server) -> bool:
    """Whether an end is another's, or that of an owner of it which the snapshot lacks."""
    if not isinstance(absent, Workload) or not isinstance(added, Workload):
        return absent == added
    if could_be(absent, added) or not added.name:
        return True
    if added.namespace not in (absent.namespace, NO_NAMESPACE):
        return False
    if absent.name == added.name:
        # One resource owns another of its name: a Configuration a Knative Service's.
        elsewhere = added.namespace != absent.namespace
        return elsewhere or (bool(absent.group) and not is_one_kind(absent, added))
    return _is_below(added, absent) or _is_below(absent, added)


def _is_below(one: Workload, other: Workload) -> bool:
    """Whether a workload has the name of what another made, and made it to be replaced."""
    below = one.name.startswith(f"{other.name}-")
    return below and (one.kind == "Pod" or has_generated_name(one))


def _is_api_server(absent: Call, added: Call) -> bool:
    """Whether a call to the API server may now be one to the pod behind its Service."""
    ports = {(use.protocol, use.port) for use in absent.uses}
    reached = {(use.protocol, use.port) for use in added.uses}
    return absent.server == API_SERVER and not ports.isdisjoint(reached)

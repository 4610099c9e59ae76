"""What a capture saw that may be a call which its graph does not hold.

Absent from the graph is not absent from the capture: an option may hide the call, or its
connections are among those of which an end or the direction is not known (S65).
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import product

from msgspec.structs import replace

from otterize_pcap.graph.service_graph import (
    Call,
    Coverage,
    External,
    HiddenCall,
    Server,
    ServiceGraph,
    UndecidedCall,
    Workload,
    could_be,
)
from otterize_pcap.resolve.build_graph import HIDDEN_BY_OPTION, HIDDEN_EXTERNAL
from otterize_pcap.resolve.resolution import EXTERNAL_CLIENT, NODE_CLIENT

ANYBODY = ""
HIDDEN_OUTSIDE = "calls out of the cluster were seen that are only shown with --internet"
LEFT = "its server had an address outside the cluster, and calls to outside were seen"
CAME = "its client had an address outside the cluster, and calls from outside were seen"


class SeenOtherwise:
    """What a capture saw that its graph does not hold, by the names of who may be at its ends.

    `old` is what an earlier graph, which held the calls asked for, rests on. `in_vain` counts what
    was seen and did not become a call, since it was never established.
    """

    def __init__(self, graph: ServiceGraph, old: Coverage | None = None, *, in_vain: bool) -> None:
        self._coverage = graph.coverage or Coverage()
        self._hidden: dict[str, list[HiddenCall]] = defaultdict(list)
        self._undecided: dict[tuple[str, str], list[UndecidedCall]] = defaultdict(list)
        self._by_client: dict[str, list[UndecidedCall]] = defaultdict(list)
        self._once_outside = frozenset(() if old is None else old.outside)
        self._callers_outside = {
            call.client for call in graph.calls if isinstance(call.server, External)
        }
        for seen in graph.hidden:
            if in_vain or seen.fate in HIDDEN_BY_OPTION:
                self._hidden[seen.client.name].append(seen)
        for one in _with_new_node_clients(self._coverage, old):
            for client in _names(one.clients):
                self._by_client[client].append(one)
            for client, server in product(_names(one.clients), _names(one.servers)):
                self._undecided[client, server].append(one)

    def reasons(self, call: Call) -> tuple[str, ...]:
        """Why a call may be in the capture; empty where it is not."""
        hidden = self._hidden.get(call.client.name, ())
        reasons = {f"seen, but {seen.fate}" for seen in hidden if _is_hidden(call, seen)}
        reasons |= {
            f"connections that may be it are {one.fate}"
            for one in self._near(call)
            if may_be(call, one)
        }
        return (*sorted(reasons), *self._outside(call))

    def _outside(self, call: Call) -> Iterator[str]:
        """Whether a call may be among those that leave the cluster, or come from outside it."""
        seen = dict(self._coverage.connections)
        if isinstance(call.server, External):
            if seen.get(HIDDEN_EXTERNAL):
                yield HIDDEN_OUTSIDE
            return
        if call.server in self._once_outside and (
            seen.get(HIDDEN_EXTERNAL) or call.client in self._callers_outside
        ):
            yield LEFT
        if call.client in self._once_outside and seen.get(EXTERNAL_CLIENT):
            yield CAME

    def _near(self, call: Call) -> Iterator[UndecidedCall]:
        """What is undecided between ends of these names, or of any."""
        clients = (call.client.name, ANYBODY)
        if isinstance(call.server, External) or call.server.is_service:
            # Anything may stand there.
            for client in clients:
                yield from self._by_client.get(client, ())
            return
        for key in product(clients, (call.server.name, ANYBODY)):
            yield from self._undecided.get(key, ())


def _names(ends: tuple[Server, ...] | None) -> set[str]:
    return {ANYBODY} if ends is None else {one.name for one in ends}


def _with_new_node_clients(coverage: Coverage, old: Coverage | None) -> Iterator[UndecidedCall]:
    """What is undecided, with anybody as the client where a node calls that did not before.

    A hostNetwork pod, or one on a node of its own, has its node's address: without the pod, or
    without the node's addresses, its calls come from the node. Probes were there before.
    """
    known = None
    if old is not None:
        known = {(one.fate, one.servers, one.protocol) for one in old.undecided}
    for one in coverage.undecided:
        is_new = known is not None and (one.fate, one.servers, one.protocol) not in known
        yield replace(one, clients=None) if is_new and one.fate == NODE_CLIENT else one


def is_service(declared: Workload, service: str) -> bool:
    """Whether a Service, as `name.namespace`, is meant by a name that may lack its namespace."""
    name, _, namespace = service.rpartition(".")
    return declared.name == name and declared.namespace in ("", namespace)


def may_be_service(declared: Workload) -> bool:
    """Whether a name can be a Service's: a document may leave out the kind."""
    return not declared.kind or declared.is_service


def _is_hidden(call: Call, seen: HiddenCall) -> bool:
    """Whether a call could be one that was seen but is not shown."""
    server = call.server
    if isinstance(server, External) or not could_be(call.client, seen.client):
        return False
    return could_be(server, seen.server) or (
        may_be_service(server) and any(is_service(server, service) for service in seen.services)
    )


def may_be(call: Call, seen: UndecidedCall) -> bool:
    """Whether some connections that are not decided may be a call's."""
    protocols = {use.protocol for use in call.uses}
    if seen.protocol and protocols and "" not in protocols and seen.protocol not in protocols:
        return False
    clients, servers = seen.clients, seen.servers
    if clients is not None and not any(_is(call.client, one) for one in clients):
        return False
    if isinstance(call.server, External):
        return servers is not None and any(isinstance(one, External) for one in servers)
    # What is behind a Service may have any name.
    if servers is None or call.server.is_service:
        return True
    return any(_is(call.server, one) for one in servers)


def _is(workload: Workload, one: Workload | External) -> bool:
    return isinstance(one, Workload) and could_be(workload, one)

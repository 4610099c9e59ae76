"""Absent calls whose packets may be counted for another workload that had the same address.

Which of two pods sent from an address, their objects say (S12). Where the later snapshot lacks one
of them, what it said is the other's as far as the snapshot knows: seen, but under another name.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import permutations, product

from msgspec.structs import replace

from otterize_pcap.graph.service_graph import Call, Server, SharedAddresses, Workload

SHARED = (
    "it may be counted for another workload that had the same address, "
    "of which the snapshot does not know any more that both had it"
)


class SharedEnds:
    """Who may be named in the `later` calls in place of whom.

    That are workloads which had more addresses in common `before` than they have `after`.
    """

    def __init__(
        self,
        before: Iterable[SharedAddresses] = (),
        after: Iterable[SharedAddresses] = (),
        later: Mapping[tuple[Workload, Server], Call] | None = None,
    ) -> None:
        self._later = later or {}
        self._others: dict[Server, list[Workload]] = defaultdict(list)
        still = _pairs(after)
        for (one, other), addresses in _pairs(before).items():
            if addresses > still[one, other]:
                self._others[one].append(other)

    def instead(self, call: Call) -> Iterator[Call]:
        """A call under each other name that it may have now; nothing for most."""
        if call.client not in self._others and call.server not in self._others:
            return
        clients = (call.client, *self._others.get(call.client, ()))
        servers = (call.server, *self._others.get(call.server, ()))
        for client, server in product(clients, servers):
            if (client, server) != (call.client, call.server):
                yield replace(call, client=client, server=server)

    def is_seen(self, call: Call) -> bool:
        """Whether a call is there, one way or the other, by one of the protocols."""
        ways = [(call.client, call.server)]
        if isinstance(call.server, Workload):
            ways.append((call.server, call.client))
        return any(_could_be(call, self._later[way]) for way in ways if way in self._later)


def _pairs(shared: Iterable[SharedAddresses]) -> Counter[tuple[Workload, Workload]]:
    found: Counter[tuple[Workload, Workload]] = Counter()
    for each in shared:
        for pair in permutations(each.workloads, 2):
            found[pair] += each.addresses
    return found


def _could_be(one: Call, other: Call) -> bool:
    """Whether both use one protocol, as far as either says which."""
    protocols, others = ({use.protocol for use in call.uses} for call in (one, other))
    return not protocols or not others or "" in protocols | others or bool(protocols & others)


NONE_SHARED = SharedEnds()

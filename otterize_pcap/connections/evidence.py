"""What the whole capture says of endpoints and 5-tuples, for rules that look beyond one flow."""

from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from otterize_pcap.connections.conntrack_flows import tuple5
from otterize_pcap.connections.legs import Tuple5
from otterize_pcap.connections.port_ranges import PortFacts, port_facts
from otterize_pcap.connections.sightings import Sighting
from otterize_pcap.table.rows import Endpoint

Original = tuple[Endpoint, bool, Endpoint, Endpoint]
"""The client's endpoint in a 5-tuple, whether the entry began within the capture, and both ends
before NAT."""


class Known(Struct, frozen=True):
    """All of it.

    `servers` are (protocol, endpoint) that answered a handshake (S33). `originals` are the client
    endpoints that conntrack recorded for a 5-tuple (S31). `shared` are those that served several
    connections (S35). `mostly_clients` and `mostly_servers` sent first, or did not, in most of
    their UDP flows. `ports` says which ports are ephemeral. `crowded` are the (protocol, client
    ISN) of more 5-tuples than one connection has. `began` is when the first packet of a 5-tuple
    came, where that may be before the flow asked about.
    """

    servers: frozenset[tuple[int, Endpoint]] = frozenset()
    originals: Mapping[Tuple5, frozenset[Original]] = field(default_factory=dict)
    shared: frozenset[tuple[int, Endpoint]] = frozenset()
    mostly_clients: frozenset[tuple[int, Endpoint]] = frozenset()
    mostly_servers: frozenset[tuple[int, Endpoint]] = frozenset()
    ports: Mapping[Endpoint, PortFacts] = field(default_factory=dict)
    crowded: frozenset[tuple[int, int]] = frozenset()
    began: Mapping[Tuple5, int] = field(default_factory=dict)

    def port(self, endpoint: Endpoint) -> PortFacts:
        """Whether an endpoint's port is ephemeral."""
        return self.ports.get(endpoint) or port_facts(endpoint[1])

    def are_usual(self, client: Endpoint, server: Endpoint) -> bool:
        """Whether only the server's port is not ephemeral."""
        return self.port(server).is_fixed and not self.port(client).is_fixed


def conntrack_originals(sightings: Iterable[Sighting]) -> dict[Tuple5, frozenset[Original]]:
    """Who conntrack says was the client of each 5-tuple, before and after NAT (S31)."""
    originals: dict[Tuple5, set[Original]] = {}
    for entry in sightings:
        before = tuple5(entry.protocol, entry.client, entry.target)
        after = tuple5(entry.protocol, entry.reply_to, entry.server)
        original = entry.began_within, entry.client, entry.target
        originals.setdefault(before, set()).add((entry.client, *original))
        originals.setdefault(after, set()).add((entry.reply_to, *original))
    return {key: frozenset(found) for key, found in originals.items()}

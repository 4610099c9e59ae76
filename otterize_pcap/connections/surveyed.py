"""What all rows of a capture say of the endpoints of a few: evidence for those without a shape."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from otterize_pcap.connections.evidence import Known, conntrack_originals
from otterize_pcap.connections.legs import Flow
from otterize_pcap.connections.port_ranges import decoded
from otterize_pcap.connections.shapes import EndFact
from otterize_pcap.connections.sightings import Sighting
from otterize_pcap.packets.protocols import UDP
from otterize_pcap.table.rows import Endpoint

if TYPE_CHECKING:
    from otterize_pcap.connections._components import Components as FastComponents
    from otterize_pcap.connections.components import Components


def surveyed(
    components: "FastComponents | Components",
    flows: Collection[Flow],
    sightings: Sequence[Sighting],
) -> Known:
    """What direction asks of the whole capture, where `flows` are those that are odd."""
    ends = {(flow.protocol, flow.endpoint(side)) for flow in flows for side in (0, 1)}
    for one in sightings:
        ends.update(
            (one.protocol, end) for end in (one.client, one.target, one.server, one.reply_to)
        )
    facts = {end: components.facts(*end) for end in ends}

    def having(fact: EndFact) -> frozenset[tuple[int, Endpoint]]:
        return frozenset(end for end, (found, _) in facts.items() if found & fact)

    isns = {
        (flow.protocol, leg.row.client_isn)
        for flow in flows
        for leg in flow.legs
        if leg.row.client_isn is not None
    }
    began = components.began_ns
    return Known(
        servers=having(EndFact.ANSWERED),
        originals=conntrack_originals(sightings),
        shared=having(EndFact.SHARED),
        mostly_clients=having(EndFact.MOSTLY_CLIENT),
        mostly_servers=having(EndFact.MOSTLY_SERVER),
        ports={end: decoded(port) for (_, end), (_, port) in facts.items()},
        crowded=frozenset(isn for isn in isns if components.is_crowded(*isn)),
        began={flow.tuple5: began(*flow.tuple5) for flow in flows if flow.protocol == UDP},
    )

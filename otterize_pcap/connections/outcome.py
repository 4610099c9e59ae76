"""What came of a connection (S40): established, probed, refused or unanswered."""

from collections.abc import Iterable, Sequence

from otterize_pcap.connections.legs import Flow
from otterize_pcap.packets.protocols import FIN, PSH, RST, UDP
from otterize_pcap.table.rows import Side

ESTABLISHED, PROBED, REFUSED, UNANSWERED = "established", "probed", "refused", "unanswered"


def outcome_of(flows: Sequence[Flow], clients: Sequence[int], *, assured: bool) -> str:
    """The outcome of one connection.

    Args:
        flows: All its flows.
        clients: The client's side in each.
        assured: Whether conntrack called it ASSURED.
    """
    sent: list[Side] = []
    answered: list[Side] = []
    for flow, client in zip(flows, clients, strict=True):
        for leg in flow.legs:
            sent.append(leg.row.sides[client])
            answered.append(leg.row.sides[1 - client])
    if all(flow.client is None for flow in flows) and (
        _denies(sent, answered) or _denies(answered, sent)
    ):
        return REFUSED
    if assured:
        return ESTABLISHED
    if flows[0].protocol == UDP:
        return _datagrams(sent, answered)
    server_isn = next((flow.server_isn for flow in flows if flow.server_isn is not None), None)
    if _acknowledged(sent, server_isn) or (_has_ack(sent) and _has_ack(answered)):
        return ESTABLISHED
    if _only_one_way(flows, sent, answered):
        return ESTABLISHED
    if any(side.syn_acks for side in answered):
        return PROBED
    if any(side.flags & RST for side in answered) or any(side.unreachable for side in sent):
        return REFUSED
    return UNANSWERED


def _denies(one: Sequence[Side], other: Sequence[Side]) -> bool:
    """Whether all that one side sent are RSTs to what the other went on with (RFC 9293 3.5.1).

    So answers who has the address now and knows of no such connection. Conntrack still holds the
    entry of the pod that had it before.
    """
    return any(side.flags & RST for side in one) and not _has_ack(one) and _has_ack(other)


def _datagrams(sent: Iterable[Side], answered: Iterable[Side]) -> str:
    if any(side.packets for side in sent) and any(side.packets for side in answered):
        return ESTABLISHED
    return REFUSED if any(side.unreachable for side in sent) else UNANSWERED


def _acknowledged(sent: Iterable[Side], server_isn: int | None) -> bool:
    """Whether the client acknowledged the server's initial sequence number (RFC 9293 3.4)."""
    if server_isn is None:
        return False
    return any(
        side.ack_first is not None and (side.ack_first - server_isn - 1) & 0xFFFFFFFF < 1 << 31
        for side in sent
    )


def _only_one_way(flows: Sequence[Flow], sent: Sequence[Side], answered: Sequence[Side]) -> bool:
    """Whether one direction alone was recorded, and what it said needed the other's answer.

    A client that acknowledges and goes on after its SYN was answered; a server that goes on after
    its SYN-ACK was acknowledged (RFC 9293 3.5).
    """
    if any(side.unreachable for side in sent) or all(flow.client is None for flow in flows):
        return False
    if not any(side.packets for side in answered):
        return _has_ack(sent) and any(map(went_on, sent))
    if not any(side.packets for side in sent):
        return any(side.syn_acks for side in answered) and any(map(went_on, answered))
    return False


def went_on(side: Side) -> bool:
    """Whether it sent data or FIN: a segment alone that acknowledges takes no sequence number."""
    return bool(side.flags & (FIN | PSH)) or side.seq_first != side.seq_last


def _has_ack(sides: Iterable[Side]) -> bool:
    return any(side.ack_first is not None for side in sides)

"""Thousands of servers outside are one rule, put together in time that grows as they do."""

import time

from otterize_pcap.addresses import parse_address, parse_network
from otterize_pcap.graph.service_graph import Evidence
from otterize_pcap.policies.joined_rules import joined_rules
from otterize_pcap.policies.needs import AddressPeer, Sighting
from otterize_pcap.policies.network_policy import EGRESS, IPBlock, Peer, PolicyPort, PolicyRule
from otterize_pcap.policies.workload_policy import AllowedPeer

PORTS = (PolicyPort("TCP", 443),)


def allowed(number: int) -> AllowedPeer:
    """A server of its own, seen once."""
    address = f"20.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    rule = PolicyRule((Peer(ip_block=IPBlock(parse_network(f"{address}/32"))),), PORTS)
    seen = Sighting(1, number, number + 5, frozenset(), Evidence("a.pcap", number, number, "S30"))
    return AllowedPeer(EGRESS, (AddressPeer(parse_address(address)),), rule, seen)


def seconds(count: int) -> float:
    """CPU time to join so many."""
    rules = [allowed(number) for number in range(count)]
    begun = time.process_time()
    (one,) = joined_rules(rules, lambda _: (), by_identity=False)
    taken = time.process_time() - begun
    assert one.peers == tuple(rule.peers[0] for rule in rules)
    assert one.rule == PolicyRule(tuple(rule.rule.peers[0] for rule in rules), PORTS)
    assert one.seen == Sighting(count, 0, count + 4, frozenset(), Evidence("a.pcap", 0, 0, "S30"))
    return taken


def test_twice_the_servers_take_twice_the_time() -> None:
    """Not four times, and eight times sixteen: 8,000 took 7 s, and a million would take a day."""
    few, many = (min(seconds(count) for _ in range(3)) for count in (2_000, 16_000))
    assert many < 24 * few

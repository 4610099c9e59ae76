"""Peers, rules and ports that are looked up: the same as when all are looked through."""

from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.addresses import parse_address, parse_network
from otterize_pcap.policies.action_rule import AnyRule
from otterize_pcap.policies.flow_ends import (
    ApiServerEnd,
    FlowEnd,
    NodeEnd,
    OutsideEnd,
    PodEnd,
    ServiceEnd,
)
from otterize_pcap.policies.network_policy import (
    IN,
    IPBlock,
    LabelSelector,
    Peer,
    PolicyPort,
    PolicyRule,
    Requirement,
)
from otterize_pcap.policies.peer_matcher import PeerMatcher
from otterize_pcap.policies.peers import port_matches
from otterize_pcap.policies.rule_peers import PolicyRules, RulePeers
from otterize_pcap.policies.rule_ports import RulePorts
from tests.policies.judged import CLUSTER, end

ADDRESSES = ("10.1.0.1", "10.1.0.200", "192.168.0.1", "203.0.113.9", "fd00::1", "fd00::1:1")
RANGES = (
    *("0.0.0.0/0", "::/0", "10.0.0.0/8", "10.1.0.0/25", "10.1.0.1/32", "192.168.0.0/16"),
    *("203.0.113.9/32", "203.0.113.8/31", "fd00::/64", "fd00::1/128", "fd00::/127"),
)
LABELS = st.sampled_from(("web", "db", "monitor", "front", "none"))
selectors = st.builds(
    LabelSelector,
    st.lists(st.tuples(st.sampled_from(("app", "tier")), LABELS), max_size=2).map(tuple),
    st.lists(
        st.builds(
            Requirement, st.just("app"), st.just(IN), st.lists(LABELS, max_size=3).map(tuple)
        ),
        max_size=1,
    ).map(tuple),
)
peers = st.one_of(
    st.builds(Peer, selectors, st.none() | st.just(LabelSelector())),
    st.builds(Peer, st.none(), st.just(LabelSelector((("team", "a"),)))),
    st.builds(
        Peer,
        ip_block=st.builds(
            IPBlock,
            st.sampled_from(RANGES).map(parse_network),
            st.just((parse_network("10.1.0.1/32"),)) | st.just(()),
        ),
    ),
)
addresses = st.sampled_from(ADDRESSES).map(parse_address)
ends: st.SearchStrategy[FlowEnd] = st.one_of(
    st.sampled_from(("shop/web", "shop/db", "ops/monitor")).map(end),
    st.builds(NodeEnd, addresses, st.just(())),
    st.builds(OutsideEnd, addresses),
    st.lists(addresses, min_size=1, max_size=2).map(tuple).map(ApiServerEnd),
    st.builds(ServiceEnd, st.just(("db.shop",)), st.just((end("shop/db"), end("ops/web")))),
)
rules = st.builds(PolicyRule, st.lists(peers, max_size=4).map(tuple))
ports = st.builds(
    PolicyPort,
    st.sampled_from(("TCP", "UDP")),
    st.sampled_from((None, 80, 81, 5432, "postgres", "none")),
) | st.builds(PolicyPort, st.just("TCP"), st.just(80), st.just(90))


@given(st.lists(peers, max_size=12), ends, st.booleans())
def test_peers_that_are_looked_up(found: list[Peer], other: FlowEnd, by_identity: bool) -> None:
    """By label and by range, or for ends at several places."""
    matcher = PeerMatcher(CLUSTER, by_identity=by_identity)
    own = pod_of("shop/web")
    rule = PolicyRule(tuple(found))
    expected = tuple(
        at for at, peer in enumerate(found) if matcher.matches(peer, "shop", other, own.pod)
    )
    numbers, _ = RulePeers(rule).matching("shop", other, own.pod, matcher)
    assert numbers == expected


@given(st.lists(rules, max_size=8), ends)
def test_rules_that_are_looked_up(found: list[AnyRule], other: FlowEnd) -> None:
    """None of those that mean an end is missing, and those for everybody never are."""
    matcher, own = PeerMatcher(CLUSTER, by_identity=False), pod_of("shop/web")
    meaning = {
        at
        for at, rule in enumerate(found)
        if not rule.peers or RulePeers(rule).matching("shop", other, own.pod, matcher) != ((), "")
    }
    candidates = PolicyRules(found).candidates(other)
    assert meaning <= set(candidates)
    assert candidates == sorted(candidates)


@given(
    st.lists(ports, max_size=9), st.sampled_from(("TCP", "UDP")), st.sampled_from((80, 85, 5432))
)
def test_ports_that_are_looked_up(found: list[PolicyPort], protocol: str, called: int) -> None:
    """By number, by name and by range."""
    pod = pod_of("shop/db").pod
    meaning = {at for at, each in enumerate(found) if port_matches(each, protocol, called, pod)}
    candidates = RulePorts(PolicyRule((), tuple(found))).candidates(protocol, called)
    assert meaning <= {at for at, _ in candidates}


def pod_of(text: str) -> PodEnd:
    """A pod of the small cluster."""
    found = end(text)
    assert isinstance(found, PodEnd)
    return found

"""The order and the strength of the rules of direction."""

from otterize_pcap.connections.rule import Rule

SAID_BY_LOGS = [
    Rule.HUBBLE_REPLY,
    Rule.HUBBLE_FLAGS,
    Rule.NETOBSERV_FLAGS,
    Rule.NETOBSERV_SERVICE,
]


def test_precedence_is_not_the_order_of_names() -> None:
    """S30 to S36: who sent the first datagram goes before not knowing, and after all others."""
    named = sorted(Rule, key=lambda rule: rule.precedence)
    assert named == ["S30", "S31", *SAID_BY_LOGS, "S32", "S33", "S34", "S35", "UDP", "S36"]
    assert min(Rule.UNDIRECTED, Rule.FIRST_SENDER, key=lambda rule: rule.precedence) == "UDP"


def test_each_rule_is_strong_or_weak_or_tells_nothing() -> None:
    """S30 to S32 and what logs say tell the client, S33 to S35 and a first sender suggest it."""
    assert {rule for rule in Rule if rule.strong} == {"S30", "S31", *SAID_BY_LOGS, "S32"}
    assert {rule for rule in Rule if rule.weak} == {"S33", "S34", "S35", "UDP"}


def test_each_rule_says_what_it_goes_by() -> None:
    """S30 to S36: `explain` has words for each, and no two rules say the same."""
    assert len({rule.text for rule in Rule}) == len(Rule)

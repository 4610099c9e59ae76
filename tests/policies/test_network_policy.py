"""Policies as values mean what the API's documentation says of their fields."""

import pytest

from otterize_pcap.addresses import parse_address, parse_network
from otterize_pcap.policies.network_policy import (
    EGRESS,
    INGRESS,
    IPBlock,
    LabelSelector,
    NetworkPolicy,
    PolicyRule,
    Requirement,
    policy_types_of,
)


@pytest.mark.parametrize(
    ("operator", "values", "met"),
    [
        ("In", ("a", "b"), [True, False, False]),
        ("NotIn", ("a", "b"), [False, True, True]),
        ("Exists", (), [True, True, False]),
        ("DoesNotExist", (), [False, False, True]),
    ],
)
def test_requirements(operator: str, values: tuple[str, ...], met: list[bool]) -> None:
    """NotIn is met by a label that is not there, In is not."""
    requirement = Requirement("tier", operator, values)
    found: list[dict[str, str]] = [{"tier": "a"}, {"tier": "c"}, {"other": "a"}]
    assert [requirement.matches(labels) for labels in found] == met


def test_selector_asks_all_at_once() -> None:
    """Its matchLabels and matchExpressions are ANDed; an empty selector matches everything."""
    selector = LabelSelector((("app", "web"),), (Requirement("tier", "Exists"),))
    assert selector.matches({"app": "web", "tier": "front"})
    assert not selector.matches({"app": "web"})
    assert not selector.matches({"tier": "front"})
    assert LabelSelector().matches({})
    assert selector.keys == {"app", "tier"}
    assert LabelSelector((), selector.requirements).matches({"app": "web", "tier": "front"})


@pytest.mark.parametrize(
    ("cidr", "excepted", "address", "inside"),
    [
        ("10.0.0.0/8", [], "10.1.2.3", True),
        ("10.0.0.0/8", ["10.1.0.0/16"], "10.1.2.3", False),
        ("10.0.0.0/8", ["10.1.0.0/16"], "10.2.0.0", True),
        ("10.0.0.0/8", [], "11.0.0.0", False),
        ("0.0.0.0/0", [], "8.8.8.8", True),
        ("0.0.0.0/0", [], "2001:db8::1", False),
        ("::/0", [], "2001:db8::1", True),
        ("::/0", [], "8.8.8.8", False),
        ("::/0", ["2001:db8::/32"], "2001:db8::1", False),
    ],
)
def test_ip_block(cidr: str, excepted: list[str], address: str, *, inside: bool) -> None:
    """A block has its own family's addresses that are not excepted."""
    block = IPBlock(parse_network(cidr), tuple(map(parse_network, excepted)))
    assert block.contains(parse_address(address)) is inside


def test_policy_types_default() -> None:
    """Without policyTypes: Ingress always, Egress where there are rules of it."""
    assert policy_types_of(None, 0) == {INGRESS}
    assert policy_types_of([], 1) == {INGRESS, EGRESS}
    assert policy_types_of([EGRESS], 0) == {EGRESS}
    rule = PolicyRule()
    policy = NetworkPolicy("p", "shop", policy_types=frozenset({EGRESS}), ingress=(rule,))
    assert policy.rules(INGRESS) == ()
    assert policy.rules(EGRESS) == ()

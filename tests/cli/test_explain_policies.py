"""`otterize explain A B --policies`: the verdict at both pods, rule by rule."""

import json
from pathlib import Path

from tests.conftest import FIXTURES, GOLDEN, Otterize

TWO_NODES, POLICIES = FIXTURES / "two-nodes", GOLDEN / "netpol" / "policies.yaml"


def verdicts(otterize: Otterize, client: str, server: str, policies: Path = POLICIES) -> list[str]:
    """The lines of all verdicts, without the places of rules."""
    result = otterize(
        "explain", client, server, TWO_NODES, "--policies", policies, "-q", "--most", "0"
    )
    lines = result.stdout.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("policies, "))
    return [line.partition(f" ({policies}")[0] for line in lines[first:] if line]


def test_an_observed_call(otterize: Otterize) -> None:
    """Both sides, and what each rule of the policies that isolate the pod says."""
    rule = "ingress rule 1: from pods with app=orders or pods with app=reports, TCP 5432"
    assert verdicts(otterize, "orders", "ledger-0")[:5] == [
        "policies, TCP 5432: allowed",
        "  egress of app/orders-tpbn5gm74-48h5b: allowed (no policy selects the pod)",
        "  ingress of app/ledger-0: allowed",
        "    NetworkPolicy app/ledger selects the pod",
        f"      allows  {rule}",
    ]


def test_a_call_that_was_not_observed(otterize: Otterize) -> None:
    """It is judged by the ports that the server declares."""
    assert verdicts(otterize, "ledger", "app/orders") == [
        "policies, TCP 8080, which was not observed: denied",
        "  egress of app/ledger-0: allowed (no policy selects the pod)",
        "  ingress of app/orders-tpbn5gm74-48h5b: denied",
        "    NetworkPolicy app/orders selects the pod",
        "      does not allow  ingress rule 1: from pods with app=gateway, TCP 80",
    ]


def test_several_captures_are_one(otterize: Otterize) -> None:
    """The same verdict is said once, as JSON has it."""
    words = ("explain", "gateway", "metrics", TWO_NODES, "--policies", POLICIES, "-q")
    once = json.loads(otterize(*words, "--format", "json").stdout)["policies"]
    twice = json.loads(otterize(*words, TWO_NODES, "--format", "json").stdout)["policies"]
    assert twice == once
    assert [(each["observed"], each["outcome"]) for each in once] == [(True, "allowed")]

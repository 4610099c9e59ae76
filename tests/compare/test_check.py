"""Observed calls held against declared ones."""

from itertools import starmap

import pytest
from hypothesis import given
from msgspec.structs import replace

from otterize_pcap.compare.check import CheckResult, check_graph
from otterize_pcap.compare.ignore_rules import parse_ignore_rules
from otterize_pcap.compare.seen_otherwise import HIDDEN_OUTSIDE
from otterize_pcap.compare.thresholds import Thresholds, parse_share, unmet_thresholds
from otterize_pcap.errors import UsageError
from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.service_graph import (
    SERVICE,
    Call,
    Coverage,
    External,
    FileCoverage,
    HiddenCall,
    NodeCoverage,
    Server,
    ServiceGraph,
    Use,
    Workload,
    declared_use,
)
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.render.check_text import render_check
from otterize_pcap.resolve.build_graph import HIDDEN_DNS, HIDDEN_EXTERNAL, SHOWN
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.resolve.resolution import AMBIGUOUS, EXTERNAL_CLIENT, NODE_CLIENT, NOT_A_CALL
from tests.conftest import FIXTURES
from tests.strategies import graphs, laws

API, KAFKA = Workload("api", "shop", "Deployment"), Workload("kafka", "shop", "StatefulSet")
WHOLE = Coverage((FileCoverage("a.pcap", "a", 9, 0, 9),))


def use(port: int, protocol: str = "TCP", services: tuple[str, ...] = ()) -> Use:
    """One connection to a port."""
    return Use(protocol, port, 1, (1, 1), (1, 1), 1, 2, (("established", 1),), (), services)


def check(observed: Call, declared: Call) -> CheckResult:
    """Hold one call against another."""
    return check_graph(ServiceGraph((observed,), WHOLE), ServiceGraph((declared,)))


@laws
@given(graphs())
def test_a_graph_declares_itself(graph: ServiceGraph) -> None:
    """Nothing is a violation, and nothing unused, where all that was seen is declared."""
    result = check_graph(graph, graph)
    assert (result.violations, result.unused) == ((), ())
    assert result.allowed == graph.calls


@laws
@given(graphs())
def test_nothing_declared_nothing_allowed(graph: ServiceGraph) -> None:
    """Without intents every call is a violation."""
    result = check_graph(graph, ServiceGraph())
    assert tuple(violation.call for violation in result.violations) == graph.calls


@pytest.mark.parametrize(
    ("declared", "server", "allowed"),
    [
        pytest.param(KAFKA, KAFKA, True, id="the workload"),
        pytest.param(replace(KAFKA, kind=""), KAFKA, True, id="without its kind"),
        pytest.param(replace(KAFKA, kind="Deployment"), KAFKA, False, id="another kind"),
        pytest.param(Workload("broker", "shop", "Service"), KAFKA, True, id="the Service"),
        pytest.param(Workload("broker", "shop"), KAFKA, True, id="the Service without its kind"),
        pytest.param(Workload("broker", "prod", "Service"), KAFKA, False, id="another Service"),
        pytest.param(External("*.example.com"), External("a.example.com"), True, id="wildcard"),
        pytest.param(External("*.example.com"), External("example.com"), False, id="not below"),
        pytest.param(External("*.example.com"), External("badexample.com"), False, id="no dot"),
        pytest.param(
            External("192.0.2.0/24", is_address=True),
            External("192.0.2.7", is_address=True),
            True,
            id="range",
        ),
        pytest.param(
            External("192.0.2.0/24", is_address=True),
            External("192.0.3.7", is_address=True),
            False,
            id="outside the range",
        ),
        pytest.param(
            External("nonsense", is_address=True),
            External("192.0.3.7", is_address=True),
            False,
            id="no address",
        ),
        pytest.param(External("192.0.2.7"), KAFKA, False, id="outside is not inside"),
    ],
)
def test_what_a_declared_server_covers(declared: Server, server: Server, allowed: bool) -> None:
    """The workload, a Service that the call went through, a wildcard, or a range."""
    seen = Call(API, server, uses=(use(9092, services=("broker.shop",)),))
    result = check(seen, Call(API, declared))
    assert (not result.violations) is allowed
    assert bool(result.unused or result.not_seen) is not allowed


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        pytest.param((), None, id="no ports"),
        pytest.param((declared_use("", 9092),), None, id="any protocol"),
        pytest.param((declared_use("TCP", 9092),), None, id="the port"),
        pytest.param((declared_use("UDP", 9092),), "TCP 9092 not declared", id="other protocol"),
        pytest.param((declared_use("", 443),), "TCP 9092 not declared", id="other port"),
    ],
)
def test_declared_ports_bind(declared: tuple[Use, ...], reason: str | None) -> None:
    """A port that is not among the declared ones is a violation of its own."""
    result = check(Call(API, KAFKA, uses=(use(9092),)), Call(API, KAFKA, uses=declared))
    assert [violation.reason for violation in result.violations] == ([reason] if reason else [])


def test_unused_only_where_coverage_could_have_shown_it() -> None:
    """A declared call is unused only if the capture would have shown it."""
    declared = ServiceGraph((Call(API, KAFKA), Call(API, External("sql:orders"))))
    whole = check_graph(ServiceGraph((), WHOLE), declared)
    assert whole.unused == (Call(API, KAFKA),)
    assert [entry.reasons for entry in whole.not_seen] == [
        ("a capture does not show which cloud resource or database a call is for",)
    ]
    partly = replace(WHOLE, nodes=(NodeCoverage("b", NodeStatus.FAILED, "Pending"),))
    part = check_graph(ServiceGraph((), partly), ServiceGraph((Call(API, KAFKA),)))
    assert part.unused == ()
    assert [entry.reasons for entry in part.not_seen] == [("node b was not captured (Pending)",)]


@pytest.mark.parametrize(
    ("declared", "unused"),
    [
        pytest.param(Workload("dns", "kube-system", "Deployment"), False, id="workload"),
        pytest.param(Workload("dns", ""), False, id="name alone"),
        pytest.param(Workload("names", "kube-system", SERVICE), False, id="its Service"),
        pytest.param(Workload("names", ""), False, id="its Service's name alone"),
        pytest.param(Workload("dns", "other"), True, id="namesake elsewhere"),
        pytest.param(Workload("names", "other", SERVICE), True, id="Service elsewhere"),
    ],
)
def test_a_call_that_options_hide_is_not_unused(declared: Workload, unused: bool) -> None:
    """What was seen and is not shown, such as calls to the cluster's DNS, was not for nothing."""
    dns = Workload("dns", "kube-system", "Deployment")
    hidden = HiddenCall(API, dns, HIDDEN_DNS, ("names.kube-system",))
    observed = ServiceGraph((), WHOLE, (hidden,))

    result = check_graph(observed, ServiceGraph((Call(API, declared),)))

    assert bool(result.unused) is unused
    if not unused:
        reason = "seen, but hidden: call to the cluster's DNS"
        assert [entry.reasons for entry in result.not_seen] == [(reason,)]


@pytest.mark.parametrize("hidden", [0, 3])
def test_call_outside_is_unused_unless_such_calls_are_hidden(hidden: int) -> None:
    """Without --internet nobody knows which of them it was; where there was none, it is known."""
    whole = replace(WHOLE, connections=((HIDDEN_EXTERNAL, hidden),) if hidden else ())
    declared = ServiceGraph((Call(API, External("example.com")),))
    result = check_graph(ServiceGraph((), whole), declared)
    assert bool(result.unused) is not bool(hidden)
    assert [entry.reasons for entry in result.not_seen] == [(HIDDEN_OUTSIDE,)] * bool(hidden)


@pytest.mark.parametrize("scenario", ["outcomes", "outside"])
def test_recorded_calls_that_are_hidden_are_not_unused(scenario: str) -> None:
    """The same of real captures: what was attempted in vain, and the cluster's DNS."""
    graph = graph_capture(open_captures([FIXTURES / scenario])[0])
    assert graph.hidden
    declared = {(hidden.client, hidden.server): None for hidden in graph.hidden}

    result = check_graph(graph, ServiceGraph(tuple(starmap(Call, declared))))

    assert result.unused == ()


def test_ignored_calls_are_no_violation_and_use_what_they_match() -> None:
    """An ignored call is listed as such."""
    observed = ServiceGraph((Call(API, KAFKA),), WHOLE)
    result = check_graph(observed, ServiceGraph(), parse_ignore_rules("api -> kafka.shop", "x"))
    assert (result.violations, result.ignored) == ((), observed.calls)
    assert render_check(result) == (
        "All observed calls are declared (0).\n\nIgnored (1):\n  api calls:\n    - kafka\n"
    )


def test_text_lists_each_kind_of_finding() -> None:
    """Violations come first; what was declared for nothing follows on request."""
    hidden = replace(WHOLE, connections=((HIDDEN_EXTERNAL, 1),))
    observed = ServiceGraph((Call(API, KAFKA, uses=(use(9092),)),), hidden)
    declared = ServiceGraph(
        (Call(API, Workload("db", "shop")), Call(API, External("example.com"))),
    )
    result = check_graph(observed, declared)
    assert render_check(result) == "Not declared (1):\n  api calls:\n    - kafka (TCP 9092)\n"
    assert render_check(result, unused=True).endswith(
        "\nDeclared but not seen (1):\n  api calls:\n    - db\n"
        "\nDeclared, and not known to be unused (1):\n  api calls:\n    - example.com: "
        "calls out of the cluster were seen that are only shown with --internet\n"
    )


COUNTED = replace(
    WHOLE,
    connections=(
        (AMBIGUOUS, 5),
        (EXTERNAL_CLIENT, 50),
        (HIDDEN_EXTERNAL, 5),
        (NOT_A_CALL, 70),
        (SHOWN, 90),
        (NODE_CLIENT, 400),
    ),
)


@pytest.mark.parametrize(
    ("thresholds", "unmet"),
    [
        pytest.param(Thresholds(), [], id="none"),
        pytest.param(Thresholds(0.05, frozenset({"a"})), [], id="met"),
        pytest.param(
            Thresholds(0.04),
            ["5.0% of the connections are not resolved, more than 4.0%; run with -v to see why"],
            id="unresolved",
        ),
        pytest.param(
            Thresholds(nodes=frozenset({"a", "b", "c"})),
            ["node b was not captured", "node c was not captured"],
            id="nodes",
        ),
    ],
)
def test_thresholds(thresholds: Thresholds, unmet: list[str]) -> None:
    """What could have been a call counts; a node counts by its manifest or its packets."""
    assert list(unmet_thresholds(COUNTED, thresholds)) == unmet


def test_shares() -> None:
    """A share is a percentage or a number up to one."""
    assert [parse_share(text) for text in ("5%", "0.05", "0", "100%")] == [0.05, 0.05, 0, 1]
    for text in ("", "5", "-1%", "x", "101%"):
        with pytest.raises(UsageError):
            parse_share(text)


@pytest.mark.parametrize("line", ["a", "a ->", "-> b", "->"])
def test_broken_ignore_rules_name_their_line(line: str) -> None:
    """A line that is no rule is a usage error."""
    with pytest.raises(UsageError, match=r"rules: line 2: expected CLIENT -> SERVER"):
        parse_ignore_rules(f"# first\n{line}\n", "rules")

"""Laws of policies that are made of what was observed, on clusters and traffic by chance."""

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import product
from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.addresses import parse_network
from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.service_graph import ATTEMPTED, Workload
from otterize_pcap.intents.sort_files import NamedFile
from otterize_pcap.policies.action_rule import AnyPolicy
from otterize_pcap.policies.dns_needs import DnsQuestions
from otterize_pcap.policies.evaluate import Evaluator
from otterize_pcap.policies.flow_ends import PodEnd, ServiceEnd
from otterize_pcap.policies.generate import Wanted, make_policies
from otterize_pcap.policies.judgement import Outcome
from otterize_pcap.policies.network_policy import INGRESS, NetworkPolicy
from otterize_pcap.policies.observation import observe
from otterize_pcap.policies.pod_flows import PodFlow, pod_flows
from otterize_pcap.policies.read_policies import read_policies
from otterize_pcap.policies.rule_text import rule_text
from otterize_pcap.policies.verdict import ACCEPTABLE, BOTH, Gates, Reason, ReasonKind
from otterize_pcap.policies.workload_policy import WorkloadPolicy
from otterize_pcap.render.cilium_policy import cilium_document
from otterize_pcap.render.network_policy import (
    commented_document,
    policy_document,
    render_policies,
)
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.identity import NamedBy
from otterize_pcap.resolve.map_capture import MappedCapture, map_capture
from tests.policies.judged import check_policies
from tests.policies.judged import flow as flow_between
from tests.policies.policy_rules import problems
from tests.policies.random_clusters import (
    NAMESPACES,
    PORTS,
    Happening,
    Member,
    captured,
    happenings,
    labels,
    members,
)
from tests.policies.recordings import RECORDED

laws = settings(max_examples=60)
EVERYTHING = Wanted(
    namespaces=frozenset((*NAMESPACES, "kube-system")),
    gates=Gates(accepted=frozenset(ACCEPTABLE)),
)
OPEN = replace(EVERYTHING, any_outside=True, names_ports=True)
RANGED = replace(EVERYTHING, node_ranges=(parse_network("192.168.0.0/16"),))
Traffic = list[Happening]


def made_of(*captures: MappedCapture, wanted: Wanted = EVERYTHING) -> list[WorkloadPolicy]:
    """The policies of captures."""
    return list(make_policies([observe(each) for each in captures], wanted))


def policies_of(made: Sequence[WorkloadPolicy]) -> list[NetworkPolicy]:
    """Those that there are."""
    return [each.policy for each in made if each.policy is not None]


def needed(capture: MappedCapture) -> list[PodFlow]:
    """The flows that took place."""
    return [flow for flow in pod_flows(capture).flows if flow.status != ATTEMPTED]


def elsewhere(found: PodFlow) -> Iterator[PodFlow]:
    """A flow, and how filters see it where no node changes it on the way."""
    yield found
    yield from found.elsewhere()


@laws
@given(members(), happenings)
def test_nothing_that_took_place_is_denied(pods: tuple[Member, ...], happened: Traffic) -> None:
    """Policies allow all that they are made of."""
    capture = captured(pods, happened)
    evaluator = Evaluator(policies_of(made_of(capture)), capture.snapshot)
    for found in needed(capture):
        for each in elsewhere(found):
            assert evaluator.judge(each).outcome is Outcome.ALLOWED


@laws
@given(members(), happenings, st.sampled_from([EVERYTHING, OPEN, RANGED]))
def test_every_rule_left_out_is_found(
    pods: tuple[Member, ...], happened: Traffic, wanted: Wanted
) -> None:
    """Whichever rule is left out of whichever policy, a check of the rest says so.

    By a call that is denied, or may be; or by what passes without a rule, or is needed unseen.
    """
    capture = captured(pods, happened)
    for rest, left_out in each_rule_left_out(policies_of(made_of(capture, wanted=wanted))):
        found, remarks = check_policies(rest, [capture])
        assert found.denied or found.unknown or remarks, left_out


@laws
@given(members(), happenings, st.sampled_from((*PORTS, 7)))
def test_nothing_else_is_allowed(pods: tuple[Member, ...], happened: Traffic, port: int) -> None:
    """Between pods that labels tell apart, an isolated side denies a call that nobody made."""
    capture = captured(pods, happened)
    made = {one.workload: one for one in made_of(capture)}
    if any(reason.kind is ReasonKind.SELECTOR for one in made.values() for reason in reasons(one)):
        return
    evaluator = Evaluator(policies_of(list(made.values())), capture.snapshot)
    of = capture.identities.of
    ends = [PodEnd(pod, of(pod).workload, pod.addresses[0]) for pod in capture.snapshot.pods]
    seen = {called for flow in needed(capture) for called in pairs(flow)}
    for client, server in product(ends, ends):
        if client == server or (client.workload, server.workload, port) in seen:
            continue
        sides = evaluator.judge(flow_between(client, server, port)).sides
        assert all(side.outcome is Outcome.DENIED for side in sides if side.policies)


def reasons(one: WorkloadPolicy) -> tuple[Reason, ...]:
    """What is to be known of a workload."""
    return one.verdict.reasons


def pairs(found: PodFlow) -> Iterator[tuple[Workload, Workload, int]]:
    """The pods' workloads that a flow was between, and the port."""
    servers = found.server.ends if isinstance(found.server, ServiceEnd) else (found.server,)
    for server in servers:
        if isinstance(found.client, PodEnd) and isinstance(server, PodEnd):
            yield found.client.workload, server.workload, found.server_port


@laws
@given(members(), happenings, happenings, st.data())
def test_more_captures_take_nothing_away(
    pods: tuple[Member, ...], happened: Traffic, later: Traffic, data: st.DataObject
) -> None:
    """What one capture's policies allow a pod, those of two allow as well; labels may change."""
    one, other = captured(pods, happened), captured(rolled_out(pods, data), later, 100)
    alone = Evaluator(policies_of(made_of(one)), one.snapshot)
    both = Evaluator(policies_of(made_of(one, other)), one.snapshot)
    for flow in [*needed(one), *needed(other)]:
        before = {(side.direction, side.pod.uid): side for side in alone.judge(flow).sides}
        for side in both.judge(flow).sides:
            known = before[side.direction, side.pod.uid]
            if known.policies and known.outcome is Outcome.ALLOWED:
                assert side.outcome is Outcome.ALLOWED


def rolled_out(pods: tuple[Member, ...], data: st.DataObject) -> tuple[Member, ...]:
    """The same pods, some of which have other labels by now."""
    return tuple(
        dataclasses.replace(each, labels=tuple(sorted(data.draw(labels).items())))
        if data.draw(st.booleans())
        else each
        for each in pods
    )


@laws
@given(members(), happenings, st.data())
def test_a_policy_selects_all_pods_of_its_workload_at_any_time_and_no_others(
    pods: tuple[Member, ...], happened: Traffic, data: st.DataObject
) -> None:
    """Through a rollout, with labels that others have as well; or there is no policy, and why."""
    captures = captured(pods, happened), captured(rolled_out(pods, data), happened, 100)
    for one in made_of(*captures):
        if one.policy is None:
            continue
        for capture in captures:
            for pod in capture.snapshot.pods:
                workload = capture.identities.of(pod).workload
                selected = pod.namespace == one.policy.namespace and one.policy.selects(pod.labels)
                assert selected == (workload == one.workload)


@laws
@given(members(), happenings, happenings, st.data())
def test_several_captures_make_the_same_round_trip(
    pods: tuple[Member, ...], happened: Traffic, later: Traffic, data: st.DataObject
) -> None:
    """Of captures before and after a rollout nothing is denied or unused, and no rule is spare."""
    both = [captured(pods, happened), captured(rolled_out(pods, data), later, 100)]
    policies = policies_of(made_of(*both))
    found, remarks = check_policies(policies, both)
    assert (found.denied, found.unknown, found.unused, remarks) == ((), (), (), ())
    for rest, left_out in each_rule_left_out(policies):
        found, remarks = check_policies(rest, both)
        assert found.denied or found.unknown or remarks, left_out


@laws
@given(members(), happenings)
def test_everybody_may_ask_the_clusters_dns(pods: tuple[Member, ...], happened: Traffic) -> None:
    """Whether or not it was asked meanwhile, by datagrams and by TCP."""
    capture = captured(pods, happened)
    evaluator = Evaluator(policies_of(made_of(capture)), capture.snapshot)
    questions = DnsQuestions(capture, ())
    for pod in capture.snapshot.pods:
        for question in questions.of(pod):
            assert evaluator.judge(question).outcome is Outcome.ALLOWED


@laws
@given(members(), happenings)
def test_nobody_is_isolated_without_a_rule(pods: tuple[Member, ...], happened: Traffic) -> None:
    """Who kept quiet is not cut off, and every document is one that the API takes."""
    for one in made_of(captured(pods, happened)):
        if one.policy is None:
            continue
        for direction in one.policy.policy_types:
            assert [each for each in one.allowed if each.direction == direction and each.seen]
        assert list(problems(policy_document(one.policy))) == []
        assert list(problems(dict(cilium_document(one)))) == []


@laws
@given(members(), happenings)
def test_captures_in_any_order_make_the_same_policies(
    pods: tuple[Member, ...], happened: Traffic
) -> None:
    """What is written depends on what was seen, not on the order of files."""
    half = len(happened) // 2
    one = observe(captured(pods, happened[:half]))
    other = observe(captured(pods, happened[half:], 50))
    assert make_policies([one, other], EVERYTHING) == make_policies([other, one], EVERYTHING)


@laws
@given(members(), happenings, st.sampled_from([EVERYTHING, OPEN]))
def test_check_of_an_export_finds_nothing(
    pods: tuple[Member, ...], happened: Traffic, wanted: Wanted
) -> None:
    """The round trip: nothing is denied, nothing unknown and nothing unused, and no mistake made.

    What was refused is no need, and none of its policies' concern.
    """
    capture = captured(pods, happened)
    made = made_of(capture, wanted=wanted)
    assert not [each for one in policies_of(made) for each in problems(policy_document(one))]
    found, remarks = check_policies(policies_of(made), [capture])
    assert (found.denied, found.unknown, found.unused) == ((), (), ())
    assert found.selecting_nothing == ()
    assert remarks == ()


def read_again(made: Sequence[WorkloadPolicy]) -> tuple[AnyPolicy, ...]:
    """Policies as Cilium has them, written and read."""
    text = render_policies(made, cilium_document)
    found = read_policies([NamedFile("policies.yaml", text.encode())])
    assert found.remarks == ()
    return found.policies


@laws
@given(members(), happenings, st.sampled_from([EVERYTHING, OPEN]))
def test_check_of_an_export_for_cilium_finds_nothing(
    pods: tuple[Member, ...], happened: Traffic, wanted: Wanted
) -> None:
    """The round trip by CiliumNetworkPolicies, by what Cilium makes of them."""
    capture = captured(pods, happened)
    made = made_of(capture, wanted=replace(wanted, for_cilium=True))
    found, remarks = check_policies(read_again(made), [capture])
    assert (found.denied, found.unknown, found.unused) == ((), (), ())
    assert found.selecting_nothing == ()
    assert remarks == ()


@laws
@given(members(), happenings)
def test_policies_are_read_as_they_were_made(pods: tuple[Member, ...], happened: Traffic) -> None:
    """What is written as YAML, with its comments, is read as the same values again."""
    made = made_of(captured(pods, happened))
    text = render_policies(made, commented_document)
    found = read_policies([NamedFile("policies.yaml", text.encode())])
    key = attrgetter("namespace", "name")
    assert sorted(found.policies, key=key) == sorted(policies_of(made), key=key)
    assert found.remarks == ()


@pytest.mark.parametrize("accepted", [frozenset(), frozenset(ACCEPTABLE)], ids=["strict", "all"])
@pytest.mark.parametrize("directory", RECORDED, ids=lambda path: path.name)
def test_check_of_an_export_finds_nothing_in_recordings(
    directory: Path, accepted: frozenset[ReasonKind]
) -> None:
    """The round trip with what real sockets did."""
    (opened,) = open_captures([directory])
    capture = map_capture(opened, Rules(owner=NamedBy.NEAREST))
    made = made_of(capture, wanted=Wanted(gates=Gates(accepted=accepted)))
    found, remarks = check_policies(policies_of(made), [capture])
    assert (found.denied, found.unknown, found.unused) == ((), (), ())
    assert found.selecting_nothing == ()
    assert remarks == ()


@pytest.mark.parametrize("directory", RECORDED, ids=lambda path: path.name)
def test_every_rule_left_out_is_found_in_recordings(directory: Path) -> None:
    """The same with what real sockets did."""
    (opened,) = open_captures([directory])
    capture = map_capture(opened, Rules(owner=NamedBy.NEAREST))
    wanted = Wanted(gates=Gates(accepted=frozenset(ACCEPTABLE)))
    for rest, left_out in each_rule_left_out(policies_of(made_of(capture, wanted=wanted))):
        found, remarks = check_policies(rest, [capture])
        assert found.denied or found.unknown or remarks, left_out


def each_rule_left_out(
    policies: Sequence[NetworkPolicy],
) -> Iterator[tuple[list[NetworkPolicy], str]]:
    """Policies without one of their rules, and which that is."""
    for policy in policies:
        for direction in BOTH:
            for number, rule in enumerate(policy.rules(direction)):
                text = f"{policy.name}: {rule_text(rule, direction)}"
                yield _without(policies, policy, direction, number), text


BY_ADDRESS, BY_NAME = Rules(owner=NamedBy.NEAREST), Rules(inclusion=Inclusion(internet=True))


@pytest.mark.parametrize("rules", [BY_ADDRESS, BY_NAME], ids=["addresses", "names"])
@pytest.mark.parametrize("directory", RECORDED, ids=lambda path: path.name)
def test_check_of_an_export_for_cilium_finds_nothing_in_recordings(
    directory: Path, rules: Rules
) -> None:
    """The round trip by CiliumNetworkPolicies with what real sockets did."""
    (opened,) = open_captures([directory])
    capture = map_capture(opened, rules)
    everything = Wanted(
        namespaces=frozenset(pod.namespace for pod in capture.snapshot.pods),
        gates=Gates(accepted=frozenset(ACCEPTABLE)),
        for_cilium=True,
    )
    found, remarks = check_policies(read_again(made_of(capture, wanted=everything)), [capture])
    assert (found.denied, found.unknown, found.unused) == ((), (), ())
    assert found.selecting_nothing == ()
    assert remarks == ()


def _without(
    policies: Sequence[NetworkPolicy], policy: NetworkPolicy, direction: str, number: int
) -> list[NetworkPolicy]:
    rules = tuple(rule for place, rule in enumerate(policy.rules(direction)) if place != number)
    is_ingress = direction == INGRESS
    changed = (
        dataclasses.replace(policy, ingress=rules)
        if is_ingress
        else dataclasses.replace(policy, egress=rules)
    )
    return [changed if each is policy else each for each in policies]

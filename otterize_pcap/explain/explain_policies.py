"""What policies make of the calls between two that were asked about, rule by rule."""

from collections.abc import Iterator, Sequence

from otterize_pcap.explain.asked_names import AskedName
from otterize_pcap.explain.asked_pair import AskedPair, Question
from otterize_pcap.explain.explanation import ExplainedRule, ExplainedSide, ExplainedVerdict
from otterize_pcap.graph.service_graph import ATTEMPTED
from otterize_pcap.policies.action_rule import AnyPolicy, rules_of_policy
from otterize_pcap.policies.dns_needs import NO_EVIDENCE
from otterize_pcap.policies.evaluate import Evaluator
from otterize_pcap.policies.flow_ends import ApiServerEnd, FlowEnd, OutsideEnd, PodEnd, ServiceEnd
from otterize_pcap.policies.judged_calls import workloads_of
from otterize_pcap.policies.judgement import Side
from otterize_pcap.policies.pod_flows import PodFlow, pod_flows
from otterize_pcap.policies.policy_rules import name_of
from otterize_pcap.policies.rule_text import part_text
from otterize_pcap.policies.usage import RulePart
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.resolution import API_SERVER
from otterize_pcap.snapshot.snapshot import Pod


def explain_policies(
    question: Question, mapped: MappedCapture, policies: Sequence[AnyPolicy]
) -> tuple[ExplainedVerdict, ...]:
    """The verdict on each kind of flow between the two; of those that were observed, if any were.

    Else on calls that could be: of a pod of the one to each port that a pod of the other declares.
    """
    pair = AskedPair.of(question, mapped.snapshot, mapped.identities, mapped.held)
    evaluator = Evaluator(policies, mapped.snapshot)
    flows = [flow for flow in pod_flows(mapped).flows if _is_between(pair, flow)]
    observed = bool(flows)
    found = [
        _verdict(flow, evaluator, observed=observed) for flow in flows or _possible(pair, mapped)
    ]
    return tuple(dict.fromkeys(found))


def _is_between(pair: AskedPair, flow: PodFlow) -> bool:
    through = not pair.server.services.isdisjoint(flow.services)
    return _means(pair.client, flow.client) and (through or _means(pair.server, flow.server))


def _means(asked: AskedName, end: FlowEnd) -> bool:
    """Whether an end is who was asked about, or may be."""
    match end:
        case ServiceEnd(ends=ends):
            return any(_means(asked, each) for each in ends)
        case ApiServerEnd(addresses=addresses):
            return API_SERVER in asked.workloads or asked.address in addresses
        case PodEnd(pod=pod) if asked.pods:
            return (pod.namespace, pod.name) in asked.pods
        case OutsideEnd(name=str() as name) if name == asked.text:
            return True
    if asked.address is not None:
        return end.address == asked.address
    return any(map(asked.is_workload, workloads_of(end)))


def _possible(pair: AskedPair, mapped: MappedCapture) -> Iterator[PodFlow]:
    """Calls that the one could make to the other."""
    client, server = (_pod_of(name, mapped) for name in (pair.client, pair.server))
    if client is None or server is None:
        return
    for protocol, port in sorted(server.pod.ports):
        yield PodFlow(
            client,
            server,
            client,
            server,
            protocol,
            port,
            port,
            ATTEMPTED,
            0,
            0,
            0,
            (),
            NO_EVIDENCE,
        )


def _pod_of(asked: AskedName, mapped: MappedCapture) -> PodEnd | None:
    """A pod of who was asked about."""

    def order(pod: Pod) -> tuple[str, str]:
        return pod.namespace, pod.name

    for pod in sorted(mapped.snapshot.pods, key=order):
        if pod.addresses and not pod.host_network:
            end = PodEnd(pod, mapped.identities.of(pod).workload, pod.addresses[0])
            if _means(asked, end):
                return end
    return None


def _verdict(flow: PodFlow, evaluator: Evaluator, *, observed: bool) -> ExplainedVerdict:
    judgement = evaluator.judge(flow)
    return ExplainedVerdict(
        observed=observed,
        protocol=flow.protocol,
        port=flow.server_port,
        outcome=judgement.outcome.value,
        reason=judgement.reason,
        sides=tuple(map(_side, judgement.sides)),
    )


def _side(side: Side) -> ExplainedSide:
    allowing = {(id(each.policy), each.rule) for each in side.allowing}
    denying = {(id(each.policy), each.rule) for each in side.denying}
    return ExplainedSide(
        direction=side.direction,
        pod=f"{side.pod.namespace}/{side.pod.name}",
        outcome=side.outcome.value,
        reason=side.reason,
        policies=tuple(str(name_of(policy)) for policy in side.policies),
        rules=tuple(
            ExplainedRule(
                policy=str(name_of(policy)),
                file=None if rule.place is None else rule.place.file,
                line=None if rule.place is None else rule.place.line,
                text=part_text(RulePart(policy, side.direction, number)),
                allows=(id(policy), number) in allowing,
                denies=(id(policy), number) in denying,
            )
            for policy in side.policies
            for number, rule in enumerate(rules_of_policy(policy, side.direction))
        ),
    )

"""What policies lack of what pods need, beyond the calls that they deny: remarks on policies.

The cluster's DNS is needed by everybody, whether or not it was asked meanwhile. And a call can pass
for no rule at all, but for where its pods are now: since its own node always reaches a pod, or
since a node changes what it forwards.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.addresses import MAPPED, format_address
from otterize_pcap.compare.findings import Rule
from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import ATTEMPTED, Workload
from otterize_pcap.packets.ports import DNS_PORT
from otterize_pcap.policies.action_rule import (
    ALLOW,
    ActionPeer,
    AnyPolicy,
    EndpointPeer,
    action_of,
    rules_of_policy,
)
from otterize_pcap.policies.dns_needs import DnsQuestions
from otterize_pcap.policies.evaluate import Evaluator
from otterize_pcap.policies.flow_ends import NodeEnd
from otterize_pcap.policies.judged_calls import party_of
from otterize_pcap.policies.judgement import Judgement, Outcome, Side
from otterize_pcap.policies.network_policy import Peer, PolicyPort
from otterize_pcap.policies.peers import port_matches
from otterize_pcap.policies.pod_flows import PodFlow
from otterize_pcap.policies.policy_rules import (
    DENIED_ELSEWHERE,
    NODE_NOT_ALLOWED,
    WITHOUT_DNS,
    Remark,
    name_of,
)
from otterize_pcap.snapshot.snapshot import Pod

SHOWN = 3


OWN = "its own node does without one, which not every network allows"
OTHER = "another did"


class _Lack(Struct, frozen=True):
    """Policies without a rule of a direction; what it is for is a text around workloads' names."""

    rule: Rule
    policies: tuple[AnyPolicy, ...]
    direction: str
    before: str
    after: str


class Shortfalls:
    """Collects what policies lack, of one capture after another."""

    def __init__(self) -> None:
        self._found: dict[_Key, tuple[_Lack, set[str]]] = {}
        self._with_nodes: set[_NodesAsk] = set()

    def begin_capture(self) -> None:
        """See that nodes of the next capture are looked at: they need not be those of the last."""
        self._with_nodes.clear()

    def look_at_call(
        self,
        flow: PodFlow,
        judgement: Judgement,
        elsewhere: Iterable[Judgement],
        evaluator: Evaluator,
        nodes: Collection[NodeEnd],
    ) -> None:
        """Whether a call that is allowed passes by rules alone, wherever its pods are.

        Args:
            flow: The call.
            judgement: What policies make of it.
            elsewhere: The same as filters would see it were a pod on another node.
            evaluator: Judges it for other nodes.
            nodes: All that there are.
        """
        if flow.status == ATTEMPTED:
            return
        if isinstance(flow.source, NodeEnd):
            asked = _what_nodes_ask(flow, flow.source, judgement)
            if any(side.policies for side in judgement.sides) and asked not in self._with_nodes:
                self._with_nodes.add(asked)
                self._look_at_nodes(flow, flow.source, evaluator, nodes)
        for each in elsewhere:
            for side in each.sides:
                if side.outcome is Outcome.DENIED:
                    client, server = party_of(flow.client).name, party_of(flow.server).name
                    before = f"lets {client} reach "
                    called = f"{flow.protocol} {flow.server_port}"
                    after = f" at {called}, which passes only as its pods are placed now"
                    self._add(DENIED_ELSEWHERE, side, before, server, after)

    def _look_at_nodes(
        self, flow: PodFlow, seen: NodeEnd, evaluator: Evaluator, nodes: Collection[NodeEnd]
    ) -> None:
        """Whether a rule lets in all nodes of which one was let in: pods move, and clients."""
        alike = (node for node in nodes if _is_ipv4(node) == _is_ipv4(seen))
        for node in (seen, *alike):
            at_node = replace(flow, client=node, source=node)
            for side in evaluator.judge(at_node).sides:
                if side.policies and not side.allowing:
                    called = f"{flow.protocol} {flow.server_port}"
                    name, where = ", ".join(node.names), format_address(node.address)
                    before = f"lets node {name} ({where}) reach "
                    after = f" at {called}, as {OWN if node is seen else OTHER}"
                    self._add(NODE_NOT_ALLOWED, side, before, party_of(flow.server).name, after)
                    return

    def look_at_dns(
        self, pod: Pod, workload: Workload, questions: DnsQuestions, evaluator: Evaluator
    ) -> None:
        """Whether a pod may ask the cluster's DNS, at one of its places at least."""
        denied: dict[str, list[Side]] = defaultdict(list)
        passing = set()
        for question in questions.of(pod):
            judgement = evaluator.judge(question)
            if judgement.outcome is Outcome.DENIED:
                denied[question.protocol] += judgement.sides
            else:
                passing.add(question.protocol)
        lacking = [
            (protocol, side)
            for protocol in sorted(denied.keys() - passing)
            for side in denied[protocol]
            if side.outcome is Outcome.DENIED
            and (questions.are_known or not _may_be_dns(side, protocol))
        ]
        protocols = " and ".join(dict.fromkeys(protocol for protocol, _ in lacking))
        for _, side in lacking:
            after = f" ask the cluster's DNS by {protocols}"
            self._add(WITHOUT_DNS, side, "lets ", full_name(workload), after)

    def remarks(self, asked: Sequence[AnyPolicy]) -> Iterator[Remark]:
        """One remark for each thing that policies lack, at the first of those asked for."""
        wanted = set(map(id, asked))
        for lack, names in self._found.values():
            policy = next((each for each in lack.policies if id(each) in wanted), None)
            if policy is None:
                continue
            others = [str(name_of(each)) for each in lack.policies if each is not policy]
            of_all = f" of this and of {', '.join(others)}" if others else ""
            shown = ", ".join(sorted(names)[:SHOWN])
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            rule = f"no {lack.direction.lower()} rule{of_all}"
            text = f"{rule} {lack.before}{shown}{more}{lack.after}"
            yield Remark(lack.rule, name_of(policy), text, policy.place)

    def _add(self, rule: Rule, side: Side, before: str, name: str, after: str) -> None:
        key = (rule.name, tuple(map(id, side.policies)), side.direction, before, after)
        lack = _Lack(rule, side.policies, side.direction, before, after)
        self._found.setdefault(key, (lack, set()))[1].add(name)


_Key = tuple[str, tuple[int, ...], str, str, str]
_SideAsk = tuple[str, tuple[int, ...], frozenset[str]]
_NodesAsk = tuple[str, int, bool, tuple[_SideAsk, ...]]


def _what_nodes_ask(flow: PodFlow, source: NodeEnd, judgement: Judgement) -> _NodesAsk:
    """All by which filters tell nodes of a capture apart: flows alike in it need one look.

    Policies count for their direction's filter alone, and what a port is called is said by the pod.
    """
    protocol, port = flow.protocol, flow.server_port
    sides = tuple(
        (
            side.direction,
            tuple(map(id, side.policies)),
            frozenset(
                name
                for (name, of_protocol), number in side.pod.numbers.items()
                if (of_protocol, number) == (protocol, port)
            ),
        )
        for side in judgement.sides
    )
    return protocol, port, _is_ipv4(source), sides


def _is_ipv4(node: NodeEnd) -> bool:
    return node.address.startswith(MAPPED)


def _may_be_dns(side: Side, protocol: str) -> bool:
    """Whether a rule has the port of DNS, for others than pods of its namespace.

    Where the cluster's DNS is, the snapshot does not say then.
    """
    rules = (
        rule
        for policy in side.policies
        for rule in rules_of_policy(policy, side.direction)
        if action_of(rule) == ALLOW
    )
    return any(
        (not rule.ports or any(_may_have(port, protocol) for port in rule.ports))
        and not (rule.peers and all(map(_is_of_own_namespace, rule.peers)))
        for rule in rules
    )


def _is_of_own_namespace(peer: ActionPeer) -> bool:
    if isinstance(peer, EndpointPeer):
        return bool(peer.namespace)
    if not isinstance(peer, Peer):
        return False
    return peer.ip_block is None and peer.namespace_selector is None


def _may_have(port: PolicyPort, protocol: str) -> bool:
    return isinstance(port.port, str) or port_matches(port, protocol, DNS_PORT, None)

"""Flows against policies: what the filters at both pods make of them, and by which rules.

A pod that no policy selects for a direction lets everything pass that way; one that is selected,
only what one of its policies allows. A call needs both: egress at its client's pod and ingress at
its server's. What answers it needs nothing. Pods on their node's network are selected by none.
Source: Kubernetes documentation, "Network Policies" ("The two sorts of pod isolation", "What you
can't do with network policies": a pod's own node and a pod itself always reach it).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from otterize_pcap.policies.flow_ends import (
    ApiServerEnd,
    FlowEnd,
    NodeEnd,
    PodEnd,
    ServiceEnd,
)
from otterize_pcap.policies.network_policy import EGRESS, INGRESS, NetworkPolicy, PolicyRule
from otterize_pcap.policies.peers import (
    Known,
    NamespaceLabels,
    alike,
    port_matches,
)
from otterize_pcap.policies.pod_flows import PodFlow
from otterize_pcap.policies.policy_index import PolicyIndex
from otterize_pcap.policies.rule_peers import RulePeers
from otterize_pcap.snapshot.snapshot import Pod, Snapshot


class Outcome(StrEnum):
    """What policies make of a flow; unknown where the snapshot does not say enough."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


ITSELF = "a pod always reaches itself"
OWN_NODE = "what comes from a pod's own node is always allowed"
PERHAPS_OWN_NODE = "it may have come from the pod's own node, which is always allowed"
NOT_ISOLATED = "no policy selects the pod"
NAMESPACE_UNKNOWN = "the snapshot does not have the labels of namespaces that a rule asks for"
SOME_ADDRESSES = "rules allow some of the API server's addresses only"
SOME_BACKENDS = "it depends on which of the Service's backends was reached"


@dataclass(frozen=True, slots=True)
class Allowing:
    """A rule that allows a flow, by its number, and which of its peers and ports do."""

    policy: NetworkPolicy
    direction: str
    rule: int
    peers: tuple[int, ...]
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """What one pod's filter makes of a flow.

    `policies` are those that isolate the pod; none where nothing does. `allowing` are all rules
    that allow the flow; `reason` says what else decided.
    """

    direction: str
    pod: Pod
    outcome: Outcome
    policies: tuple[NetworkPolicy, ...] = ()
    allowing: tuple[Allowing, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What policies make of a flow; `sides` are the filters that it passes, the client's first.

    Where one of several backends was reached, they are of all of them.
    """

    outcome: Outcome
    sides: tuple[Side, ...]
    reason: str = ""


class Evaluator:
    """Judges flows of one capture by policies."""

    def __init__(self, policies: Iterable[NetworkPolicy], snapshot: Snapshot) -> None:
        self.index = PolicyIndex(policies)
        self.namespaces = NamespaceLabels(snapshot.namespaces)
        self._nodes = snapshot.nodes
        self._peers: dict[int, RulePeers] = {}

    def judge(self, flow: PodFlow) -> Judgement:
        """What becomes of a flow."""
        # Nearly always the same value, whose fields need not be compared then.
        led_on = flow.destination is not flow.server and flow.destination != flow.server
        each = [
            self._judge_between(flow, source, flow.destination if led_on else server, server)
            for server in _alternatives(flow.server)
            for source in _alternatives(flow.source)
        ]
        if len(each) == 1:
            return each[0]
        sides = tuple(dict.fromkeys(side for found in each for side in found.sides))
        if len({found.outcome for found in each}) == 1:
            reasons = dict.fromkeys(found.reason for found in each if found.reason)
            return Judgement(each[0].outcome, sides, "; ".join(reasons))
        return Judgement(Outcome.UNKNOWN, sides, _why_open(flow))

    def _judge_between(
        self, flow: PodFlow, source: FlowEnd, destination: FlowEnd, server: FlowEnd
    ) -> Judgement:
        sides: list[Side] = []
        if isinstance(flow.client, PodEnd):
            sides.append(self._side(EGRESS, flow.client, destination, flow.protocol, flow.port))
        if isinstance(server, PodEnd):
            sides.append(self._side(INGRESS, server, source, flow.protocol, flow.server_port))
        outcomes = [side.outcome for side in sides]
        for outcome in (Outcome.DENIED, Outcome.UNKNOWN):
            if outcome in outcomes:
                said = dict.fromkeys(side.reason for side in sides if side.outcome is outcome)
                return Judgement(outcome, tuple(sides), "; ".join(filter(None, said)))
        return Judgement(Outcome.ALLOWED, tuple(sides))

    def _side(self, direction: str, own: PodEnd, other: FlowEnd, protocol: str, port: int) -> Side:
        pod = own.pod
        policies = self.index.isolating(pod, direction)
        if not policies:
            return Side(direction, pod, Outcome.ALLOWED, reason=NOT_ISOLATED)
        if isinstance(other, PodEnd) and other.pod is pod:
            return Side(direction, pod, Outcome.ALLOWED, policies, reason=ITSELF)
        from_node = self._is_own_node(pod, other) if direction == INGRESS else False
        called = other if direction == EGRESS else own
        allowing, unknown = self._allowing(policies, direction, other, called, protocol, port)
        if from_node:
            # A rule for it is used all the same: some networks ask for one.
            return Side(direction, pod, Outcome.ALLOWED, policies, allowing, OWN_NODE)
        if allowing:
            return Side(direction, pod, Outcome.ALLOWED, policies, allowing)
        if from_node is None or unknown:
            reason = PERHAPS_OWN_NODE if from_node is None else NAMESPACE_UNKNOWN
            return Side(direction, pod, Outcome.UNKNOWN, policies, reason=reason)
        return Side(direction, pod, Outcome.DENIED, policies)

    def _is_own_node(self, pod: Pod, end: FlowEnd) -> Known:
        """Whether a flow comes from the node that a pod is on."""
        if not isinstance(end, NodeEnd):
            return False
        return alike(name == pod.node for name in end.names or (self._nodes.get(end.address, ""),))

    def _allowing(
        self,
        policies: tuple[NetworkPolicy, ...],
        direction: str,
        other: FlowEnd,
        called: FlowEnd,
        protocol: str,
        port: int,
    ) -> tuple[tuple[Allowing, ...], bool]:
        """The rules that allow a flow; and whether others may, for all that is known."""
        pod = called.pod if isinstance(called, PodEnd) else None
        found, unknown = [], False
        for policy in policies:
            for number, rule in enumerate(policy.rules(direction)):
                ports = tuple(
                    at
                    for at, each in enumerate(rule.ports)
                    if port_matches(each, protocol, port, pod)
                )
                if rule.ports and not ports:
                    continue
                peers, perhaps = self._peers_of(rule).matching(
                    policy.namespace, other, self.namespaces
                )
                if peers or not rule.peers:
                    found.append(Allowing(policy, direction, number, peers, ports))
                unknown = unknown or perhaps
        return tuple(found), unknown

    def _peers_of(self, rule: PolicyRule) -> RulePeers:
        found = self._peers.get(id(rule))
        if found is None:
            found = self._peers[id(rule)] = RulePeers(rule)
        return found


def _alternatives(end: FlowEnd) -> tuple[FlowEnd, ...]:
    """All that an end may have been: a Service's backends, each of the API server's addresses."""
    if isinstance(end, ServiceEnd):
        return end.ends
    if isinstance(end, ApiServerEnd):
        return tuple(NodeEnd(address, ()) for address in end.addresses)
    return (end,)


def _why_open(flow: PodFlow) -> str:
    is_api = isinstance(flow.server, ApiServerEnd) or isinstance(flow.source, ApiServerEnd)
    return SOME_ADDRESSES if is_api else SOME_BACKENDS

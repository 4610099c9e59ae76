"""Flows against policies: what the filters at both pods make of them, and by which rules.

A pod that no policy selects for a direction lets everything pass that way; one that is selected,
only what one of its policies allows. A call needs both: egress at its client's pod and ingress at
its server's. What answers it needs nothing. Pods on their node's network are selected by none.
Source: Kubernetes documentation, "Network Policies"; `pod_filter` has those of the single filter.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from otterize_pcap.policies.action_rule import AdminPolicy, AnyPolicy, CiliumPolicy
from otterize_pcap.policies.flow_ends import (
    ApiServerEnd,
    FlowEnd,
    NodeEnd,
    OutsideEnd,
    PodEnd,
    ServiceEnd,
)
from otterize_pcap.policies.judgement import (
    FILTERED,
    HOST_POLICY,
    SOME_ADDRESSES,
    SOME_BACKENDS,
    SOME_PLACES,
    Judgement,
    Outcome,
    Side,
)
from otterize_pcap.policies.network_policy import EGRESS, INGRESS
from otterize_pcap.policies.peers import NamespaceLabels
from otterize_pcap.policies.pod_filter import PodFilter
from otterize_pcap.policies.pod_flows import PodFlow
from otterize_pcap.policies.policy_index import PolicyIndex
from otterize_pcap.policies.policy_rules import name_of
from otterize_pcap.policies.rule_matcher import RuleMatcher
from otterize_pcap.snapshot.snapshot import Snapshot


class Evaluator:
    """Judges flows of one capture by policies."""

    def __init__(self, policies: Iterable[AnyPolicy], snapshot: Snapshot) -> None:
        policies = tuple(policies)
        of_cilium = [each for each in policies if isinstance(each, CiliumPolicy)]
        self._by_identity = bool(of_cilium)
        self._of_nodes = tuple(each for each in of_cilium if each.selector is None)
        self.namespaces = NamespaceLabels(snapshot.namespaces)
        self.index = PolicyIndex(policies, self.namespaces)
        self._nodes = snapshot.nodes
        self._filter = PodFilter(
            self.index,
            RuleMatcher(snapshot, by_identity=self._by_identity),
            snapshot.nodes,
            has_admins=any(isinstance(each, AdminPolicy) for each in policies),
        )

    def judge(self, flow: PodFlow) -> Judgement:
        """What becomes of a flow."""
        # Nearly always the same value, whose fields need not be compared then.
        led_on = flow.destination is not flow.server and flow.destination != flow.server
        each = [
            self._judge_between(flow, source, flow.destination if led_on else server, server)
            for server in self._alternatives(flow.server, flow.client)
            for source in self._alternatives(flow.source, server)
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
        client = flow.client
        if isinstance(client, PodEnd):
            side = self._filter.side
            sides.append(
                side(EGRESS, client.pod, destination, destination, flow.protocol, flow.port)
            )
        if isinstance(server, PodEnd):
            side = self._filter.side
            sides.append(side(INGRESS, server.pod, source, server, flow.protocol, flow.server_port))
        outcomes = [side.outcome for side in sides]
        for outcome in (Outcome.DENIED, Outcome.UNKNOWN):
            if outcome in outcomes:
                said = dict.fromkeys(side.reason for side in sides if side.outcome is outcome)
                return Judgement(outcome, tuple(sides), "; ".join(filter(None, said)))
        at_node = self._at_node(source, destination) if sides and self._of_nodes else ""
        if at_node:
            return Judgement(Outcome.UNKNOWN, tuple(sides), at_node)
        filters = dict.fromkeys(each.filtered_by for each in sides if self._by_identity)
        text = ", ".join(filter(None, filters))
        return Judgement(Outcome.ALLOWED, tuple(sides), FILTERED.format(text) if text else "")

    def _at_node(self, source: FlowEnd, destination: FlowEnd) -> str:
        """Why a policy for nodes may deny a flow; empty where none does, or no node is an end."""
        for end, direction in ((source, EGRESS), (destination, INGRESS)):
            if isinstance(end, NodeEnd | ApiServerEnd):
                for policy in self._of_nodes:
                    if policy.rules(direction) or policy.doubt:
                        return HOST_POLICY.format(name_of(policy))
        return ""

    def _alternatives(self, end: FlowEnd, filtered: FlowEnd) -> tuple[FlowEnd, ...]:
        """All that an end may have been, for the filter of the pod at the other one.

        A Service's backends, each of the API server's addresses; and to Cilium what has an address
        of no single node (a node's own cache of DNS) is on a node, or outside.
        """
        if isinstance(end, ServiceEnd):
            return end.ends
        if isinstance(end, ApiServerEnd):
            return tuple(ApiServerEnd((address,)) for address in end.addresses)
        if self._by_identity and isinstance(end, NodeEnd) and isinstance(filtered, PodEnd):
            names = end.names or tuple(filter(None, (self._nodes.get(end.address),)))
            if len(names) != 1:
                own = filtered.pod.node
                here = (own,) if own in names or not names else names
                return replace(end, names=here), OutsideEnd(end.address)
        return (end,)


def _why_open(flow: PodFlow) -> str:
    ends = (flow.server, flow.source)
    if any(isinstance(end, ApiServerEnd) for end in ends):
        return SOME_ADDRESSES
    return SOME_BACKENDS if isinstance(flow.server, ServiceEnd) else SOME_PLACES

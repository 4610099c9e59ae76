"""What captures say of policies, added up: every flow judged, and whom policies select."""

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct, field

from otterize_pcap.compare.coverage_gaps import Gap, coverage_gaps
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.policies.action_rule import AnyPolicy
from otterize_pcap.policies.dns_needs import DnsQuestions
from otterize_pcap.policies.evaluate import Evaluator
from otterize_pcap.policies.flow_ends import NodeEnd
from otterize_pcap.policies.judgement import Judgement, Outcome
from otterize_pcap.policies.network_policy import INGRESS
from otterize_pcap.policies.pod_flows import PodFlow, UndecidedFlow, pod_flows
from otterize_pcap.policies.shortfalls import Shortfalls
from otterize_pcap.policies.usage import Usage
from otterize_pcap.resolve.map_capture import MappedCapture


class JudgedCaptures(Struct):
    """What all captures say together.

    `perhaps` and `selected` are of policies by their `id`: those that decide a flow whose end is
    not known, and those that select pods, with the workloads of these.
    """

    usage: Usage = field(default_factory=Usage)
    shortfalls: Shortfalls = field(default_factory=Shortfalls)
    judged: list[tuple[PodFlow, Judgement]] = field(default_factory=list)
    undecided: list[UndecidedFlow] = field(default_factory=list)
    perhaps: set[int] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    selected: dict[int, set[Workload]] = field(default_factory=lambda: defaultdict(set))
    unselected: dict[tuple[str, Workload], set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def look_at(self, policies: Sequence[AnyPolicy], mapped: MappedCapture) -> None:
        """Judge all flows of a capture, and see whom policies select."""
        evaluator = Evaluator(policies, mapped.snapshot)
        flows = pod_flows(mapped)
        nodes = [NodeEnd(address, names) for address, names in mapped.lookup.own_of_nodes.items()]
        self.shortfalls.begin_capture()
        for flow in flows.flows:
            self._judge(flow, evaluator, nodes)
        self.undecided += flows.undecided
        self.gaps += coverage_gaps(mapped.coverage)
        self.usage.add_nodes(mapped.lookup.nodes)
        self._look_at_pods(mapped, evaluator, DnsQuestions(mapped, flows.flows))

    def _judge(self, flow: PodFlow, evaluator: Evaluator, nodes: Sequence[NodeEnd]) -> None:
        judgement = evaluator.judge(flow)
        if not judgement.sides:
            return
        self.judged.append((flow, judgement))
        self.usage.add(judgement)
        elsewhere = [evaluator.judge(each) for each in flow.elsewhere()]
        for each in elsewhere:
            self.usage.add(each)
        if judgement.outcome is Outcome.ALLOWED:
            self.shortfalls.look_at_call(flow, judgement, elsewhere, evaluator, nodes)
            return
        self.perhaps.update(
            id(policy)
            for side in judgement.sides
            if side.outcome is Outcome.UNKNOWN
            for policy in side.policies
        )

    def _look_at_pods(
        self, mapped: MappedCapture, evaluator: Evaluator, questions: DnsQuestions
    ) -> None:
        """Whom policies select, and what these would ask of the cluster's DNS."""
        asked: set[tuple[frozenset[int], str]] = set()
        dns_isolated = not all(
            evaluator.index.of_direction(pod, INGRESS).is_nobody for pod in questions.answering
        )
        for pod in mapped.snapshot.pods:
            if pod.host_network:
                continue
            workload = mapped.identities.of(pod).workload
            found = evaluator.index.selecting(pod)
            selecting = (*found.policies, *(policy for policy, _ in found.perhaps))
            # Whom DNS lets ask can depend on labels: no two workloads need have the same.
            asking = frozenset(map(id, selecting)), str(workload) if dns_isolated else ""
            if asking not in asked:
                # Everybody needs the cluster's DNS, and who asked it before the capture, too.
                asked.add(asking)
                for question in questions.of(pod):
                    self.usage.add(evaluator.judge(question))
                self.shortfalls.look_at_dns(pod, workload, questions, evaluator)
            for policy in selecting:
                self.selected[id(policy)].add(workload)
            if not selecting:
                self.unselected[pod.namespace, workload].add(f"{pod.name} {pod.uid}")

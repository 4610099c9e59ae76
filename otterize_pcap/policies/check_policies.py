"""Policies against what captures show: calls that they deny, and what nothing uses or needs.

A flow is judged by its own capture's snapshot. What a capture could not show says nothing against a
rule, and a connection of which an end is not known says nothing at all.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from msgspec import Struct

from otterize_pcap.counted import counted
from otterize_pcap.graph.fate import Fate
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.policies.action_rule import AnyPolicy, CiliumPolicy
from otterize_pcap.policies.judged_calls import JudgedCall, judged_calls, workloads_of
from otterize_pcap.policies.judged_captures import JudgedCaptures
from otterize_pcap.policies.judgement import Outcome, Side
from otterize_pcap.policies.mistakes import Mistakes
from otterize_pcap.policies.pod_flows import PodFlow, UndecidedFlow
from otterize_pcap.policies.policy_rules import PolicyName, Remark
from otterize_pcap.policies.suggest import Suggestions
from otterize_pcap.policies.usage import RulePart
from otterize_pcap.resolve.map_capture import MappedCapture

PERHAPS_USED = "whether a call needs it is not known"


class UnusedPart(Struct, frozen=True):
    """What a policy allows and nothing used; `reasons` why it need not have been seen."""

    part: RulePart
    reasons: tuple[str, ...] = ()


class NotSelected(Struct, frozen=True, order=True):
    """Pods that no policy selects, of `workload`, or all of a namespace without any policy."""

    namespace: str
    workload: Workload | None
    pods: int


class PolicyCheck(Struct, frozen=True):
    """What a check of policies found.

    `denied`, `attempts` (denied, and in vain anyway), `unknown` and `allowed` are calls, sorted.
    `undecided` counts connections by why nobody knows their ends. `judged` says how many flows a
    pod's filter decides that policies isolate.
    """

    denied: tuple[JudgedCall, ...] = ()
    attempts: tuple[JudgedCall, ...] = ()
    unknown: tuple[JudgedCall, ...] = ()
    allowed: tuple[JudgedCall, ...] = ()
    undecided: tuple[tuple[Fate, int], ...] = ()
    unused: tuple[UnusedPart, ...] = ()
    selecting_nothing: tuple[AnyPolicy, ...] = ()
    not_selected: tuple[NotSelected, ...] = ()
    judged: int = 0

    @property
    def filtered(self) -> tuple[JudgedCall, ...]:
        """Allowed calls of which rules of layer 7 may deny some."""
        return tuple(call for call in self.allowed if call.judgement.is_filtered)


class CheckScope(Struct, frozen=True):
    """What is reported; policies are judged by all that there is.

    `namespaces` are those of policies and of one end of a call, all where it is empty;
    `excluded` are workloads, by name or `name.namespace`.
    """

    namespaces: frozenset[str] = frozenset()
    excluded_namespaces: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()

    def has_namespace(self, name: str) -> bool:
        """Whether policies and pods of a namespace are asked for."""
        return name not in self.excluded_namespaces and (
            not self.namespaces or name in self.namespaces
        )

    def has_workload(self, workload: Workload) -> bool:
        """Whether a workload is asked for."""
        return self.has_namespace(workload.namespace) and not self._is_excluded(workload)

    def has_policy(self, policy: AnyPolicy | PolicyName) -> bool:
        """Whether a policy is asked for; those of the whole cluster are, always."""
        return not policy.namespace or self.has_namespace(policy.namespace)

    def has_flow(self, flow: PodFlow) -> bool:
        """Whether a flow is asked for: one end is, and none is excluded."""
        workloads = [*workloads_of(flow.client), *workloads_of(flow.server)]
        if any(
            self._is_excluded(each) or each.namespace in self.excluded_namespaces
            for each in workloads
        ):
            return False
        return not self.namespaces or any(map(self.has_workload, workloads))

    def _is_excluded(self, workload: Workload) -> bool:
        return not {workload.name, f"{workload.name}.{workload.namespace}"}.isdisjoint(
            self.excluded
        )


EVERYTHING = CheckScope()


class PolicyChecker:
    """Holds policies against one capture after another, of which it keeps what the check says.

    Args:
        policies: All that there are.
        scope: What is reported.
        attempts: Whether calls that came to nothing count as others do.
    """

    def __init__(
        self,
        policies: Sequence[AnyPolicy],
        scope: CheckScope = EVERYTHING,
        *,
        attempts: bool = False,
    ) -> None:
        self._policies, self._scope, self._attempts = policies, scope, attempts
        self._asked = [policy for policy in policies if scope.has_policy(policy)]
        self._seen = JudgedCaptures()
        self._mistakes = Mistakes(self._asked, self._seen.usage)
        self._suggestions = Suggestions()

    def look_at(self, mapped: MappedCapture) -> None:
        """Hold the policies against one capture more, by its own snapshot."""
        self._seen.look_at(self._policies, mapped)
        self._mistakes.look_at(mapped.snapshot)
        self._suggestions.look_at(mapped)

    def found(self) -> tuple[PolicyCheck, tuple[Remark, ...]]:
        """What was found of calls, pods and rules, and remarks on the policies."""
        seen, asked, attempts = self._seen, self._asked, self._attempts
        judged = seen.judged
        if self._scope != EVERYTHING:
            judged = [(flow, found) for flow, found in judged if self._scope.has_flow(flow)]
        calls = judged_calls(judged)
        remarks = (*self._mistakes.remarks(), *seen.shortfalls.remarks(asked))
        denied = [
            _remedied(call, self._suggestions) for call in calls if call.outcome is Outcome.DENIED
        ]
        check = PolicyCheck(
            denied=tuple(call for call in denied if attempts or not call.is_attempt),
            attempts=tuple(call for call in denied if call.is_attempt and not attempts),
            unknown=tuple(call for call in calls if call.outcome is Outcome.UNKNOWN),
            allowed=tuple(call for call in calls if call.outcome is Outcome.ALLOWED),
            undecided=_counted(seen.undecided),
            unused=tuple(_unused(asked, seen)),
            selecting_nothing=tuple(
                each for each in asked if id(each) not in seen.selected and not _is_for_nodes(each)
            ),
            not_selected=_not_selected(self._policies, seen, self._scope),
            judged=sum(any(side.policies for side in found.sides) for _, found in judged),
        )
        return check, remarks


def _is_for_nodes(policy: AnyPolicy) -> bool:
    return isinstance(policy, CiliumPolicy) and policy.selector is None


def _remedied(call: JudgedCall, suggestions: Suggestions) -> JudgedCall:
    """A denied call with the rules that would allow it."""
    denying: dict[str, list[tuple[PodFlow, Side]]] = defaultdict(list)
    for flow, judgement in call.parts:
        for side in judgement.sides:
            if side.outcome is Outcome.DENIED and not side.denying:
                denying[side.direction].append((flow, side))
    rules = (
        (direction, rule)
        for direction, found in denying.items()
        for rule in suggestions.rules(found)
    )
    return replace(call, remedies=tuple(rules))


def _counted(undecided: Sequence[UndecidedFlow]) -> tuple[tuple[Fate, int], ...]:
    found: Counter[Fate] = Counter()
    for flow in undecided:
        found[flow.fate] += flow.connections
    return tuple(sorted(found.items()))


def _unused(policies: Sequence[AnyPolicy], seen: JudgedCaptures) -> Iterator[UnusedPart]:
    """What nothing used of policies that select a pod; of others that is said of them."""
    for policy in policies:
        if id(policy) not in seen.selected:
            continue
        reasons = tuple(_hidden(seen.selected[id(policy)], seen))
        if id(policy) in seen.perhaps:
            reasons = (PERHAPS_USED, *reasons)
        yield from (UnusedPart(part, reasons) for part in seen.usage.unused(policy))


def _hidden(workloads: set[Workload], seen: JudgedCaptures) -> Iterator[str]:
    """Why calls of some workloads, or to them, need not have been seen."""
    said = (gap.reason for gap in seen.gaps if any(gap.has(each) for each in workloads))
    yield from dict.fromkeys(said)
    fates: Counter[Fate] = Counter()
    for flow in seen.undecided:
        if not workloads.isdisjoint(flow.callers | flow.called):
            fates[flow.fate] += flow.connections
    for fate, count in sorted(fates.items()):
        yield f"{counted(count, 'connection')} may be it: {fate}"


def _not_selected(
    policies: Sequence[AnyPolicy], seen: JudgedCaptures, scope: CheckScope
) -> tuple[NotSelected, ...]:
    with_policies = {policy.namespace for policy in policies}
    found: Counter[tuple[str, Workload | None]] = Counter()
    for (namespace, workload), pods in seen.unselected.items():
        if not scope.has_workload(workload):
            continue
        found[namespace, workload if namespace in with_policies else None] += len(pods)
    order = sorted(found.items(), key=lambda each: (each[0][0], str(each[0][1])))
    return tuple(NotSelected(namespace, workload, pods) for (namespace, workload), pods in order)

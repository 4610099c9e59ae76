"""Which policies select which pods, found by one of the labels that they ask for.

A cluster has thousands of both: each pod is held against the policies of its namespace and of the
whole cluster that ask for one of its labels, and those that ask for none.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec import Struct

from otterize_pcap.policies.action_rule import AdminPolicy, AnyPolicy, CiliumPolicy
from otterize_pcap.policies.asked_labels import Label, asked_labels
from otterize_pcap.policies.cilium_identity import (
    Identity,
    asked_pod_labels,
    selector_means,
    why_unknown,
)
from otterize_pcap.policies.network_policy import NetworkPolicy
from otterize_pcap.policies.peers import NAMESPACE_UNKNOWN, Known, NamespaceLabels, all_of
from otterize_pcap.snapshot.snapshot import Pod


class Selecting(Struct, frozen=True):
    """The policies that select a pod, in their order; and those that may, each with why."""

    policies: tuple[AnyPolicy, ...] = ()
    perhaps: tuple[tuple[AnyPolicy, str], ...] = ()

    @property
    def is_nobody(self) -> bool:
        """Whether no policy does, or may."""
        return not self.policies and not self.perhaps


NOBODY = Selecting()


class PolicyIndex:
    """The policies of a cluster, by whom they select."""

    def __init__(self, policies: Iterable[AnyPolicy], labels: NamespaceLabels) -> None:
        self._labels = labels
        self._by_label: dict[tuple[str, Label], list[tuple[int, AnyPolicy]]] = defaultdict(list)
        self._without: dict[str, list[tuple[int, AnyPolicy]]] = defaultdict(list)
        self._known: dict[Pod, Selecting] = {}
        self._of_way: dict[tuple[Pod, str], Selecting] = {}
        for number, policy in enumerate(policies):
            asked = _asked(policy)
            for label in asked:
                self._by_label[policy.namespace, label].append((number, policy))
            if not asked:
                self._without[policy.namespace].append((number, policy))

    def selecting(self, pod: Pod) -> Selecting:
        """The policies that select a pod, whatever they say; none one on its node's network."""
        found = self._known.get(pod)
        if found is None:
            found = self._known[pod] = NOBODY if pod.host_network else self._select(pod)
        return found

    def of_direction(self, pod: Pod, direction: str) -> Selecting:
        """Those that have something to say of one direction."""
        found = self._of_way.get((pod, direction))
        if found is None:
            selecting = self.selecting(pod)
            found = self._of_way[pod, direction] = Selecting(
                tuple(each for each in selecting.policies if speaks_of(each, direction)),
                tuple(each for each in selecting.perhaps if speaks_of(each[0], direction)),
            )
        return found

    def _select(self, pod: Pod) -> Selecting:
        sure, perhaps = [], []
        for _, policy in sorted(self._could_select(pod), key=lambda each: each[0]):
            known = selects(policy, pod, self._labels)
            if known:
                sure.append(policy)
            elif known is None:
                perhaps.append((policy, _why(policy)))
        return Selecting(tuple(sure), tuple(perhaps))

    def _could_select(self, pod: Pod) -> Iterator[tuple[int, AnyPolicy]]:
        for namespace in (pod.namespace, ""):
            yield from self._without.get(namespace, ())
            for label in pod.labels.items():
                yield from self._by_label.get((namespace, label), ())


def speaks_of(policy: AnyPolicy, direction: str) -> bool:
    """Whether a policy isolates the pods that it selects, or has rules, for a direction."""
    if isinstance(policy, NetworkPolicy):
        return direction in policy.policy_types
    isolates = isinstance(policy, CiliumPolicy) and (
        direction in policy.policy_types or bool(policy.doubt)
    )
    return isolates or bool(policy.rules(direction))


def selects(policy: AnyPolicy, pod: Pod, labels: NamespaceLabels) -> Known:
    """Whether a policy selects a pod that is not on its node's network."""
    match policy:
        case NetworkPolicy():
            return policy.namespace == pod.namespace and policy.selects(pod.labels)
        case CiliumPolicy(namespace=namespace, selector=selector):
            if selector is None or namespace not in ("", pod.namespace):
                return False
            return selector_means(selector, Identity(pod), labels)
        case AdminPolicy(subject=subject):
            has_labels = subject.pod_selector is None or subject.pod_selector.matches(pod.labels)
            where = subject.namespace_selector
            is_there = where is None or labels.match(where, pod.namespace)
            return all_of((has_labels, is_there))


def _why(policy: AnyPolicy) -> str:
    if isinstance(policy, CiliumPolicy) and policy.selector is not None:
        return why_unknown(policy.selector)
    return NAMESPACE_UNKNOWN


def _asked(policy: AnyPolicy) -> tuple[Label, ...]:
    match policy:
        case NetworkPolicy(pod_selector=selector):
            return asked_labels(selector)
        case CiliumPolicy(selector=selector):
            return asked_pod_labels(selector) if selector else ()
        case AdminPolicy(subject=subject):
            return asked_labels(subject.pod_selector) if subject.pod_selector else ()

"""Which policies select which pods, found by one of the labels that they ask for.

A cluster has thousands of both: each pod is held against the policies of its namespace that ask for
one of its labels, and those that ask for none.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from otterize_pcap.policies.network_policy import IN, LabelSelector, NetworkPolicy
from otterize_pcap.snapshot.snapshot import Pod

Label = tuple[str, str]


class PolicyIndex:
    """The policies of a cluster, by whom they select."""

    def __init__(self, policies: Iterable[NetworkPolicy]) -> None:
        self.policies = tuple(policies)
        self._by_label: dict[tuple[str, Label], list[NetworkPolicy]] = defaultdict(list)
        self._without: dict[str, list[NetworkPolicy]] = defaultdict(list)
        self._known: dict[Pod, tuple[NetworkPolicy, ...]] = {}
        self._isolating: dict[tuple[Pod, str], tuple[NetworkPolicy, ...]] = {}
        self._order = {id(policy): number for number, policy in enumerate(self.policies)}
        for policy in self.policies:
            labels = asked_labels(policy.pod_selector)
            for label in labels:
                self._by_label[policy.namespace, label].append(policy)
            if not labels:
                self._without[policy.namespace].append(policy)

    def selecting(self, pod: Pod) -> tuple[NetworkPolicy, ...]:
        """The policies that select a pod, in their order; none one on its node's network."""
        found = self._known.get(pod)
        if found is None:
            matching = (policy for policy in self._could_select(pod) if policy.selects(pod.labels))
            ordered = sorted(matching, key=lambda policy: self._order[id(policy)])
            found = self._known[pod] = () if pod.host_network else tuple(ordered)
        return found

    def isolating(self, pod: Pod, direction: str) -> tuple[NetworkPolicy, ...]:
        """Those for which a pod lets nothing pass one way but what one of them allows."""
        found = self._isolating.get((pod, direction))
        if found is None:
            found = self._isolating[pod, direction] = tuple(
                policy for policy in self.selecting(pod) if direction in policy.policy_types
            )
        return found

    def _could_select(self, pod: Pod) -> Iterator[NetworkPolicy]:
        yield from self._without.get(pod.namespace, ())
        for label in pod.labels.items():
            yield from self._by_label.get((pod.namespace, label), ())


def asked_labels(selector: LabelSelector) -> tuple[Label, ...]:
    """Labels one of which, and no more than one, every pod has that a selector matches."""
    for requirement in selector.requirements:
        if requirement.operator == IN:
            return tuple((requirement.key, value) for value in dict.fromkeys(requirement.values))
    return ()

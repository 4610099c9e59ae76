"""Workload → the labels that select its pods and nobody else's.

Of labels that all pods of the workload had, the fewest that no pod of another workload of the
namespace had. Labels that a controller makes up for each pod or each version are never used: a
policy that selects by them selects nothing after the next rollout.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations

from msgspec import Struct

from otterize_pcap.graph.generated_names import is_generated_label
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.policies.network_policy import IN, LabelSelector, Requirement
from otterize_pcap.snapshot.snapshot import Snapshot

CHANGING = frozenset(
    (
        "app.kubernetes.io/version",
        "version",
        "helm.sh/chart",
        "chart",
        "helm.sh/revision",
        "deployment",
    )
)
"""Labels that change with an upgrade: used only where nothing else tells workloads apart.
OpenShift's DeploymentConfigs put the name of each rollout into `deployment`."""
PREFERRED = (
    "app.kubernetes.io/name",
    "app",
    "k8s-app",
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "component",
    "name",
)
MOST_TOGETHER = 4
"""Of more labels than this all are taken: pods have tens of them."""

Labels = Mapping[str, str]
Label = tuple[str, str]
LabelSet = tuple[Label, ...]


class NoSelector(Struct, frozen=True):
    """Why no labels select a workload's pods alone; `shared` are those that all its pods have."""

    reason: str
    shared: LabelSet = ()


def selector_keys_of(snapshot: Snapshot) -> dict[Workload, frozenset[str]]:
    """The keys of labels by which workloads select their own pods."""
    return {
        Workload(name, namespace, kind): keys
        for (kind, namespace, name), keys in snapshot.selector_keys.items()
    }


class Selectors:
    """The selectors of the workloads of one namespace.

    Args:
        pods: For each workload the labels of each of its pods, or what lasts of them; those on a
            node's network do not count, since no policy selects them.
        owners: For each workload the keys of its owner's own selector, which never change.
    """

    def __init__(
        self,
        pods: Mapping[Workload, Iterable[Labels]],
        owners: Mapping[Workload, frozenset[str]],
    ) -> None:
        self._pods = {
            workload: sorted({lasting(labels) for labels in found})
            for workload, found in pods.items()
        }
        self._owners = owners
        self._found: dict[Workload, LabelSelector | NoSelector] = {}

    def of(self, workload: Workload) -> LabelSelector | NoSelector:
        """What selects a workload's pods and no other's, or why nothing does."""
        if workload not in self._found:
            self._found[workload] = self._select(workload)
        return self._found[workload]

    @cached_property
    def _holders(self) -> Mapping[Label, frozenset[int]]:
        """The sets of labels that have a label, by their places in `_sets`."""
        found: dict[Label, list[int]] = defaultdict(list)
        for number, (_, labels) in enumerate(self._sets):
            for label in labels:
                found[label].append(number)
        return {label: frozenset(holders) for label, holders in found.items()}

    @cached_property
    def _sets(self) -> Sequence[tuple[Workload, LabelSet]]:
        """All sets of labels, each with whose pods have it."""
        return [(workload, labels) for workload, sets in self._pods.items() for labels in sets]

    def _select(self, workload: Workload) -> LabelSelector | NoSelector:
        sets = self._pods.get(workload, [])
        if not sets:
            return NoSelector("no pod of it is in the snapshot")
        shared = sorted(set(sets[0]).intersection(*sets[1:]), key=self._rank(workload))
        for size in range(1, min(len(shared), MOST_TOGETHER) + 1):
            # Of one size the first is of the labels preferred; those that change come last.
            for labels in combinations(shared, size):
                if not _changes(labels) and self._is_alone(workload, labels):
                    return LabelSelector(tuple(sorted(labels)))
        return self._of_many(workload, shared)

    def _of_many(self, workload: Workload, shared: Sequence[Label]) -> LabelSelector | NoSelector:
        """By labels that change, by all labels at once, or by one label's several values."""
        steady = tuple(label for label in shared if label[0] not in CHANGING)
        for labels in (steady, tuple(shared)):
            if labels and self._is_alone(workload, labels):
                return LabelSelector(tuple(sorted(self._fewest(workload, labels))))
        requirement = self._by_values(workload)
        if requirement is not None:
            return LabelSelector((), (requirement,))
        return NoSelector(self._why(workload, shared), tuple(sorted(steady)))

    def _fewest(self, workload: Workload, labels: Sequence[Label]) -> list[Label]:
        """The same without those that can be spared, the least preferred first."""
        kept = list(labels)
        for label in reversed(labels):
            rest = [each for each in kept if each != label]
            if rest and self._is_alone(workload, rest):
                kept.remove(label)
        return kept

    def _by_values(self, workload: Workload) -> Requirement | None:
        """One label that all pods have, with values that nobody else's have: a label that changed.

        Two versions of a workload can run at once, and captures can be of before and after.
        """
        sets = [dict(labels) for labels in self._pods[workload]]
        keys = set(sets[0]).intersection(*sets[1:])
        for key in sorted(keys - CHANGING, key=lambda key: self._rank(workload)((key, ""))):
            values = tuple(sorted({labels[key] for labels in sets}))
            if all(self._is_alone(workload, [(key, value)]) for value in values):
                return Requirement(key, IN, values)
        return None

    def _why(self, workload: Workload, shared: Sequence[Label]) -> str:
        if not shared:
            several = len(self._pods[workload]) > 1
            return "its pods have no label in common" if several else "its pods have no labels"
        names = sorted({f"{each.name} ({each.kind})" for each in self._strangers(workload, shared)})
        return f"no labels tell its pods from those of {', '.join(names)}"

    def _is_alone(self, workload: Workload, labels: Sequence[Label]) -> bool:
        """Whether no pod of another workload has all of some labels."""
        return not any(True for _ in self._strangers(workload, labels))

    def _strangers(self, workload: Workload, labels: Sequence[Label]) -> Iterator[Workload]:
        """The other workloads with pods that have all of some labels.

        Found by the rarest of them: half of a namespace can have `tier: back`.
        """
        holding = sorted((self._holders[label] for label in labels), key=len)
        for number in holding[0]:
            other, _ = self._sets[number]
            if other != workload and all(number in holders for holders in holding[1:]):
                yield other

    def _rank(self, workload: Workload) -> "_Rank":
        return _Rank(self._owners.get(workload, frozenset()))


class _Rank(Struct, frozen=True):
    """Puts labels in order of preference; `own` are the keys of the owner's selector."""

    own: frozenset[str]

    def __call__(self, label: tuple[str, str]) -> tuple[bool, int, bool, int, str]:
        key = label[0]
        first = PREFERRED.index(key) if key in PREFERRED else len(PREFERRED)
        return key in CHANGING, min(first, 2), key not in self.own, first, key


def _changes(labels: Iterable[tuple[str, str]]) -> bool:
    return any(key in CHANGING for key, _ in labels)


def lasting(labels: Labels) -> LabelSet:
    """The labels that outlive a pod, a run and a version."""
    return tuple(
        sorted((key, value) for key, value in labels.items() if not is_generated_label(key))
    )

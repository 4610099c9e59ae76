"""Pod → workload: whose pod it is, by annotation or owner references (S1 to S7)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cached_property

from msgspec import Struct

from otterize_pcap.api_groups import (
    BUILT_IN_KINDS,
    group_of,
    is_built_in,
    qualified_kind,
    split_kind,
)
from otterize_pcap.graph.generated_names import has_generated_name
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.resolve.stable_names import stable_name
from otterize_pcap.snapshot.objects import OwnerReference
from otterize_pcap.snapshot.snapshot import Pod, Snapshot

ANNOTATIONS = ("intents.otterize.com/workload-name", "intents.otterize.com/service-name")
MAX_OWNERS = 16
# What makes pods for somebody above it, who is meant where the nearest owner is asked for.
MADE_FOR_ANOTHER = frozenset({"Job", "Pod", "ReplicaSet", "ReplicationController"})


class NamedBy(StrEnum):
    """Who names a pod: the owner that nothing owns, who made the pod, or the pod itself."""

    ROOT = "root"
    NEAREST = "nearest"
    POD = "pod"


class Identity(Struct, frozen=True):
    """A pod's workload, and what had to be inferred to name it (None where nothing).

    `made_stable`: the name is what the pod says of itself, and not that of an owner it refers to.
    """

    workload: Workload
    inferred: str | None = None
    made_stable: bool = False


class _Found(Struct, frozen=True):
    """The owner at which a walk ended, with its group; `absent` where the snapshot lacks it."""

    owner: OwnerReference
    group: str
    absent: bool


class Identities:
    """Names the workloads of one snapshot's pods, each pod once.

    `workload_labels` are keys of pod labels, the first that a pod has naming it where it has no
    stable owner.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        annotation: str = ANNOTATIONS[0],
        image_name_for_jobs: bool = False,
        owner: NamedBy = NamedBy.ROOT,
        workload_labels: tuple[str, ...] = (),
    ) -> None:
        self._snapshot = snapshot
        self._annotations = (annotation, ANNOTATIONS[1])
        self._image_name_for_jobs = image_name_for_jobs
        self._owner = owner
        self._labels = workload_labels
        self._known: dict[Pod, Identity] = {}

    def of(self, pod: Pod) -> Identity:
        """The identity of a pod."""
        identity = self._known.get(pod)
        if identity is None:
            identity = self._known[pod] = self._identify(pod)
        return identity

    def named(self) -> Iterator[Identity]:
        """The identities that were asked for."""
        yield from self._known.values()

    def merged(self, workloads: Iterable[Workload]) -> dict[Workload, tuple[Workload, ...]]:
        """Those of some workloads that are one name for several sets of pods, with these (S2).

        Only a custom resource is one; sets with generated names are one kind of work in turn.
        """
        above = {workload for workload in workloads if workload.kind and not _is_core(workload)}
        namespaces = {workload.namespace for workload in above}
        nearest = Identities(self._snapshot, annotation=self._annotations[0], owner=NamedBy.NEAREST)
        sets: dict[Workload, set[Workload]] = defaultdict(set)
        for pod in self._snapshot.pods if above else ():
            workload = self.of(pod).workload if pod.namespace in namespaces else None
            if workload in above:
                part = nearest.of(pod).workload
                if not has_generated_name(part):
                    sets[workload].add(part)
        several = sorted(workload for workload, parts in sets.items() if len(parts) > 1)
        return {workload: tuple(sorted(sets[workload])) for workload in several}

    def roots(self) -> tuple[tuple[Workload, Workload], ...]:
        """The workloads that something else owns, each with what nothing owns (S2)."""
        root = Identities(
            self._snapshot,
            annotation=self._annotations[0],
            image_name_for_jobs=self._image_name_for_jobs,
            workload_labels=self._labels,
        )
        found = {self.of(pod).workload: root.of(pod).workload for pod in self._snapshot.pods}
        return tuple(sorted((one, above) for one, above in found.items() if one != above))

    def _identify(self, pod: Pod) -> Identity:
        if self._owner == NamedBy.POD:
            return Identity(Workload(pod.name, pod.namespace, "Pod"))
        for key in self._annotations:
            name = pod.annotations.get(key)
            if name:
                return Identity(Workload(name, pod.namespace))
        owner = followed(pod.owners)
        if owner is None:
            return self._without_owner(pod)
        if owner.kind == "Node" and is_built_in(owner.kind, owner.apiVersion):
            name = pod.name.removesuffix(f"-{owner.name}")
            return Identity(Workload(_plain(name), pod.namespace, "Pod"))
        found = self._walk(pod, owner)
        said = stable_name(pod, found.owner, absent=found.absent)
        if said is None:
            return self._by_owner(pod, found)
        workload = Workload(_plain(said.name), pod.namespace, said.kind, group=said.group)
        return Identity(workload, f"{_why(found)}; named by {said.by}", made_stable=True)

    def _walk(self, pod: Pod, owner: OwnerReference) -> _Found:
        """Owner references upwards; an owner that is absent ends the walk (S2, S3).

        The nearest owner is not meant where its name is a generated one: another made it in turn.
        """
        group, nearest = "", self._owner == NamedBy.NEAREST
        for _ in range(MAX_OWNERS):
            group, owners = self._owners_of(owner, pod.namespace)
            if owners is None:
                return _Found(owner, group, absent=True)
            above = followed(owners)
            if above is None or (nearest and _made_for_itself(owner, group)):
                break
            owner = above
        return _Found(owner, group, absent=False)

    def _owners_of(
        self, owner: OwnerReference, namespace: str
    ) -> tuple[str, tuple[OwnerReference, ...] | None]:
        """An owner's API group, and its own owners where the snapshot holds it."""
        group = group_of(owner.apiVersion)
        for kind in self._kinds_of(owner, group):
            for where in (namespace, ""):
                owners = self._snapshot.owners.get((kind, where, owner.name))
                if owners is not None:
                    return split_kind(kind)[1] or group, owners
        return group, None

    def _kinds_of(self, owner: OwnerReference, group: str) -> tuple[str, ...]:
        """The qualified kinds that a reference can mean; written by hand, it may lack a version."""
        kind = qualified_kind(owner.kind, group)
        if owner.kind in BUILT_IN_KINDS:
            return (kind,)
        return (kind, owner.kind) if group else (kind, *self._groups.get(kind, ()))

    @cached_property
    def _groups(self) -> dict[str, tuple[str, ...]]:
        """Custom kinds → how they are qualified in the snapshot."""
        qualified = sorted({kind for kind, _, _ in self._snapshot.owners if "." in kind})
        found: dict[str, tuple[str, ...]] = {}
        for kind in qualified:
            bare = split_kind(kind)[0]
            found[bare] = (*found.get(bare, ()), kind)
        return found

    def _by_owner(self, pod: Pod, found: _Found) -> Identity:
        """The owner's own name and kind, unless that is a generated name and a label is better."""
        owner = found.owner
        inferred = _why(found) if found.absent else None
        if owner.kind == "Job" and not found.group and self._image_name_for_jobs:
            name = _image_name(pod)
            if name:
                return Identity(Workload(name, pod.namespace), inferred)
        workload = Workload(_plain(owner.name), pod.namespace, owner.kind, group=found.group)
        label = self._label_of(pod) if has_generated_name(workload) else None
        if label is None:
            return Identity(workload, inferred)
        name = _plain(pod.labels[label])
        workload = Workload(name, pod.namespace, owner.kind, group=found.group)
        return Identity(workload, f"{_why(found)}; named by label {label}", made_stable=True)

    def _without_owner(self, pod: Pod) -> Identity:
        """A pod that nothing made: by a label, else what its name was generated from (S3, S4)."""
        label, stem = self._label_of(pod), pod.generate_name
        if label is not None:
            name, by = _plain(pod.labels[label]), f"label {label}"
        elif stem.rstrip("-.") and pod.name.startswith(stem):
            name, by = _plain(stem.rstrip("-.")), "generateName"
        else:
            return Identity(Workload(_plain(pod.name), pod.namespace, "Pod"))
        reason = f"Pod {pod.name} has no owner; named by {by}"
        return Identity(Workload(name, pod.namespace, "Pod"), reason, made_stable=True)

    def _label_of(self, pod: Pod) -> str | None:
        return next((key for key in self._labels if pod.labels.get(key)), None)


def held_by_workloads(
    snapshot: Snapshot, identities: Identities
) -> dict[bytes, frozenset[Workload]]:
    """Which workloads held each pod address, at any time; hostNetwork pods are under `b""`."""
    found = {
        address: frozenset(identities.of(tenure.pod).workload for tenure in tenures)
        for address, tenures in snapshot.tenures.items()
    }
    hosted = (tenure.pod for tenures in snapshot.host_pods.values() for tenure in tenures)
    return {**found, b"": frozenset(identities.of(pod).workload for pod in hosted)}


def followed(owners: tuple[OwnerReference, ...]) -> OwnerReference | None:
    """The owner that controls an object, else its single one where that is built in (S2).

    Others own an object only to have it collected with them (metav1.OwnerReference): an
    Application that groups what belongs together, the version of an operator.
    """
    for owner in owners:
        if owner.controller:
            return owner
    if len(owners) == 1 and is_built_in(owners[0].kind, owners[0].apiVersion):
        return owners[0]
    return None


def _made_for_itself(owner: OwnerReference, group: str) -> bool:
    """Whether an owner, and not what owns it in turn, is a kind of work of its own."""
    if not group and owner.kind in MADE_FOR_ANOTHER:
        return False
    return not has_generated_name(Workload(_plain(owner.name), "", owner.kind, group=group))


def _is_core(workload: Workload) -> bool:
    return not workload.group and workload.kind in BUILT_IN_KINDS


def _why(found: _Found) -> str:
    what = f"{found.owner.kind} {found.owner.name}"
    return f"{what} {'is not in the snapshot' if found.absent else 'has a generated name'}"


def _plain(name: str) -> str:
    """S5: dots are what separates a name from its namespace, so a name has none."""
    return name.replace(".", "_")


def _image_name(pod: Pod) -> str:
    """S6: the last path part of the images, without tag or digest, leaving sidecars out."""
    names = []
    for container, image in pod.images:
        if container == "istio-proxy" or "sidecar" in container:
            continue
        last = image.rpartition("/")[2]
        names.append(last.partition("@")[0].partition(":")[0])
    return "-".join(filter(None, names))

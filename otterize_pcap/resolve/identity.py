"""Pod → workload: whose pod it is, by annotation or owner references (S1 to S7)."""

from dataclasses import dataclass

from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.snapshot.objects import OwnerReference
from otterize_pcap.snapshot.snapshot import Pod, Snapshot

ANNOTATIONS = ("intents.otterize.com/workload-name", "intents.otterize.com/service-name")
TEMPLATE_HASH = "pod-template-hash"
MAX_OWNERS = 16


@dataclass(frozen=True, slots=True)
class Identity:
    """A pod's workload, and what had to be inferred to name it (None where nothing)."""

    workload: Workload
    inferred: str | None = None


class Identities:
    """Names the workloads of one snapshot's pods, each pod once."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        annotation: str = ANNOTATIONS[0],
        image_name_for_jobs: bool = False,
    ) -> None:
        self._snapshot = snapshot
        self._annotations = (annotation, ANNOTATIONS[1])
        self._image_name_for_jobs = image_name_for_jobs
        self._known: dict[Pod, Identity] = {}

    def of(self, pod: Pod) -> Identity:
        """The identity of a pod."""
        identity = self._known.get(pod)
        if identity is None:
            identity = self._known[pod] = self._identify(pod)
        return identity

    def _identify(self, pod: Pod) -> Identity:
        for key in self._annotations:
            name = pod.annotations.get(key)
            if name:
                return Identity(Workload(name, pod.namespace))
        owner = _controller(pod.owners)
        if owner is None:
            return Identity(Workload(_plain(pod.name), pod.namespace, "Pod"))
        if owner.kind == "Node":
            name = pod.name.removesuffix(f"-{owner.name}")
            return Identity(Workload(_plain(name), pod.namespace, "Pod"))
        return self._follow(pod, owner)

    def _follow(self, pod: Pod, owner: OwnerReference) -> Identity:
        """Owner references to the root; an owner that is absent ends the walk (S2, S3)."""
        for _ in range(MAX_OWNERS):
            known = self._snapshot.owners
            owners = known.get(
                (owner.kind, pod.namespace, owner.name), known.get((owner.kind, "", owner.name))
            )
            if owners is None:
                return self._absent(pod, owner)
            above = _controller(owners)
            if above is None:
                break
            owner = above
        return self._rooted(pod, owner)

    def _rooted(self, pod: Pod, owner: OwnerReference) -> Identity:
        if owner.kind == "Job" and self._image_name_for_jobs:
            name = _image_name(pod)
            if name:
                return Identity(Workload(name, pod.namespace))
        return Identity(Workload(_plain(owner.name), pod.namespace, owner.kind))

    def _absent(self, pod: Pod, owner: OwnerReference) -> Identity:
        suffix = f"-{pod.labels.get(TEMPLATE_HASH, '')}"
        if owner.kind == "ReplicaSet" and len(suffix) > 1 and owner.name.endswith(suffix):
            name = _plain(owner.name.removesuffix(suffix))
            reason = f"{owner.kind} {owner.name} is not in the snapshot; named by {TEMPLATE_HASH}"
            return Identity(Workload(name, pod.namespace, "Deployment"), reason)
        identity = self._rooted(pod, owner)
        return Identity(identity.workload, f"{owner.kind} {owner.name} is not in the snapshot")


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


def _controller(owners: tuple[OwnerReference, ...]) -> OwnerReference | None:
    """The controlling owner, else the first (metav1.OwnerReference)."""
    for owner in owners:
        if owner.controller:
            return owner
    return owners[0] if owners else None


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

"""Which Kubernetes kinds a snapshot holds, and which of their fields.

Only what resolving connections needs is kept: no environment variables, no volumes, no commands.
Secrets and ConfigMaps are never asked for. Field names are Kubernetes' own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from otterize_pcap.cluster.api.client import Json


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind to list and watch; `required` ones make the snapshot useless when missing."""

    kind: str
    group: str
    version: str
    plural: str
    required: bool

    @property
    def path(self) -> str:
        """The collection of all namespaces."""
        root = f"/apis/{self.group}" if self.group else "/api"
        return f"{root}/{self.version}/{self.plural}"

    @property
    def api_version(self) -> str:
        """As objects state it."""
        return f"{self.group}/{self.version}" if self.group else self.version


KINDS = (
    Kind("Pod", "", "v1", "pods", required=True),
    Kind("Service", "", "v1", "services", required=True),
    Kind("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices", required=True),
    Kind("Node", "", "v1", "nodes", required=True),
    Kind("ReplicaSet", "apps", "v1", "replicasets", required=False),
    Kind("Deployment", "apps", "v1", "deployments", required=False),
    Kind("StatefulSet", "apps", "v1", "statefulsets", required=False),
    Kind("DaemonSet", "apps", "v1", "daemonsets", required=False),
    Kind("Job", "batch", "v1", "jobs", required=False),
    Kind("CronJob", "batch", "v1", "cronjobs", required=False),
)

ANNOTATION_PREFIX = "intents.otterize.com/"
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"


def kept_object(kind: str, api_version: str, found: Json) -> Json:
    """What a snapshot keeps of an object."""
    kept: Json = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": kept_metadata(found.get("metadata") or {}),
    }
    keep = _KEEPERS.get(kind)
    if keep is not None:
        kept.update(_filled(keep(found)))
    return kept


def kept_metadata(metadata: Json) -> Json:
    """Names, times, labels and owners; of the annotations only those that name a workload."""
    kept = _picked(
        metadata,
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "labels",
    )
    annotations = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if key.startswith(ANNOTATION_PREFIX) or key == MIRROR_ANNOTATION
    }
    owners = [
        _picked(owner, "apiVersion", "kind", "name", "uid", "controller")
        for owner in metadata.get("ownerReferences") or ()
    ]
    return kept | _filled({"annotations": annotations, "ownerReferences": owners})


def _picked(found: Mapping[str, Any], *fields: str) -> Json:
    return {field: found[field] for field in fields if found.get(field) not in (None, {}, [], "")}


def _filled(found: Json) -> Json:
    return {field: value for field, value in found.items() if value not in (None, {}, [], "")}


def _containers(found: list[Json] | None) -> list[Json]:
    return [_picked(container, "name", "image", "ports") for container in found or ()]


def _container_status(found: Json) -> Json:
    """When the container last ended, which ends a finished pod's hold of its address (S10)."""
    kept: Json = {"name": found.get("name")}
    for field in ("state", "lastState"):
        terminated = (found.get(field) or {}).get("terminated")
        if terminated:
            kept[field] = {"terminated": _picked(terminated, "finishedAt")}
    return kept


def _pod(pod: Json) -> Json:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    conditions = [
        _picked(condition, "type", "status", "lastTransitionTime")
        for condition in status.get("conditions") or ()
    ]
    statuses = [
        _container_status(found)
        for field in ("initContainerStatuses", "containerStatuses")
        for found in status.get(field) or ()
    ]
    return {
        "spec": _picked(spec, "nodeName", "hostNetwork")
        | _filled(
            {
                "containers": _containers(spec.get("containers")),
                "initContainers": _containers(spec.get("initContainers")),
            }
        ),
        "status": _picked(status, "phase", "podIP", "podIPs", "hostIP", "startTime")
        | _filled({"conditions": conditions, "containerStatuses": statuses}),
    }


def _service(service: Json) -> Json:
    spec = service.get("spec") or {}
    return {
        "spec": _picked(
            spec,
            "type",
            "clusterIP",
            "clusterIPs",
            "externalIPs",
            "externalName",
            "ports",
            "selector",
            "loadBalancerIP",
        ),
        "status": _picked(service.get("status") or {}, "loadBalancer"),
    }


def _endpoint_slice(endpoint_slice: Json) -> Json:
    endpoints = [
        _picked(endpoint, "addresses", "conditions", "targetRef", "nodeName")
        for endpoint in endpoint_slice.get("endpoints") or ()
    ]
    return _picked(endpoint_slice, "addressType", "ports") | {"endpoints": endpoints}


def _node(node: Json) -> Json:
    status = node.get("status") or {}
    info = _picked(
        status.get("nodeInfo") or {}, "kubeletVersion", "operatingSystem", "architecture"
    )
    return {
        "spec": _picked(node.get("spec") or {}, "podCIDR", "podCIDRs"),
        "status": _picked(status, "addresses") | _filled({"nodeInfo": info}),
    }


_KEEPERS: dict[str, Callable[[Json], Json]] = {
    "Pod": _pod,
    "Service": _service,
    "EndpointSlice": _endpoint_slice,
    "Node": _node,
}

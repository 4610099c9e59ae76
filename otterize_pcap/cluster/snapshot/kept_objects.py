"""What a snapshot keeps of each object.

Only what resolving connections needs is kept: no environment variables, no volumes, no commands.
Secrets and ConfigMaps are never asked for. Field names are Kubernetes' own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from otterize_pcap.cluster.api.client import Json
from otterize_pcap.resolve.stable_names import DEPLOYMENT_CONFIG

ANNOTATION_PREFIX = "intents.otterize.com/"
KEPT_ANNOTATIONS = ("kubernetes.io/config.mirror", DEPLOYMENT_CONFIG)


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
        "generateName",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "labels",
    )
    annotations = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if key.startswith(ANNOTATION_PREFIX) or key in KEPT_ANNOTATIONS
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
    """When the container began and ended, which tells when the pod held its address (S10)."""
    kept: Json = {"name": found.get("name")}
    for field in ("state", "lastState"):
        runs = {
            name: _picked(run, "startedAt", "finishedAt")
            for name in ("running", "terminated")
            if (run := (found.get(field) or {}).get(name)) is not None
        }
        if runs:
            kept[field] = runs
    return kept


def _pod(pod: Json) -> Json:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    conditions = [
        _picked(condition, "type", "status", "lastTransitionTime")
        for condition in status.get("conditions") or ()
    ]
    statuses = {
        field: [_container_status(found) for found in status.get(field) or ()]
        for field in ("initContainerStatuses", "containerStatuses")
    }
    return {
        "spec": _picked(spec, "nodeName", "hostNetwork", "serviceAccountName")
        | _filled(
            {
                "containers": _containers(spec.get("containers")),
                "initContainers": _containers(spec.get("initContainers")),
            }
        ),
        "status": _picked(status, "phase", "podIP", "podIPs", "hostIP", "hostIPs", "startTime")
        | _filled({"conditions": conditions, **statuses}),
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
            "externalTrafficPolicy",
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


def _network_policy(policy: Json) -> Json:
    spec = policy.get("spec") or {}
    return {"spec": _picked(spec, "podSelector", "policyTypes", "ingress", "egress")}


def _workload(workload: Json) -> Json:
    return {"spec": _picked(workload.get("spec") or {}, "selector")}


_KEEPERS: dict[str, Callable[[Json], Json]] = {
    "Pod": _pod,
    "Service": _service,
    "EndpointSlice": _endpoint_slice,
    "Node": _node,
    "NetworkPolicy": _network_policy,
    "Deployment": _workload,
    "StatefulSet": _workload,
    "DaemonSet": _workload,
}

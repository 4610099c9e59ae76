"""Kubernetes objects as `kubectl get -o json` prints them, trimmed to what a reader may use.

Field names and shapes are those of Kubernetes 1.32. Times of objects have whole seconds, as in
Kubernetes; the intervals a watch observed have microseconds.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def whole_seconds(moment: float) -> str:
    """RFC 3339 as Kubernetes writes it."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def microseconds(moment: float) -> str:
    """RFC 3339 with the precision of an observer's clock."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def aged(part: Any, seconds: float) -> Any:  # noqa: ANN401 (any part of a JSON document)
    """The same part of a document, with all its times so many seconds earlier."""
    if isinstance(part, dict):
        return {key: aged(value, seconds) for key, value in part.items()}
    if isinstance(part, list):
        return [aged(value, seconds) for value in part]
    if isinstance(part, str) and _TIME.fullmatch(part):
        return whole_seconds(datetime.fromisoformat(part).timestamp() - seconds)
    return part


@dataclass(frozen=True, slots=True)
class Port:
    """A container port; `host_port` where the container asks for one."""

    number: int
    protocol: str = "TCP"
    name: str | None = None
    host_port: int | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """What an ownerReference holds."""

    api_version: str
    kind: str
    name: str
    uid: str

    def reference(self) -> Object:
        """The ownerReferences entry of the controller."""
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


def metadata(
    name: str,
    namespace: str | None,
    uid: str,
    created: float,
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    owner: Owner | None = None,
) -> Object:
    """An object's metadata; empty parts are left out."""
    fields: Object = {"name": name}
    if namespace is not None:
        fields["namespace"] = namespace
    fields |= {"uid": uid, "creationTimestamp": whole_seconds(created)}
    if labels:
        fields["labels"] = labels
    if annotations:
        fields["annotations"] = annotations
    if owner is not None:
        fields["ownerReferences"] = [owner.reference()]
    return fields


def not_controlled(document: Object) -> None:
    """Let the owners of an object be owners only, and none its controller."""
    for reference in document["metadata"]["ownerReferences"]:
        reference |= {"controller": False, "blockOwnerDeletion": False}


def container(name: str, image: str, ports: tuple[Port, ...]) -> Object:
    """One entry of spec.containers."""
    fields: Object = {"name": name, "image": image}
    if ports:
        fields["ports"] = [_container_port(port) for port in ports]
    return fields


def _container_port(port: Port) -> Object:
    fields: Object = {} if port.name is None else {"name": port.name}
    if port.host_port is not None:
        fields["hostPort"] = port.host_port
    return fields | {"containerPort": port.number, "protocol": port.protocol}


def pod(
    meta: Object,
    *,
    node: str,
    node_address: str,
    addresses: tuple[str, ...],
    containers: list[Object],
    ready: float,
    host_network: bool = False,
) -> Object:
    """A running pod."""
    moment = whole_seconds(ready)
    conditions = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
    spec: Object = {"nodeName": node, "containers": containers}
    if host_network:
        spec["hostNetwork"] = True
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": spec,
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": moment}
                for kind in conditions
            ],
            "hostIP": node_address,
            "podIP": addresses[0],
            "podIPs": [{"ip": address} for address in addresses],
            "startTime": meta["creationTimestamp"],
            "containerStatuses": [
                {
                    "name": each["name"],
                    "image": each["image"],
                    "ready": True,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": moment}},
                }
                for each in containers
            ],
        },
    }


def end_pod(document: Object, moment: float, phase: str = "Running") -> None:
    """What a pod's last watched state looks like when it was deleted or has finished."""
    ended, status = whole_seconds(moment), document["status"]
    status["phase"] = phase
    for condition in status["conditions"]:
        if condition["type"] != "Initialized":
            condition |= {"status": "False", "lastTransitionTime": ended}
    for each in status["containerStatuses"]:
        started = each["state"]["running"]["startedAt"]
        each["ready"] = False
        each["state"] = {"terminated": {"exitCode": 0, "startedAt": started, "finishedAt": ended}}
    if phase == "Running":
        document["metadata"] |= {"deletionTimestamp": ended, "deletionGracePeriodSeconds": 0}


def owner(
    api_version: str, kind: str, meta: Object, labels: dict[str, str], replicas: int
) -> Object:
    """A controller with a pod template: Deployment, ReplicaSet, and their like."""
    spec: Object = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}},
    }
    if kind not in ("DaemonSet", "Job"):
        spec = {"replicas": replicas} | spec
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": spec}


def service(
    meta: Object,
    *,
    selector: dict[str, str] | None,
    ports: list[Object],
    cluster_ips: tuple[str, ...],
    service_type: str = "ClusterIP",
    external_ips: tuple[str, ...] = (),
    balancers: tuple[str, ...] = (),
) -> Object:
    """A Service; no cluster_ips makes it headless. `balancers` are addresses or host names."""
    addresses = list(cluster_ips) or ["None"]
    families = ["IPv6" if ":" in address else "IPv4" for address in cluster_ips] or ["IPv4"]
    spec: Object = {
        "type": service_type,
        "clusterIP": addresses[0],
        "clusterIPs": addresses,
        "ipFamilies": families,
        "ipFamilyPolicy": "RequireDualStack" if len(families) > 1 else "SingleStack",
        "ports": ports,
    }
    if selector is not None:
        spec["selector"] = selector
    if external_ips:
        spec["externalIPs"] = list(external_ips)
    ingress: list[Object] = [
        {"hostname": entrance} if entrance[-1].isalpha() else {"ip": entrance, "ipMode": "VIP"}
        for entrance in balancers
    ]
    balancer: Object = {"ingress": ingress} if ingress else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": spec,
        "status": {"loadBalancer": balancer},
    }


def endpoint_slice(
    meta: Object, address_type: str, endpoints: list[Object], ports: list[Object]
) -> Object:
    """An EndpointSlice."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta,
        "addressType": address_type,
        "endpoints": endpoints,
        "ports": ports,
    }


def endpoint(address: str, node: str, target: Object | None) -> Object:
    """One entry of an EndpointSlice; `target` is the pod object behind it."""
    fields: Object = {
        "addresses": [address],
        "conditions": {"ready": True, "serving": True, "terminating": False},
    }
    if target is None:
        return fields
    meta = target["metadata"]
    return fields | {
        "nodeName": node,
        "targetRef": {
            "kind": "Pod",
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
        },
    }


def endpoints(meta: Object, targets: list[Object], ports: list[Object]) -> Object:
    """An Endpoints object: what there was before EndpointSlices, and may still be alone.

    `targets` are entries of EndpointSlices; their conditions and node names move as they must.
    """
    addresses = [
        {"ip": address}
        | ({"nodeName": target["nodeName"]} if "nodeName" in target else {})
        | ({"targetRef": target["targetRef"]} if "targetRef" in target else {})
        for target in targets
        for address in target["addresses"]
    ]
    named = [
        {key: value for key, value in port.items() if value != "" or key != "name"}
        for port in ports
    ]
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": meta,
        "subsets": [{"addresses": addresses, "ports": named}],
    }


def node(meta: Object, addresses: tuple[str, ...], pod_cidrs: tuple[str, ...]) -> Object:
    """A Node; one that runs a single pod on its own address has no podCIDR."""
    internal = [{"type": "InternalIP", "address": address} for address in addresses]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": meta,
        "spec": {"podCIDR": pod_cidrs[0], "podCIDRs": list(pod_cidrs)} if pod_cidrs else {},
        "status": {"addresses": [*internal, {"type": "Hostname", "address": meta["name"]}]},
    }

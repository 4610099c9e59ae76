"""Kubernetes objects of growing snapshots: whole ones, or what naming asks for alone."""

import hashlib
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any

CREATED = "2023-11-14T00:00:00Z"

Json = dict[str, Any]


def listed(items: Sequence[Json]) -> Json:
    """Objects as one Kubernetes List."""
    return {"kind": "List", "apiVersion": "v1", "items": items}


def whole_pod(number: int) -> Json:
    """A pod with all that a running one has: two containers, probes, volumes, conditions."""
    owner, address = f"app-{number // 10}-6d4cf56db6", str(IPv4Address(0x0A000001 + number))
    containers = [_container(name, number) for name in ("main", "sidecar")]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{owner}-{number:05d}",
            "namespace": f"team-{number // 10 % 50}",
            "uid": f"{number:08x}-0000-4000-8000-000000000000",
            "resourceVersion": str(1_000_000 + number),
            "creationTimestamp": CREATED,
            "labels": {"app": f"app-{number // 10}", "pod-template-hash": "6d4cf56db6"},
            "annotations": {"checksum/config": hashlib.sha256(owner.encode()).hexdigest()},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": owner,
                    "uid": f"{number // 10:08x}-0000-4000-9000-000000000000",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "nodeName": f"node-{number // 50}",
            "serviceAccountName": "default",
            "restartPolicy": "Always",
            "containers": containers,
            "volumes": [{"name": name, "configMap": {"name": name}} for name in ("config", "ca")],
            "tolerations": [
                {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute"}
                for key in ("not-ready", "unreachable")
            ],
        },
        "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "hostIP": str(IPv4Address(0xC0A80000 + number // 50)),
            "startTime": CREATED,
            "qosClass": "Burstable",
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": CREATED}
                for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "PodScheduled")
            ],
            "containerStatuses": [
                {
                    "name": each["name"],
                    "image": each["image"],
                    "imageID": f"docker-pullable://{each['image']}@sha256:{'0' * 64}",
                    "containerID": f"containerd://{number:064x}",
                    "ready": True,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": CREATED}},
                }
                for each in containers
            ],
        },
    }


def _container(name: str, number: int) -> Json:
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10}
    return {
        "name": name,
        "image": f"registry.example.com/team/{name}:1.{number // 10}",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{at}", "value": f"value-{at}"} for at in range(12)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "livenessProbe": probe,
        "readinessProbe": probe,
        "volumeMounts": [{"name": at, "mountPath": f"/etc/{at}"} for at in ("config", "ca")],
    }


def small_pod(name: str, owner: str, address: str, node: str, host: str) -> Json:
    """A running pod of a StatefulSet, with what naming asks for alone."""
    owners = [
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "name": owner,
            "uid": f"set-{owner}",
            "controller": True,
        }
    ]
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": "load",
            "uid": f"pod-{name}",
            "creationTimestamp": CREATED,
            "labels": {"app": owner},
            "ownerReferences": owners,
        },
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "main:1"}]},
        "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "hostIP": host,
            "startTime": CREATED,
        },
    }


def node(name: str, address: str) -> Json:
    """A node with one address."""
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "uid": name, "creationTimestamp": CREATED},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }


def service(name: str, address: str, port: int) -> Json:
    """The Service of a StatefulSet of pods, without EndpointSlices."""
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": "load",
            "uid": f"service-{name}",
            "creationTimestamp": CREATED,
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "selector": {"app": name},
            "ports": [{"port": port, "targetPort": 8080, "protocol": "TCP"}],
        },
    }

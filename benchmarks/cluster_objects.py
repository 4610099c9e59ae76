"""A benchmark's cluster as `otterize capture` saves one: snapshot, manifest, nodes' addresses."""

import json
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cluster_layout import (
    ALWAYS,
    NODE_ADDRESSES,
    NODES,
    POD_NETWORK,
    READY_AFTER,
    SECOND,
    Cluster,
    Pod,
    Workload,
)
from generate import START_S

Json = dict[str, Any]
CREATED = "2023-11-14T00:00:00Z"


def stamp(after: int) -> str:
    """So many microseconds after the capture's start, as RFC 3339 to the millisecond."""
    moment = datetime.fromtimestamp(START_S + after / SECOND, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def snapshot(cluster: Cluster, duration: int) -> Json:
    """A Kubernetes List, and which addresses a watch saw held from when to when."""
    everything = [cluster.dns, *cluster.workloads]
    items = [_node(node) for node in range(len(NODES))]
    observed: list[Json] = []
    for workload in everything:
        items += [_deployment(workload), _replica_set(workload), _service(workload)]
        items.append(_endpoint_slice(workload))
        items += [_pod(workload, pod) for pod in workload.pods]
        observed.append(
            _held(items[-len(workload.pods) - 2], str(IPv4Address(workload.cluster_ip)))
        )
        for pod in workload.pods:
            observed += _observed(workload, pod)
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": items,
        "otterize": {
            "takenAt": stamp(-SECOND),
            "watchStart": stamp(-SECOND),
            "watchEnd": stamp(duration + 30 * SECOND),
            "observed": observed,
        },
    }


def manifest(duration: int, snaplen: int, files: list[Json], packets: list[int]) -> Json:
    """How the capture was made, by which node's file."""
    times = {"start": stamp(-SECOND), "end": stamp(duration + 20 * SECOND)}
    return {
        "version": 1,
        "tool": "otterize-pcap benchmark",
        **times,
        "nodes": [
            {
                "name": node,
                "status": "captured",
                **times,
                "files": [file],
                "packets": {"captured": count, "received": count, "dropped": 0},
                "clockAhead": 0.0,
            }
            for node, file, count in zip(NODES, files, packets, strict=True)
        ],
        "snaplen": snaplen,
        "interface": "any",
    }


def truth(cluster: Cluster, counts: dict[tuple[int, int | None], int]) -> list[Json]:
    """Every call with its connections; lookups are calls of CoreDNS."""
    calls = []
    for (caller, callee), connections in counts.items():
        client = cluster.workloads[caller]
        server = cluster.dns if callee is None else cluster.workloads[callee]
        calls.append(
            {
                "client": f"{client.name}.{client.namespace}",
                "server": f"{server.name}.{server.namespace}",
                "protocol": "UDP" if server.protocol == 17 else "TCP",
                "port": server.target,
                "connections": connections,
            }
        )
    return sorted(calls, key=lambda call: (call["client"], call["server"]))


def write_addresses(directory: Path) -> None:
    """What `ip -o address` said on each node."""
    for node, name in enumerate(NODES):
        folder = directory / "node" / name
        folder.mkdir(parents=True, exist_ok=True)
        own = IPv4Address(NODE_ADDRESSES[node])
        pods = POD_NETWORK + (node << 8)
        lines = [
            "1: lo    inet 127.0.0.1/8 scope host lo",
            f"2: eth0    inet {own}/24 scope global eth0",
            f"3: flannel.1    inet {IPv4Address(pods)}/32 scope global flannel.1",
            f"4: cni0    inet {IPv4Address(pods + 1)}/24 scope global cni0",
        ]
        (folder / "addresses").write_text("\n".join(lines) + "\n", encoding="ascii")


def write_json(path: Path, document: object) -> None:
    """The same value as the same bytes."""
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _meta(kind: str, name: str, namespace: str | None, **extra: object) -> Json:
    named = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return {**named, "uid": f"{kind}-{namespace}-{name}", "creationTimestamp": CREATED, **extra}


def _owned_by(kind: str, name: str, namespace: str) -> list[Json]:
    uid = f"{kind}-{namespace}-{name}"
    api = "v1" if kind == "Service" else "apps/v1"
    return [{"apiVersion": api, "kind": kind, "name": name, "uid": uid, "controller": True}]


def _labels(workload: Workload) -> dict[str, str]:
    return {"k8s-app": "kube-dns"} if workload.protocol == 17 else {"app": workload.name}


def _service_name(workload: Workload) -> str:
    return "kube-dns" if workload.protocol == 17 else workload.name


def _replica_set_name(workload: Workload) -> str:
    return workload.pods[0].name.rsplit("-", 1)[0]


def _protocol(workload: Workload) -> str:
    return "UDP" if workload.protocol == 17 else "TCP"


def _node(node: int) -> Json:
    network = f"{IPv4Address(POD_NETWORK + (node << 8))}/24"
    addresses = [
        {"type": "InternalIP", "address": str(IPv4Address(NODE_ADDRESSES[node]))},
        {"type": "Hostname", "address": NODES[node]},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": _meta("Node", NODES[node], None),
        "spec": {"podCIDR": network, "podCIDRs": [network]},
        "status": {"addresses": addresses},
    }


def _deployment(workload: Workload) -> Json:
    meta = _meta("Deployment", workload.name, workload.namespace)
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta}


def _replica_set(workload: Workload) -> Json:
    owners = _owned_by("Deployment", workload.name, workload.namespace)
    name = _replica_set_name(workload)
    meta = _meta("ReplicaSet", name, workload.namespace, ownerReferences=owners)
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta}


def _service(workload: Workload) -> Json:
    address = str(IPv4Address(workload.cluster_ip))
    name = _service_name(workload)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta("Service", name, workload.namespace, labels=_labels(workload)),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ports": [
                {
                    "protocol": _protocol(workload),
                    "port": workload.port,
                    "targetPort": workload.target,
                }
            ],
            "selector": _labels(workload),
        },
    }


def _endpoint_slice(workload: Workload) -> Json:
    """As it is at the end, without the pods that are gone."""
    service = _service_name(workload)
    labels = {"kubernetes.io/service-name": service}
    owners = _owned_by("Service", service, workload.namespace)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _meta(
            "EndpointSlice",
            f"{service}-x7k2p",
            workload.namespace,
            labels=labels,
            ownerReferences=owners,
        ),
        "addressType": "IPv4",
        "ports": [{"name": "", "protocol": _protocol(workload), "port": workload.target}],
        "endpoints": [
            {
                "addresses": [str(IPv4Address(pod.address))],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {
                    "kind": "Pod",
                    "namespace": workload.namespace,
                    "name": pod.name,
                    "uid": f"Pod-{workload.namespace}-{pod.name}",
                },
                "nodeName": NODES[pod.node],
            }
            for pod in workload.pods
            if pod.end == ALWAYS
        ],
    }


def _pod(workload: Workload, pod: Pod) -> Json:
    address = str(IPv4Address(pod.address))
    created = stamp(pod.begin) if pod.begin else CREATED
    owners = _owned_by("ReplicaSet", _replica_set_name(workload), workload.namespace)
    labels = {**_labels(workload), "pod-template-hash": owners[0]["name"].rsplit("-", 1)[1]}
    meta = _meta("Pod", pod.name, workload.namespace, labels=labels, ownerReferences=owners)
    meta["creationTimestamp"] = created
    ready = {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": created}
    if pod.end != ALWAYS:
        meta["deletionTimestamp"] = stamp(pod.end)
    ports = [{"containerPort": workload.target, "protocol": _protocol(workload)}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {
            "nodeName": NODES[pod.node],
            "containers": [{"name": "main", "image": "main:1", "ports": ports}],
        },
        "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "hostIP": str(IPv4Address(NODE_ADDRESSES[pod.node])),
            "startTime": created,
            "conditions": [ready],
        },
    }


def _observed(workload: Workload, pod: Pod) -> list[Json]:
    """A pod's own hold of its address, and its Service's of it as an endpoint."""
    address = str(IPv4Address(pod.address))
    ends = {} if pod.end == ALWAYS else {"end": stamp(pod.end)}
    starts = {"start": stamp(pod.begin)} if pod.begin else {}
    joins = {"start": stamp(pod.begin + READY_AFTER // 2)} if pod.begin else {}
    return [
        _held(_pod(workload, pod), address) | starts | ends,
        _held(_endpoint_slice(workload), address) | joins | ends,
    ]


def _held(found: Json, address: str) -> Json:
    meta = found["metadata"]
    return {
        "kind": found["kind"],
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "ip": address,
        "start": CREATED,
        "end": None,
    }

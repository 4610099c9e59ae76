"""Kubernetes objects that are true of a recorded scenario, though it does not hold them."""

from collections.abc import Iterator
from typing import Any

UNUSED_PORT = 7
LONG_AGO = "2020-01-01T00:00:0{}Z"
Item = dict[str, Any]


def app_of(pod: Item) -> str:
    """What the lab labels the pods of a workload with: its name."""
    label: str = pod["metadata"].get("labels", {}).get("app", "")
    return label


def endpoints_of(item: Item) -> Item:
    """The Endpoints object that an EndpointSlice mirrors."""
    meta = item["metadata"]
    addresses = [
        {"ip": address} | ({"targetRef": each["targetRef"]} if "targetRef" in each else {})
        for each in item["endpoints"] or ()
        for address in each["addresses"]
    ]
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": meta | {"name": meta["labels"]["kubernetes.io/service-name"]},
        "subsets": [{"addresses": addresses, "ports": item["ports"]}],
    }


def third_node() -> Item:
    """A node on which nobody was recorded."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-z", "uid": "node-z"},
        "spec": {"podCIDR": "10.244.77.0/24", "podCIDRs": ["10.244.77.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.168.77.77"}]},
    }


def predecessor(pod: Item) -> Item:
    """A pod that had another's address long before."""
    terminated = {
        "exitCode": 0,
        "startedAt": LONG_AGO.format(1),
        "finishedAt": LONG_AGO.format(9),
    }
    status = {"name": "main", "image": "job", "state": {"terminated": terminated}}
    return _pod(
        f"past-{pod['metadata']['name']}",
        pod["metadata"]["namespace"],
        {"nodeName": pod["spec"].get("nodeName", "")},
        {"phase": "Succeeded", "podIP": pod["status"]["podIP"], "containerStatuses": [status]},
    )


def proxies(pods: list[Item]) -> Iterator[Item]:
    """A pod on each node's network, which declares a port that nobody called."""
    homes = {
        pod["spec"]["nodeName"]: pod["status"]["hostIP"]
        for pod in pods
        if pod["spec"].get("nodeName") and pod["status"].get("hostIP")
    }
    for node, address in homes.items():
        yield _pod(
            f"kube-proxy-{node}",
            "kube-system",
            {"hostNetwork": True, "nodeName": node},
            {"phase": "Running", "hostIP": address, "podIP": address},
        )


def _pod(name: str, namespace: str, spec: Item, status: Item) -> Item:
    declared = {"name": "main", "image": "main", "ports": [{"containerPort": UNUSED_PORT}]}
    begun = LONG_AGO.format(0)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": name,
            "creationTimestamp": begun,
        },
        "spec": spec | {"containers": [declared]},
        "status": status | {"podIPs": [{"ip": status["podIP"]}], "startTime": begun},
    }


def service(form: str, number: int, pods: list[Item], protocol: str, port: int) -> Iterator[Item]:
    """A Service that leads to some pods, and nobody called by its address.

    `form` is `plain`, `sliced` (with its EndpointSlice), `headless`, `node port`, or `unused`: then
    it leads to a port at which nobody was called.
    """
    if not pods:
        return
    meta = {"namespace": pods[0]["metadata"]["namespace"]}
    name = f"more-{number}"
    target = UNUSED_PORT if form == "unused" else port
    address = "None" if form == "headless" else f"10.96.250.{number % 250 + 1}"
    served = {"protocol": protocol, "port": target, "targetPort": target}
    served |= {"nodePort": 30000 + number} if form == "node port" else {}
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta | {"name": name, "uid": name},
        "spec": {
            "clusterIP": address,
            "clusterIPs": [address],
            "ports": [served],
            "selector": {"app": app_of(pods[0])},
        },
    }
    if form == "sliced":
        yield {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": meta
            | {"name": f"{name}-slice", "uid": f"{name}-slice"}
            | {"labels": {"kubernetes.io/service-name": name}},
            "endpoints": list(map(_endpoint, filter(_is_running, pods))),
            "ports": [{"name": "", "protocol": protocol, "port": target}],
        }


def _is_running(pod: Item) -> bool:
    return pod["status"].get("phase") == "Running" and bool(pod["status"].get("podIP"))


def _endpoint(pod: Item) -> Item:
    meta = pod["metadata"]
    reference = {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"]}
    return {"addresses": [pod["status"]["podIP"]], "targetRef": reference}

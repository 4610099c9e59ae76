"""The lab a scenario works with: nodes, workloads, Services, a recording, and the truth.

Every method that makes something in the network also makes the Kubernetes objects that would
describe it, with the real times of the run, so that scenario files read as what happened.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import objects
from hosts import Host
from nat import Forward, ruleset
from objects import Object, Owner, Port
from plan import Plan
from recorder import Recorder, write_json
from shell import Namespace, run
from topology import OUTSIDE, Fabric, NodeNetwork
from truth import Truth, Workload

NODES = ("node-a", "node-b")
_API = {
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "Rollout": "argoproj.io/v1alpha1",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What a scenario may ask of its cluster."""

    nodes: tuple[str, ...] = NODES
    ipv6: bool = False
    random_fully: bool = False
    snaplen: int = 256
    outside_addresses: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Pod:
    """A running pod: its host to act with, its object, and since and until when it had its IP."""

    host: Host
    node: str
    document: Object
    addresses: tuple[str, ...]
    labels: dict[str, str]
    ports: tuple[Port, ...]
    workload: Workload
    start: float
    end: float | None = None

    @property
    def address(self) -> str:
        """The pod's first IP."""
        return self.addresses[0]


@dataclass(slots=True, eq=False)
class Group:
    """The pods of one workload."""

    workload: Workload
    labels: dict[str, str]
    pods: list[Pod] = field(default_factory=list)

    @property
    def pod(self) -> Pod:
        """Its first pod."""
        return self.pods[0]

    @property
    def host(self) -> Host:
        """Its first pod's process."""
        return self.pods[0].host


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A Service's port and the endpoints' port behind it."""

    port: int
    target: int
    protocol: str = "TCP"
    name: str | None = None
    node_port: int | None = None


@dataclass(slots=True, eq=False)
class Service:
    """A Service: its object, and what nftables needs to know of it."""

    name: str
    namespace: str
    document: Object
    selector: dict[str, str] | None
    ports: tuple[ServicePort, ...]
    cluster_ips: tuple[str, ...]
    entry_ips: tuple[str, ...]
    created: float
    fixed_endpoints: tuple[tuple[str, str], ...] = ()

    @property
    def address(self) -> str:
        """Its ClusterIP."""
        return self.cluster_ips[0]


class Lab:
    """One cluster in network namespaces, recorded into one capture directory."""

    def __init__(self, scenario: str, directory: Path, variant: int, options: Options) -> None:
        self.plan, self.options, self.truth = Plan(scenario, variant), options, Truth()
        self._directory = directory
        self._prefix = f"otelab-{os.getpid()}"
        self._namespaces: list[Namespace] = []
        self._hosts: list[Host] = []
        self.documents: list[Object] = []
        self.pods: list[Pod] = []
        self.services: list[Service] = []
        self._next_host = dict.fromkeys(options.nodes, 0)
        self._recorder: Recorder | None = None
        self._began = time.time()

    # The cluster.

    def build(self) -> None:
        """Make the fabric, the nodes and the world outside."""
        self.fabric = Fabric(self._prefix, self.plan, ipv6=self.options.ipv6)
        self._namespaces.append(self.fabric.namespace)
        self.nodes: dict[str, NodeNetwork] = {}
        for index, name in enumerate(self.options.nodes):
            node = NodeNetwork(self._prefix, name, index, self.plan, ipv6=self.options.ipv6)
            self._namespaces.append(node.namespace)
            node.connect(self.fabric)
            self.nodes[name] = node
            self._add_node_object(node)
        for node in self.nodes.values():
            for other in self.nodes.values():
                if other is not node:
                    node.peer_with(other)
        outside = self.fabric.add_outside(self._prefix, self.options.outside_addresses)
        self._namespaces.append(outside)
        self.outside = self._host("outside", outside)
        self.program_services()

    def _add_node_object(self, node: NodeNetwork) -> None:
        uid = self.plan.uid("Node", "", node.name)
        meta = objects.metadata(node.name, None, uid, self._began)
        meta["labels"] = {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux"}
        addresses = (node.address, *([node.address6] if node.address6 else []))
        cidrs = [f"{self.plan.pod_net(node.index)}.0/24"]
        if self.options.ipv6:
            cidrs.append(f"{self.plan.pod_net6(node.index)}/64")
        self.documents.append(objects.node(meta, addresses, tuple(cidrs)))

    def _host(self, label: str, namespace: Namespace) -> Host:
        host = Host(label, namespace)
        self._hosts.append(host)
        return host

    def node_host(self, node: str) -> Host:
        """A process on the node itself, such as the kubelet."""
        return self._host(node, self.nodes[node].namespace)

    def node_workload(self, node: str) -> Workload:
        """How truth.json names a node."""
        return Workload(node, "", "Node")

    def outside_workload(self, address: str = OUTSIDE) -> Workload:
        """How truth.json names an address outside the cluster."""
        return Workload(address, "", "External")

    def write_truth(self) -> None:
        """Write down what the scenario says happened."""
        write_json(self._directory / "truth.json", self.truth.document())

    def close(self) -> None:
        """Stop every process and remove every namespace, whatever happened before."""
        if self._recorder is not None:
            self._recorder.abort()
        for host in self._hosts:
            host.stop()
        for namespace in self._namespaces:
            namespace.delete()

    # Workloads.

    def deployment(
        self, name: str, namespace: str, *, on: tuple[str, ...] = ("node-a",), **pod_options: Any
    ) -> Group:
        """A Deployment with its ReplicaSet, and one pod on each node named in `on`."""
        owner = self.controller("Deployment", name, namespace)
        template_hash = self.plan.suffix(f"{namespace}/{name}", 9)
        hashed = {"pod-template-hash": template_hash}
        replica_set = self.controller(
            "ReplicaSet", f"{owner.name}-{template_hash}", namespace, owner=owner, labels=hashed
        )
        return self.group(name, namespace, "Deployment", replica_set, on, hashed, **pod_options)

    def statefulset(
        self, name: str, namespace: str, *, on: tuple[str, ...] = ("node-a",), **pod_options: Any
    ) -> Group:
        """A StatefulSet with one pod for each entry of `on`."""
        owner = self.controller("StatefulSet", name, namespace)
        names = [f"{owner.name}-{ordinal}" for ordinal in range(len(on))]
        return self.group(name, namespace, "StatefulSet", owner, on, names=names, **pod_options)

    def daemonset(self, name: str, namespace: str, **pod_options: Any) -> Group:
        """A DaemonSet: one pod on every node."""
        owner = self.controller("DaemonSet", name, namespace)
        nodes = self.options.nodes
        return self.group(name, namespace, "DaemonSet", owner, nodes, **pod_options)

    def cronjob(
        self, name: str, namespace: str, *, on: str = "node-a", **pod_options: Any
    ) -> Group:
        """A CronJob with one Job and its pod."""
        owner = self.controller("CronJob", name, namespace)
        job = self.controller("Job", f"{owner.name}-29923522", namespace, owner=owner)
        return self.group(name, namespace, "CronJob", job, (on,), **pod_options)

    def bare_pod(
        self, name: str, namespace: str, *, on: str = "node-a", **pod_options: Any
    ) -> Group:
        """A pod that nothing owns."""
        names = [self.plan.name(name)]
        return self.group(name, namespace, "Pod", None, (on,), names=names, **pod_options)

    def controller(
        self,
        kind: str,
        name: str,
        namespace: str,
        *,
        owner: Owner | None = None,
        labels: dict[str, str] | None = None,
        known: bool = True,
    ) -> Owner:
        """An object that owns pods; with `known=False` the snapshot lacks it."""
        full = name if owner is not None else self.plan.name(name)
        where, api = self.plan.name(namespace), _API[kind]
        uid = self.plan.uid(kind, where, full)
        selects = {"app": owner.name if owner else full} | (labels or {})
        meta = objects.metadata(full, where, uid, time.time(), labels=selects, owner=owner)
        if known:
            self.documents.append(objects.owner(api, kind, meta, selects, 1))
        return Owner(api, kind, full, uid)

    def group(
        self,
        name: str,
        namespace: str,
        kind: str,
        owner: Owner | None,
        on: tuple[str, ...],
        labels: dict[str, str] | None = None,
        *,
        names: list[str] | None = None,
        workload: Workload | None = None,
        extra_labels: dict[str, str] | None = None,
        **pod_options: Any,
    ) -> Group:
        """The pods of one workload, one for each node named in `on`."""
        full, where = self.plan.name(name), self.plan.name(namespace)
        all_labels = {"app": full} | (labels or {}) | (extra_labels or {})
        group = Group(workload or Workload(full, where, kind), all_labels)
        for index, node in enumerate(on):
            base = owner.name if owner else full
            generated = f"{base}-{self.plan.suffix(f'{where}/{base}/{index}', 5)}"
            pod_name = names[index] if names else generated
            pod = self.start_pod(pod_name, group, node, owner, **pod_options)
            group.pods.append(pod)
        return group

    def start_pod(
        self,
        name: str,
        group: Group,
        node: str,
        owner: Owner | None,
        *,
        ports: tuple[Port, ...] = (),
        image: str | None = None,
        annotations: dict[str, str] | None = None,
        host_network: bool = False,
        address_of: Pod | None = None,
        serve: bool = True,
        reply: str = "echo",
    ) -> Pod:
        """Start one pod; `address_of` gives it the address that a deleted pod had."""
        created, network = time.time(), self.nodes[node]
        namespace = network.namespace if host_network else self._pod_namespace()
        if host_network:
            addresses = (network.address, *([network.address6] if network.address6 else []))
        else:
            addresses = network.plug(namespace, self._host_number(node, address_of))
        host = self._host(name, namespace)
        ready = time.time()
        where = group.workload.namespace
        uid = self.plan.uid("Pod", where, name)
        meta = objects.metadata(
            name, where, uid, created, labels=group.labels, annotations=annotations, owner=owner
        )
        app = group.labels["app"]
        container = objects.container(app, image or f"registry.example/{app}:1.4", ports)
        document = objects.pod(
            meta,
            node=node,
            node_address=network.address,
            addresses=addresses,
            containers=[container],
            ready=ready,
            host_network=host_network,
        )
        self.documents.append(document)
        pod = Pod(host, node, document, addresses, group.labels, ports, group.workload, ready)
        self.pods.append(pod)
        if serve:
            for port in ports:
                listen = "::" if self.options.ipv6 else "0.0.0.0"  # noqa: S104 (a pod's own)
                host.serve(port.number, protocol=port.protocol, reply=reply, address=listen)
        return pod

    def _pod_namespace(self) -> Namespace:
        namespace = Namespace(f"{self._prefix}-pod{len(self._namespaces)}")
        self._namespaces.append(namespace)
        return namespace

    def _host_number(self, node: str, address_of: Pod | None) -> int:
        if address_of is not None:
            return int(address_of.address.rsplit(".", 1)[1])
        number = self.plan.pod_host(self._next_host[node])
        self._next_host[node] += 1
        return number

    def delete_pod(self, pod: Pod) -> None:
        """Delete a pod: its processes, its namespace, its place in every Service."""
        pod.host.stop()
        self._hosts.remove(pod.host)
        pod.host.namespace.delete()
        self._namespaces.remove(pod.host.namespace)
        pod.end = time.time()
        objects.end_pod(pod.document, pod.end)
        self.program_services()

    # Services.

    def service(
        self,
        name: str,
        namespace: str,
        *ports: ServicePort,
        selector: dict[str, str] | None = None,
        service_type: str = "ClusterIP",
        cluster_ips: tuple[str, ...] | None = None,
        external_ips: tuple[str, ...] = (),
        load_balancer_ips: tuple[str, ...] = (),
        labels: dict[str, str] | None = None,
        fixed_endpoints: tuple[tuple[str, str], ...] = (),
    ) -> Service:
        """A Service; `selector` defaults to the pods of the workload with its name.

        `cluster_ips=()` makes it headless. `fixed_endpoints` are (address, node) pairs of a
        Service without a selector.
        """
        full, where, created = self.plan.name(name), self.plan.name(namespace), time.time()
        selects = selector if selector or fixed_endpoints else {"app": full}
        addresses = self._next_service_ips() if cluster_ips is None else cluster_ips
        uid = self.plan.uid("Service", where, full)
        meta = objects.metadata(full, where, uid, created, labels=labels or {"app": full})
        document = objects.service(
            meta,
            selector=selects,
            ports=[_service_port(port) for port in ports],
            cluster_ips=addresses,
            service_type=service_type,
            external_ips=external_ips,
            load_balancer_ips=load_balancer_ips,
        )
        service = Service(
            full,
            where,
            document,
            selects,
            ports,
            addresses,
            (*external_ips, *load_balancer_ips),
            created,
            fixed_endpoints,
        )
        self.services.append(service)
        self.program_services()
        return service

    def _next_service_ips(self) -> tuple[str, ...]:
        count = len(self.services)
        if self.options.ipv6:
            return (self.plan.service(count), self.plan.service6(count))
        return (self.plan.service(count),)

    def backends(self, service: Service, *, ever: bool = False) -> list[Pod]:
        """The pods behind a Service now, or with `ever` all that were at some time."""
        if service.selector is None:
            return []
        wanted = service.selector.items()
        return [
            pod
            for pod in self.pods
            if pod.workload.namespace == service.namespace
            and wanted <= pod.labels.items()
            and (ever or pod.end is None)
        ]

    def program_services(self) -> None:
        """Write every node's nftables rules again, as kube-proxy does on each change."""
        forwards = []
        for service in self.services:
            pods = [address for pod in self.backends(service) for address in pod.addresses]
            fixed = [address for address, _ in service.fixed_endpoints]
            forwards += [
                Forward(
                    port.protocol,
                    port.port,
                    service.cluster_ips,
                    service.entry_ips,
                    port.node_port,
                    tuple((address, port.target) for address in (*pods, *fixed)),
                )
                for port in service.ports
            ]
        for node in self.nodes.values():
            for family, pods_range in self._families():
                text = ruleset(family, forwards, pods_range, random_fully=self.options.random_fully)
                node.namespace.run("nft", "-f", "-", stdin=text)

    def _families(self) -> list[tuple[str, str]]:
        both = [("ip", self.plan.pods), ("ip6", self.plan.pods6)]
        return both if self.options.ipv6 else both[:1]

    # The recording.

    def start_recording(self) -> None:
        """Start tcpdump on every node; what happened before is older than the capture."""
        namespaces = {name: node.namespace for name, node in self.nodes.items()}
        self._recorder = Recorder(self._directory, namespaces, self.options.snaplen)
        self._recorder.start()

    def stop_recording(self) -> None:
        """Stop tcpdump, and write the snapshot."""
        assert self._recorder is not None  # noqa: S101 (a scenario without a recording is a bug)
        self._recorder.stop()
        write_json(self._directory / "snapshot.json", self._snapshot(self._recorder))

    def _snapshot(self, recorder: Recorder) -> dict[str, Any]:
        slices = [part for service in self.services for part in self._slices(service)]
        items = [*self.documents, *(service.document for service in self.services), *slices]
        return {
            "apiVersion": "v1",
            "kind": "List",
            "metadata": {"resourceVersion": ""},
            "items": items,
            "otterize": {
                "takenAt": objects.microseconds(time.time()),
                "watchStart": objects.microseconds(recorder.start_time),
                "watchEnd": objects.microseconds(recorder.end_time),
                "observed": self._observed(),
            },
        }

    def _slices(self, service: Service) -> list[Object]:
        """One EndpointSlice per address family, with the endpoints there are now."""
        found = []
        for kind in ("IPv4", "IPv6") if self.options.ipv6 else ("IPv4",):
            endpoints = [
                objects.endpoint(address, pod.node, pod.document)
                for pod in self.backends(service)
                for address in pod.addresses
                if _address_type(address) == kind
            ]
            endpoints += [
                objects.endpoint(address, node, None)
                for address, node in service.fixed_endpoints
                if _address_type(address) == kind
            ]
            name = self._slice_name(service, kind)
            uid = self.plan.uid("EndpointSlice", service.namespace, name)
            labels = {"kubernetes.io/service-name": service.name}
            meta = objects.metadata(name, service.namespace, uid, service.created, labels=labels)
            if service.selector is not None:
                service_uid = service.document["metadata"]["uid"]
                owner = Owner("v1", "Service", service.name, service_uid)
                meta["ownerReferences"] = [owner.reference()]
            ports = [_slice_port(port) for port in service.ports]
            found.append(objects.endpoint_slice(meta, kind, endpoints, ports))
        return found

    def _slice_name(self, service: Service, kind: str) -> str:
        if service.selector is None:
            return service.name
        unique = f"slice/{service.namespace}/{service.name}/{kind}"
        return f"{service.name}-{self.plan.suffix(unique, 5)}"

    def _observed(self) -> list[dict[str, Any]]:
        """Since when and until when every address was seen to belong to its object."""
        seen = [
            _interval("Pod", pod.document["metadata"], address, pod.start, pod.end)
            for pod in self.pods
            for address in pod.addresses
        ]
        for service in self.services:
            meta = service.document["metadata"]
            seen += [
                _interval("Service", meta, address, service.created, None)
                for address in service.cluster_ips
            ]
            members = [
                (address, max(pod.start, service.created), pod.end)
                for pod in self.backends(service, ever=True)
                for address in pod.addresses
            ]
            members += [(address, service.created, None) for address, _ in service.fixed_endpoints]
            for address, start, end in members:
                name = self._slice_name(service, _address_type(address))
                uid = self.plan.uid("EndpointSlice", service.namespace, name)
                meta = {"name": name, "namespace": service.namespace, "uid": uid}
                seen.append(_interval("EndpointSlice", meta, address, start, end))
        return seen


def clean_up_after_dead_runs() -> list[str]:
    """Remove the namespaces of runs that were killed; returns their names."""
    removed = []
    for line in run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        parts = name.split("-")
        if parts[0] == "otelab" and not Path(f"/proc/{parts[1]}").exists():
            run("ip", "netns", "delete", name)
            removed.append(name)
    return removed


def _address_type(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def _service_port(port: ServicePort) -> Object:
    fields: Object = {"name": port.name} if port.name else {}
    fields |= {"protocol": port.protocol, "port": port.port, "targetPort": port.target}
    return fields | ({"nodePort": port.node_port} if port.node_port else {})


def _slice_port(port: ServicePort) -> Object:
    return {"name": port.name or "", "protocol": port.protocol, "port": port.target}


def _interval(
    kind: str, meta: Object, address: str, start: float, end: float | None
) -> dict[str, Any]:
    return {
        "kind": kind,
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "ip": address,
        "start": objects.microseconds(start),
        "end": None if end is None else objects.microseconds(end),
    }

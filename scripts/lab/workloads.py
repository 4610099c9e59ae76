"""Workloads on the nodes: pods in namespaces, and the objects that own them.

Whatever starts or ends a pod also writes the Kubernetes objects that would describe it, with the
real times of the run.
"""

import time
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

import objects
from hosts import Host
from kinds import API_VERSIONS, group_of
from nat import relay
from nodes import Nodes
from objects import Object, Owner, Port
from truth import Workload


@dataclass(slots=True, eq=False)
class Pod:
    """A pod: its process to act with, its object, and since and until when it had its IP."""

    host: Host
    node: str
    document: Object
    addresses: tuple[str, ...]
    labels: dict[str, str]
    workload: Workload
    start: float
    end: float | None = None
    over: bool = False  # failed, though no watch saw it end

    @property
    def address(self) -> str:
        """The pod's first IP."""
        return self.addresses[0]


@dataclass(slots=True, eq=False)
class Group:
    """The pods of one workload."""

    workload: Workload
    labels: dict[str, str]
    owner: Owner | None
    pods: list[Pod] = field(default_factory=list)

    @property
    def pod(self) -> Pod:
        """Its first pod."""
        return self.pods[0]

    @property
    def host(self) -> Host:
        """Its first pod's process."""
        return self.pods[0].host


class PodOptions(TypedDict, total=False):
    """How a workload's pods differ from a plain pod that serves nothing.

    `address_of` gives the pod the address that a deleted pod had. `objects_only` makes a pod that
    exists in the API and nowhere else. `reply` is what its servers answer (see agent.py). The
    last three are said of all pods of a workload: their names, who they are where that is not the
    workload's name and kind, and labels beside `app`.
    """

    ports: tuple[Port, ...]
    image: str
    annotations: dict[str, str]
    host_network: bool
    address_of: Pod
    objects_only: bool
    serve: bool
    reply: str
    names: list[str]
    is_a: Workload
    extra_labels: dict[str, str]


class Workloads(Nodes):
    """Machines with workloads on them."""

    pods: list[Pod]

    def deployment(
        self,
        name: str,
        namespace: str,
        *,
        on: tuple[str, ...] = ("node-a",),
        **options: Unpack[PodOptions],
    ) -> Group:
        """A Deployment with its ReplicaSet, and one pod on each node named in `on`."""
        owner = self.controller("Deployment", name, namespace)
        return self.replicated(name, namespace, owner, on, **options)

    def replicated(
        self,
        name: str,
        namespace: str,
        owner: Owner,
        on: tuple[str, ...],
        *,
        replica_set_known: bool = True,
        **options: Unpack[PodOptions],
    ) -> Group:
        """Pods owned by a ReplicaSet that `owner` owns."""
        template_hash = self.plan.suffix(f"{namespace}/{name}", 9)
        hashed = {"pod-template-hash": template_hash}
        replica_set = self.controller(
            "ReplicaSet",
            f"{owner.name}-{template_hash}",
            namespace,
            owner=owner,
            labels=hashed,
            known=replica_set_known,
        )
        options["extra_labels"] = options.get("extra_labels", {}) | hashed
        return self.group(name, namespace, owner.kind, replica_set, on, **options)

    def statefulset(
        self,
        name: str,
        namespace: str,
        *,
        on: tuple[str, ...] = ("node-a",),
        **options: Unpack[PodOptions],
    ) -> Group:
        """A StatefulSet with one pod for each entry of `on`."""
        owner = self.controller("StatefulSet", name, namespace)
        options["names"] = [f"{owner.name}-{ordinal}" for ordinal in range(len(on))]
        return self.group(name, namespace, "StatefulSet", owner, on, **options)

    def daemonset(self, name: str, namespace: str, **options: Unpack[PodOptions]) -> Group:
        """A DaemonSet: one pod on every node."""
        owner = self.controller("DaemonSet", name, namespace)
        return self.group(name, namespace, "DaemonSet", owner, self.options.nodes, **options)

    def cronjob(
        self, name: str, namespace: str, *, on: str = "node-a", **options: Unpack[PodOptions]
    ) -> Group:
        """A CronJob with one Job and its pod."""
        owner = self.controller("CronJob", name, namespace)
        job = self.controller("Job", f"{owner.name}-29923522", namespace, owner=owner)
        return self.group(name, namespace, "CronJob", job, (on,), **options)

    def bare_pod(
        self, name: str, namespace: str, *, on: str = "node-a", **options: Unpack[PodOptions]
    ) -> Group:
        """A pod that nothing owns."""
        options["names"] = [self.plan.name(name)]
        return self.group(name, namespace, "Pod", None, (on,), **options)

    def static_pod(
        self, name: str, namespace: str, *, on: str = "node-a", **options: Unpack[PodOptions]
    ) -> Group:
        """A pod that a kubelet runs from a file, seen through its mirror pod in the API."""
        uid = self.plan.uid("Node", "", on)
        mirror = {"kubernetes.io/config.mirror": uid[:8], "kubernetes.io/config.source": "file"}
        full, where = self.plan.name(name), self.plan.name(namespace)
        options["annotations"] = options.get("annotations", {}) | mirror
        options["names"] = [f"{full}-{on}"]
        options["is_a"] = Workload(full, where, "Pod")
        return self.group(name, namespace, "Pod", Owner("v1", "Node", on, uid), (on,), **options)

    def controller(
        self,
        kind: str,
        name: str,
        namespace: str,
        *,
        owner: Owner | None = None,
        labels: dict[str, str] | None = None,
        known: bool = True,
        verbatim: bool = False,
    ) -> Owner:
        """An object that owns pods; with `known=False` the snapshot lacks it."""
        full = name if verbatim or owner is not None else self.plan.name(name)
        where, api = self.plan.name(namespace), API_VERSIONS[kind]
        uid = self.plan.uid(kind, where, full)
        selects = {"app": owner.name if owner else full} | (labels or {})
        meta = objects.metadata(full, where, uid, time.time(), labels=selects, owner=owner)
        if known:
            self.documents.append(objects.owner(api, kind, meta, selects, 1))
        return Owner(api, kind, full, uid)

    def group(
        self,
        workload: str,
        namespace: str,
        kind: str,
        owner: Owner | None,
        on: tuple[str, ...],
        **options: Unpack[PodOptions],
    ) -> Group:
        """The pods of one workload, one for each node named in `on`."""
        full, where = self.plan.name(workload), self.plan.name(namespace)
        labels = {"app": full} | options.get("extra_labels", {})
        group = Group(
            options.get("is_a", Workload(full, where, kind, group_of(kind))), labels, owner
        )
        base = owner.name if owner else full
        for index, node in enumerate(on):
            generated = f"{base}-{self.plan.suffix(f'{where}/{base}/{index}', 5)}"
            name = options["names"][index] if "names" in options else generated
            pod = self.start_pod(name, where, group, node, **options)
            group.pods.append(pod)
        return group

    def start_pod(
        self, name: str, namespace: str, group: Group, node: str, **options: Unpack[PodOptions]
    ) -> Pod:
        """Start one pod of a workload, and its servers on every declared port."""
        created, ports = time.time(), options.get("ports", ())
        host, addresses = self._place(name, node, options)
        ready = time.time()
        document = self._pod_object(name, namespace, group, node, addresses, created, options)
        self.documents.append(document)
        pod = Pod(host, node, document, addresses, group.labels, group.workload, ready)
        self.pods.append(pod)
        if options.get("serve", True):
            listen = "::" if self.options.ipv6 else "0.0.0.0"  # noqa: S104 (a pod's own)
            for port in ports:
                reply = options.get("reply", "echo")
                host.serve(port.number, protocol=port.protocol, reply=reply, address=listen)
        return pod

    def _place(self, name: str, node: str, options: PodOptions) -> tuple[Host, tuple[str, ...]]:
        """Put a pod's process where it belongs, and give it its addresses."""
        network, lent = self.nodes[node], options.get("address_of")
        if options.get("objects_only") and lent is not None:
            return lent.host, lent.addresses
        if options.get("host_network"):
            return self.new_host(name, network.namespace), network.addresses
        namespace = self.new_pod_namespace()
        if self.options.links.to_point:
            addresses = network.plug_to_point(namespace, None if lent is None else lent.address)
            if lent is not None and lent.node != node:
                others = [other for other in self.nodes.values() if other is not network]
                network.take_over(lent.address, others)
            return self.new_host(name, namespace), addresses
        number = None if lent is None else int(lent.address.rsplit(".", 1)[1])
        addresses = network.plug(namespace, number)
        if lent is not None:
            self._announce(node)
        return self.new_host(name, namespace), addresses

    def relay(self, pod: Pod, *dnat: str) -> None:
        """Let a pod send on what it gets, by NAT in its own namespace, as its own.

        No socket accepts anything there: both calls have the same sequence numbers.
        """
        pod.host.namespace.sysctl(ipv4__ip_forward=1, ipv4__conf__all__send_redirects=0)
        pod.host.namespace.sysctl(ipv4__conf__eth0__send_redirects=0)
        pod.host.namespace.run("nft", "-f", "-", stdin=relay(*dnat))

    def _announce(self, node: str) -> None:
        """Let the pods of a node forget who had which address, as a gratuitous ARP would."""
        for pod in self.pods:
            if pod.node == node and pod.end is None and pod.host in self._hosts:
                pod.host.namespace.ip("neigh flush dev eth0")

    def _pod_object(
        self,
        name: str,
        namespace: str,
        group: Group,
        node: str,
        addresses: tuple[str, ...],
        created: float,
        options: PodOptions,
    ) -> Object:
        meta = objects.metadata(
            name,
            namespace,
            self.plan.uid("Pod", namespace, name),
            created,
            labels=group.labels,
            annotations=options.get("annotations"),
            owner=group.owner,
        )
        app = group.labels["app"]
        image = options.get("image", f"registry.example/{app}:1.4")
        return objects.pod(
            meta,
            node=node,
            node_address=self.nodes[node].address,
            addresses=addresses,
            containers=[objects.container(app, image, options.get("ports", ()))],
            ready=time.time(),
            host_network=options.get("host_network", False),
        )

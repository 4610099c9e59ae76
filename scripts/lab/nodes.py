"""The lab's machines: the fabric, the nodes on it, the world outside, and what runs on them."""

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import objects
from hosts import Host
from objects import Object
from plan import Plan
from shell import Namespace, run
from topology import OUTSIDE, Fabric, Links, NodeNetwork
from truth import Workload

_PREFIX = "otelab"


@dataclass(frozen=True, slots=True)
class Options:
    """What a scenario may ask of its cluster."""

    nodes: tuple[str, ...] = ("node-a", "node-b")
    ipv6: bool = False
    random_fully: bool = False
    snaplen: int = 256
    outside_addresses: tuple[str, ...] = ()
    links: Links = field(default_factory=Links)
    # A pcap-filter expression for every tcpdump; {pods} and {node} are those of the first node.
    capture_filter: str = ""
    link_type: str = ""  # of what `-i any` records, where not tcpdump's own choice
    pod_cidrs: bool = True  # whether Node objects say their podCIDR
    pods4: str | None = None  # the pods' first two octets, where not the plan's
    underlay: str | None = None  # the nodes' first three octets, likewise
    pods6: str | None = None  # the first three groups of the pods' IPv6 addresses, likewise
    endpoints_objects: bool = False  # the snapshot holds these, and no EndpointSlice


class Nodes:
    """Machines without workloads; every process and namespace made here is undone by `close`."""

    def __init__(self, plan: Plan, options: Options) -> None:
        self.plan, self.options = plan, options
        self.documents: list[Object] = []
        self.nodes: dict[str, NodeNetwork] = {}
        # A scenario may build two clusters at once.
        self._prefix = f"{_PREFIX}-{os.getpid()}-{plan.scenario}"
        self._namespaces: list[Namespace] = []
        self._hosts: list[Host] = []

    def build(self) -> None:
        """Make the fabric, the nodes and the world outside."""
        self.fabric = Fabric(self._new_namespace("fabric"), self.plan, ipv6=self.options.ipv6)
        for index, name in enumerate(self.options.nodes):
            namespace = self._new_namespace(name)
            node = NodeNetwork(
                namespace, name, index, self.plan, ipv6=self.options.ipv6, links=self.options.links
            )
            node.connect(self.fabric)
            self.nodes[name] = node
            self._add_node_object(node)
        for node in self.nodes.values():
            for other in self.nodes.values():
                if other is not node:
                    node.peer_with(other)
        outside = self._new_namespace("outside")
        self.fabric.add_outside(outside, self.options.outside_addresses)
        self.outside = self.new_host("outside", outside)

    def _new_namespace(self, name: str) -> Namespace:
        namespace = Namespace(f"{self._prefix}-{name}")
        self._namespaces.append(namespace)
        return namespace

    def new_pod_namespace(self) -> Namespace:
        """A namespace for a pod, with nothing in it yet."""
        return self._new_namespace(f"pod{time.monotonic_ns()}")

    def new_host(self, label: str, namespace: Namespace) -> Host:
        """A process in a namespace."""
        host = Host(label, namespace)
        self._hosts.append(host)
        return host

    def node_host(self, node: str) -> Host:
        """A process on the node itself, such as the kubelet."""
        return self.new_host(node, self.nodes[node].namespace)

    def remove_host(self, host: Host) -> None:
        """Stop a process and remove its namespace."""
        host.stop()
        self._hosts.remove(host)
        host.namespace.delete()
        self._namespaces.remove(host.namespace)

    def _add_node_object(self, node: NodeNetwork) -> None:
        uid = self.plan.uid("Node", "", node.name)
        labels = {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux"}
        meta = objects.metadata(node.name, None, uid, time.time(), labels=labels)
        cidrs = [f"{self.plan.pod_net(node.index)}.0/24"]
        if self.options.ipv6:
            cidrs.append(f"{self.plan.pod_net6(node.index)}/64")
        self.documents.append(
            objects.node(meta, node.addresses, tuple(cidrs) if self.options.pod_cidrs else ())
        )

    def close(self) -> None:
        """Stop every process and remove every namespace, whatever happened before."""
        with ExitStack() as last_to_first:
            for namespace in self._namespaces:
                last_to_first.callback(namespace.delete)
            for host in self._hosts:
                last_to_first.callback(host.stop)


def node_workload(node: str) -> Workload:
    """How truth.json names a node."""
    return Workload(node, "", "Node")


def outside_workload(address: str = OUTSIDE) -> Workload:
    """How truth.json names an address outside the cluster."""
    return Workload(address, "", "External")


def clean_up_after_dead_runs() -> list[str]:
    """Remove the namespaces of runs that were killed; returns their names."""
    removed = []
    for line in run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        prefix, _, rest = name.partition("-")
        if prefix == _PREFIX and not Path("/proc", rest.partition("-")[0]).exists():
            run("ip", "netns", "delete", name)
            removed.append(name)
    return removed

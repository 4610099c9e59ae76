"""The cluster that `generate_cluster.py` records: nodes, pods, Services, and who restarts when.

Forty Deployments of five pods and two CoreDNS pods on two nodes; each Deployment has a Service and
calls five others through theirs. With restarts, one pod of each second Deployment is deleted
halfway, and its successor has another address. Times are microseconds after the capture's start.
"""

import random
from dataclasses import dataclass, field

NODES = ("node-a", "node-b")
NODE_ADDRESSES = (0xAC1E0001, 0xAC1E0002)  # 172.30.0.1 and .2
POD_NETWORK = 0x0AF40000  # 10.244.0.0, a /24 for each node
SERVICE_NETWORK = 0x0A600000  # 10.96.0.0
WORKLOADS, REPLICAS = 40, 5
CALLED = (1, 3, 7, 12, 20)
ETH0, FLANNEL, BRIDGE, FIRST_VETH = 2, 3, 4, 5

SECOND = 1_000_000
ALWAYS = 1 << 62
SUCCESSOR_AFTER = 3 * SECOND
# A Service's list of endpoints follows its pods: later when they come, earlier when they go.
READY_AFTER = 2 * SECOND
DRAINED_BEFORE = 15 * SECOND


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod: where it runs, its address, and from when to when it holds that."""

    name: str
    node: int
    address: int
    interface: int
    begin: int = 0
    end: int = ALWAYS

    @property
    def mac(self) -> bytes:
        """Of its own end of the veth pair."""
        return b"\x0a\x58" + self.address.to_bytes(4)

    def serves(self, now: int, *, since_before: bool) -> bool:
        """Whether a connection may begin now, or have begun before the capture and go on now."""
        since = 0 if since_before else self.begin + (READY_AFTER if self.begin else 0)
        return self.begin <= since <= now < self.end - DRAINED_BEFORE


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment and its Service; `target` is the port that its pods serve."""

    name: str
    namespace: str
    cluster_ip: int
    protocol: int
    port: int
    target: int
    pods: list[Pod] = field(default_factory=list)

    def draw(self, choose: random.Random, now: int, *, since_before: bool) -> Pod:
        """One of the pods that serve."""
        while True:
            pod = self.pods[int(choose.random() * len(self.pods))]
            if pod.serves(now, since_before=since_before):
                return pod


@dataclass(frozen=True, slots=True)
class Cluster:
    """All workloads, the cluster's DNS aside."""

    workloads: list[Workload]
    dns: Workload

    def called_by(self, index: int) -> list[int]:
        """Which workloads one calls."""
        return [(index + step) % len(self.workloads) for step in CALLED]


def build_cluster(duration: int, *, restarts: bool) -> Cluster:
    """The same cluster for the same arguments; restarts are spread over the middle half."""
    free = [0, 0]
    dns = Workload("coredns", "kube-system", SERVICE_NETWORK + 10, 17, 53, 53)
    dns.pods.extend(_pod(f"coredns-76f75df574-{node:05d}", node, free) for node in range(2))
    workloads = []
    for index in range(WORKLOADS):
        workload = Workload(
            f"app-{index:02d}",
            f"team-{index % 4}",
            SERVICE_NETWORK + 0x100 + index + 1,
            6,
            80,
            8000 + index % 17,
        )
        for replica in range(REPLICAS):
            number = index * REPLICAS + replica
            name = f"{workload.name}-5d4f8c7b9-{number:05d}"
            if not restarts or number % 10:
                workload.pods.append(_pod(name, number % 2, free))
                continue
            end = duration // 4 + duration * number // (2 * WORKLOADS * REPLICAS)
            begin = end + SUCCESSOR_AFTER
            # Half of the successors start on the other node.
            node = number // 10 % 2
            workload.pods.append(_pod(name, number % 2, free, end=end))
            workload.pods.append(_pod(f"{name[:-5]}{number + 500:05d}", node, free, begin=begin))
        workloads.append(workload)
    return Cluster(workloads, dns)


def _pod(name: str, node: int, free: list[int], begin: int = 0, end: int = ALWAYS) -> Pod:
    """A pod with the next address and the next veth of a node."""
    number = free[node]
    free[node] += 1
    address = POD_NETWORK + (node << 8) + 2 + number
    return Pod(name, node, address, FIRST_VETH + number, begin, end)

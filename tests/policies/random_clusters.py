"""Small clusters and what happens in them, by chance: for laws of policies."""

from dataclasses import dataclass

from hypothesis import strategies as st

from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.identity import NamedBy
from otterize_pcap.resolve.map_capture import MappedCapture
from tests.cluster_builder import (
    NODE_A,
    NODE_B,
    Json,
    Seen,
    attempt,
    call,
    datagrams,
    mapped,
    node,
    pod,
    recording,
    service,
    snapshot,
)

OUTSIDE = ("203.0.113.9", "203.0.113.10", "172.20.5.5")
PORTS = (80, 8080, 9090)
NAMES = ("api", "db", "web")
NAMESPACES = ("app", "shop")
VIP, SERVED = "10.96.0.10", "10.1.0.9"
DNS_POD, DNS_VIP = "10.1.9.9", "10.96.0.53"
NODES = {"a": NODE_A, "b": NODE_B}


@dataclass(frozen=True)
class Member:
    """A pod of a random cluster."""

    workload: str
    namespace: str
    number: int
    node: str
    labels: tuple[tuple[str, str], ...]
    address: str

    @property
    def item(self) -> Json:
        """Its object."""
        ports = [{"containerPort": port, "name": f"p{port}"} for port in PORTS[:2]]
        return pod(
            self.workload,
            self.address,
            name=f"{self.workload}-{self.number}",
            namespace=self.namespace,
            node=self.node,
            labels=dict(self.labels),
            ports=ports,
        )


labels = st.dictionaries(
    st.sampled_from(("app", "tier", "pod-template-hash")), st.sampled_from("abc"), max_size=3
)


@st.composite
def members(draw: st.DrawFn) -> tuple[Member, ...]:
    """Up to seven pods of up to six workloads; the first is behind the Service."""
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMESPACES)), min_size=1, max_size=6
        )
    )
    served = Member("web", "app", 99, "a", (("app", "web"),), SERVED)
    return served, *(
        Member(
            name,
            namespace,
            number,
            draw(st.sampled_from("ab")),
            tuple(sorted(draw(labels | st.just({"app": name})).items())),
            f"10.1.0.{number + 10}",
        )
        for number, (name, namespace) in enumerate(keys)
    )


@dataclass(frozen=True)
class Happening:
    """Something that goes over the wire: who calls whom how; numbers choose among the pods."""

    kind: str
    one: int
    other: int
    port: int


happenings = st.lists(
    st.builds(
        Happening,
        st.sampled_from(
            (
                "call",
                "through",
                "datagrams",
                "push",
                "attempt",
                "outside",
                "from outside",
                "from node",
                "to node",
                "nodeport",
                "dns",
                "again",
            )
        ),
        st.integers(0, 5),
        st.integers(0, 5),
        st.sampled_from(PORTS),
    ),
    max_size=8,
)


def world(pods: tuple[Member, ...]) -> list[Json]:
    """The objects of a cluster: pods, a Service with a NodePort, and the cluster's DNS."""
    return [
        *(each.item for each in pods),
        service(
            "web",
            VIP,
            ports=[{"port": 80, "targetPort": 8080, "nodePort": 30080}],
            selector={"app": "web"},
        ),
        pod("coredns", DNS_POD, namespace="kube-system", labels={"k8s-app": "kube-dns"}),
        service(
            "kube-dns",
            DNS_VIP,
            53,
            protocol="UDP",
            namespace="kube-system",
            selector={"k8s-app": "kube-dns"},
        ),
        node("c", "192.168.0.3", pod_cidr="10.1.0.0/16"),
    ]


def captured(pods: tuple[Member, ...], happened: list[Happening], at: float = 0) -> MappedCapture:
    """What both nodes recorded of it."""
    seen = [
        each
        for number, what in enumerate(happened)
        for each in _packets(pods, what, 40000 + number, at + number)
    ]
    quiet = call("127.0.0.1:1", "127.0.0.1:2")
    recordings = [recording([*seen, *quiet], name) for name in NODES]
    rules = Rules(owner=NamedBy.NEAREST)
    return mapped(snapshot(*world(pods)), *recordings, rules=rules)


def _packets(pods: tuple[Member, ...], what: Happening, port: int, at: float) -> list[Seen]:
    one, other = pods[what.one % len(pods)], pods[what.other % len(pods)]
    client, server = f"{one.address}:{port}", f"{other.address}:{what.port}"
    behind = NODES[one.node]
    match what.kind:
        case "call" | "again":
            return call(client, server, at)
        case "through":
            return [
                *call(client, f"{VIP}:80", at, isn=port, interface=1),
                *call(client, f"{SERVED}:8080", at + 0.0001, isn=port, interface=2),
            ]
        case "datagrams":
            return datagrams(client, server, at)
        case "push":
            return datagrams(client, server, at, answered=False)
        case "attempt":
            return attempt(client, server, at, refused=True)
        case "outside":
            return call(client, f"{OUTSIDE[what.other % len(OUTSIDE)]}:443", at)
        case "from outside":
            return call(f"{OUTSIDE[what.one % len(OUTSIDE)]}:{port}", server, at)
        case "from node":
            return call(f"{behind}:{port}", server, at)
        case "to node":
            return call(client, f"{NODES[other.node]}:10250", at)
        case "nodeport":
            front = f"{NODES[other.node]}:30080"
            return [
                *call(client, front, at, isn=port, interface=1),
                *call(
                    f"{NODES[other.node]}:{port}",
                    f"{SERVED}:8080",
                    at + 0.0001,
                    isn=port,
                    interface=2,
                ),
            ]
        case _:
            return datagrams(client, f"{DNS_POD}:53", at)

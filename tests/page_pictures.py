"""Pictures that the tests of the page open."""

from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import (
    ATTEMPTED,
    Call,
    Coverage,
    Evidence,
    External,
    FileCoverage,
    NodeCoverage,
    ServiceGraph,
    SharedAddresses,
    UndecidedCall,
    Use,
    Workload,
)
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.render.picture import picture_of_diff, picture_of_graph
from tests.render.test_renderings import BEFORE, GRAPH

SMALL = picture_of_graph(GRAPH)
DIFF = picture_of_diff(diff_graphs(BEFORE, GRAPH))

NOON = 1_790_000_000_000_000_000
SECOND = 1_000_000_000
NAMESPACES = ("data", "shop", "web")
PER_NAMESPACE = 12


def use(
    port: int,
    connections: int = 1,
    protocol: str = "TCP",
    rule: str = "S30",
    pods: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
) -> Use:
    """Established connections to a port, between some client and server pods."""
    return Use(
        protocol,
        port,
        connections,
        (6 * connections, 4 * connections),
        (600, 400),
        NOON + port,
        NOON + port + SECOND,
        (("established", connections),),
        ((rule, connections),),
        (),
        Evidence("my capture/node-a.pcap.gz", port, NOON + port, rule),
        client_pods=pods[0],
        server_pods=pods[1],
    )


def workload(namespace: str, number: int) -> Workload:
    """`web-03.web`."""
    return Workload(f"{namespace}-{number:02}", namespace, "Deployment")


def pods_of(name: str, number: int) -> tuple[str, ...]:
    """Names of the pods of a Deployment."""
    return tuple(f"{name}-5d4f8c7b9-{index:05}" for index in range(number))


def _calls() -> list[Call]:
    """A chain in each namespace; `web-00` calls `shop-00`, that calls `data-00`; some outside."""
    found = []
    for namespace in NAMESPACES:
        port = {"data": 5432, "shop": 8080, "web": 443}[namespace]
        for number in range(PER_NAMESPACE - 1):
            ends = workload(namespace, number), workload(namespace, number + 1)
            found.append(Call(*ends, uses=(use(port, number + 1),)))
    found += [
        Call(workload("web", 0), workload("shop", 0), uses=(use(8080, 1000), use(9090, 2))),
        Call(workload("web", 1), workload("shop", 0), uses=(use(8080),)),
        Call(
            *(workload("shop", 0), workload("data", 0)),
            uses=(use(5432, 40, rule="S35", pods=(pods_of("shop-00", 7), pods_of("data-00", 1))),),
        ),
        Call(workload("data", 3), workload("data", 3), uses=(use(7000),)),
        Call(workload("data", 5), workload("web", 2), ATTEMPTED, uses=(use(53, protocol="UDP"),)),
        Call(workload("shop", 4), External("api.example.com"), uses=(use(443),)),
    ]
    return sorted(found, key=call_order)


COVERAGE = Coverage(
    files=(
        FileCoverage(
            "my capture/node-a.pcap.gz", "node-a", 1234, NOON, NOON + 90 * SECOND, dropped=3
        ),
    ),
    nodes=(
        NodeCoverage("node-a", NodeStatus.CAPTURED),
        NodeCoverage("node-b", NodeStatus.FAILED, "no image", workloads=(workload("shop", 0),)),
    ),
    connections=((Fate(FateKind.AMBIGUOUS), 7), (Fate(FateKind.RESOLVED), 1200)),
    notes=("the snapshot was taken once",),
    undecided=(
        UndecidedCall(
            Fate(FateKind.AMBIGUOUS),
            (workload("shop", 0), workload("shop", 1)),
            (workload("data", 0),),
            "TCP",
            7,
        ),
    ),
    shared=(SharedAddresses((workload("web", 6), workload("web", 7)), 2),),
)
OWNER = Workload("web-set", "web", "Site", group="example.com")
GRAPH_OF_THREE = ServiceGraph(
    tuple(_calls()),
    COVERAGE,
    inferred=((workload("web", 0), "label app"),),
    roots=((workload("web", 0), OWNER),),
    labels=tuple(
        (
            workload(namespace, number),
            (
                ("app", (f"{namespace}-{number:02}",)),
                ("team", ("payments",) if number < 6 else ("payments", "search")),
                ("tier", ("back",)),
            ),
        )
        for namespace in NAMESPACES
        for number in range(PER_NAMESPACE)
        if (namespace, number) != ("web", 11)
    ),
)
THREE = picture_of_graph(GRAPH_OF_THREE)


def large() -> ServiceGraph:
    """300 workloads and 3,000 calls, with pods and labels."""
    workloads = [Workload(f"svc-{i:03}", f"team-{i % 12}", "Deployment") for i in range(300)]
    pods = [pods_of(one.name, 9) for one in workloads]
    pairs = {(i, (i * 7 + step * step * 3 + 1) % 300) for i in range(300) for step in range(10)}
    pairs |= {(i, (i + offset) % 300) for i in range(300) for offset in range(11, 15)}
    calls = [
        Call(
            *(workloads[a], workloads[b]),
            uses=(use(8000 + b % 9, a + 1, pods=(pods[a], pods[b])),),
        )
        for a, b in sorted(pairs)[:3000]
    ]
    labels = tuple(
        (one, tuple((f"key-{key:02}", (f"value-{index % (key + 2)}",)) for key in range(20)))
        for index, one in enumerate(workloads)
    )
    return ServiceGraph(tuple(sorted(calls, key=call_order)), labels=labels)

"""What flows show that workloads need, each connection once."""

import pytest

from otterize_pcap.policies.needs import needs_of
from otterize_pcap.policies.pod_flows import pod_flows
from tests.cluster_builder import NODE_A, NODE_B, Json, Seen, call, mapped, pod, service, snapshot

WEB, API, OTHER, VIP = "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.96.0.1"
ITEMS = [
    pod("web", WEB),
    pod("api", API, node="b", ports=[8080]),
    pod("api", OTHER, name="api-2", ports=[8080]),
    service("api", VIP, ports=[{"port": 80, "targetPort": 8080, "nodePort": 30080}]),
]


def through(front: str, back: str, behind: str) -> list[Seen]:
    """One connection before and after a node changed both of its addresses."""
    return [
        *call(f"{WEB}:40000", front, isn=7, interface=1),
        *call(f"{behind}:40000", back, at=0.0001, isn=7, interface=2),
    ]


@pytest.mark.parametrize(
    ("items", "seen", "expected"),
    [
        pytest.param(
            ITEMS,
            call(f"{WEB}:40000", f"{VIP}:80"),
            {
                "web Egress PodsPeer TCP 8080": 1,
                "api Ingress PodsPeer TCP 8080": 1,
            },
            id="one of two backends of one workload",
        ),
        pytest.param(
            ITEMS,
            through(f"{NODE_B}:30080", f"{API}:8080", NODE_B),
            {
                "web Egress NodesPeer TCP 30080": 1,
                "web Egress PodsPeer TCP 8080": 1,
                "api Ingress NodesPeer TCP 8080": 1,
                "api Ingress PodsPeer TCP 8080": 1,
            },
            id="through another node, before it and behind it",
        ),
        pytest.param(
            ITEMS,
            through(f"{NODE_B}:30080", f"{OTHER}:8080", NODE_A),
            {
                "web Egress NodesPeer TCP 30080": 1,
                "web Egress PodsPeer TCP 8080": 1,
                "api Ingress NodesPeer TCP 8080": 1,
                "api Ingress PodsPeer TCP 8080": 1,
            },
            id="masqueraded by its own node",
        ),
        pytest.param(ITEMS, call(f"{WEB}:40000", f"{WEB}:80"), {}, id="a pod itself"),
    ],
)
def test_each_connection_counts_once(
    items: list[Json], seen: list[Seen], expected: dict[str, int]
) -> None:
    """However many backends or views a flow has, a need of it was seen once."""
    found = mapped(snapshot(*items), seen)
    needs = needs_of(pod_flows(found).flows, found.lookup)
    assert {
        f"{need.workload.name} {need.direction} {type(need.peer).__name__} {need.protocol} "
        f"{need.port}": sighting.connections
        for need, sighting in needs.items()
    } == expected

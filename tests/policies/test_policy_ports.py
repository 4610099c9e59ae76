"""How the ports of a rule are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.policies.network_policy import PolicyPort
from otterize_pcap.policies.observation import PodFacts
from otterize_pcap.policies.policy_ports import rule_ports

Called = list[tuple[str, int]]


def pod(**named: int) -> PodFacts:
    """A pod that declares TCP ports by name."""
    ports = frozenset(("TCP", number) for number in named.values())
    return PodFacts({}, ports, named, host_network=False, exposed={})


@pytest.mark.parametrize(
    ("called", "pods", "by_name", "expected"),
    [
        pytest.param(
            [("UDP", 53), ("TCP", 53)],
            [],
            False,
            [PolicyPort("TCP", 53), PolicyPort("UDP", 53)],
            id="numbers of two protocols",
        ),
        pytest.param(
            [("TCP", 8080)], [pod(http=8080)], False, [PolicyPort("TCP", 8080)], id="a number"
        ),
        pytest.param(
            [("TCP", 8080)], [pod(http=8080)], True, [PolicyPort("TCP", "http")], id="its name"
        ),
        pytest.param(
            [("TCP", 8080)],
            [pod(http=8080), pod(http=9090)],
            False,
            [PolicyPort("TCP", "http")],
            id="a name whose number differs between versions",
        ),
        pytest.param(
            [("TCP", 8080)],
            [pod(http=8080), pod(web=8080)],
            True,
            [PolicyPort("TCP", 8080)],
            id="not all name it alike",
        ),
        pytest.param(
            [("UDP", 8080)],
            [pod(http=8080), pod(http=9090)],
            False,
            [PolicyPort("UDP", 8080)],
            id="the name is of another protocol",
        ),
        pytest.param(
            [("TCP", port) for port in (2121, 21100, 21103, 21105, 21108)],
            [pod(ftp=21)],
            False,
            [PolicyPort("TCP", 2121, 21108)],
            id="many ports that nobody declares: a range",
        ),
        pytest.param(
            [("TCP", port) for port in (21, 40000, 41000, 42000, 43000, 44000)],
            [pod(ftp=21)],
            False,
            [PolicyPort("TCP", 21), PolicyPort("TCP", 32768, 60999)],
            id="ephemeral ports: all of them",
        ),
        pytest.param(
            [("TCP", port) for port in (40000, 41000, 42000, 43000)],
            [],
            False,
            [PolicyPort("TCP", port) for port in (40000, 41000, 42000, 43000)],
            id="a few are a few",
        ),
        pytest.param(
            [("TCP", port) for port in (2001, 2002, 2003, 2004, 2005)],
            [pod(a=2001, b=2002, c=2003, d=2004, e=2005)],
            False,
            [PolicyPort("TCP", port) for port in (2001, 2002, 2003, 2004, 2005)],
            id="declared ones are what they are",
        ),
    ],
)
def test_ports_go_by_number_name_or_range(
    called: Called, pods: list[PodFacts], by_name: bool, expected: list[PolicyPort]
) -> None:
    """By name where versions differ, as a range where a server chooses ports as it runs."""
    assert list(rule_ports(called, pods, by_name=by_name)) == expected


CALLED = st.lists(st.tuples(st.sampled_from(["TCP", "UDP"]), st.integers(1, 65535)), max_size=9)
PODS = st.lists(
    st.dictionaries(st.sampled_from(["http", "grpc"]), st.integers(1, 65535)).map(
        lambda named: pod(**named)
    ),
    max_size=3,
)


@given(CALLED, PODS, st.booleans())
def test_every_port_that_was_called_is_allowed(
    called: Called, pods: list[PodFacts], by_name: bool
) -> None:
    """However ports are written, none that was called is left out."""
    written = rule_ports(called, pods, by_name=by_name)
    for protocol, number in called:
        assert any(
            port.protocol == protocol
            and (
                any(pod.named_ports.get(port.port) == number for pod in pods)
                if isinstance(port.port, str)
                else port.port is not None and port.port <= number <= (port.end_port or port.port)
            )
            for port in written
        )


@given(CALLED, CALLED, PODS)
def test_more_that_was_called_allows_more(one: Called, other: Called, pods: list[PodFacts]) -> None:
    """The ports of two captures together allow all that those of either do."""
    both = rule_ports([*one, *other], pods)
    for port in rule_ports(one, pods):
        assert any(
            port.protocol == more.protocol
            and (
                port == more
                if isinstance(port.port, str) or isinstance(more.port, str)
                else (more.port or 0) <= (port.port or 0)
                and (port.end_port or port.port or 0) <= (more.end_port or more.port or 0)
            )
            for more in both
        )

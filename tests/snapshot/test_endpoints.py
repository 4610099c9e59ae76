"""S21: Endpoints objects say what is behind a Service where no EndpointSlice does."""

import pytest

from otterize_pcap.addresses import format_address
from otterize_pcap.resolve.resolution import AMBIGUOUS
from tests.cluster_builder import (
    Json,
    call,
    edges,
    endpoint_slice,
    fates,
    mapped,
    pod,
    service,
    snapshot,
)

CLIENT = pod("client", "10.1.0.1")
PODS = (pod("one", "10.1.0.2"), pod("two", "10.1.0.3"))
# Without a selector nothing but its endpoints tells what is behind it.
SERVICE = service("s", "10.96.0.1", selector={})
CALL = call("10.1.0.1:1", "10.96.0.1:80")


def endpoints(*ready: str, not_ready: tuple[str, ...] = (), **port: object) -> Json:
    """The Endpoints object of Service `s`."""
    return {
        "kind": "Endpoints",
        "metadata": {"name": "s", "namespace": "app", "uid": "e"},
        "subsets": [
            {
                "addresses": [{"ip": text} for text in ready],
                "notReadyAddresses": [{"ip": text} for text in not_ready],
                "ports": [{"port": 8080, "protocol": "TCP", **port}],
            }
        ],
    }


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param([endpoints("10.1.0.2")], {"client -> one:8080"}, id="alone"),
        pytest.param([endpoints(not_ready=("10.1.0.3",))], {"client -> two:8080"}, id="not ready"),
        pytest.param([endpoints("10.1.0.2", name="other")], set(), id="another port"),
        pytest.param(
            [endpoints("10.1.0.2"), endpoint_slice("s", ["10.1.0.3"], 8080)],
            {"client -> two:8080"},
            id="a slice is there",
        ),
    ],
)
def test_endpoints_stand_in_for_slices(made: list[Json], expected: set[str]) -> None:
    """S21: members whether ready or not, by the port's name; slices, where there are any, win."""
    assert edges(mapped(snapshot(CLIENT, *PODS, SERVICE, *made), CALL)) == expected


def test_endpoints_of_two_workloads_are_ambiguous() -> None:
    """S21: which of them answered is not guessed."""
    known = snapshot(CLIENT, *PODS, SERVICE, endpoints("10.1.0.2", "10.1.0.3"))
    assert fates(mapped(known, CALL)) == {AMBIGUOUS: 1}


V4, V6 = "10.1.0.2", "fd00::2"
BOTH = service(
    "s", "10.96.0.1", target=8080, clusterIPs=["10.96.0.1", "fd00:96::1"], selector={"app": "one"}
)
TOLD = endpoint_slice("s", [V4], 8080) | {"addressType": "IPv4"}
EMPTY = endpoint_slice("s", [], 8080) | {"addressType": "IPv6"}
EMPTY["metadata"] = EMPTY["metadata"] | {"name": "s-6", "uid": "s-6"}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param([BOTH], {V4, V6}, id="no slice"),
        pytest.param([BOTH, TOLD], {V4, V6}, id="of one family"),
        pytest.param([BOTH, TOLD, EMPTY], {V4}, id="nobody in the other"),
        pytest.param([service("s", "10.96.0.1", selector={"app": "one"}), TOLD], {V4}, id="IPv4"),
        pytest.param([BOTH, endpoints(V4)], {V4, V6}, id="Endpoints have one family"),
        pytest.param([BOTH, endpoints()], set(), id="Endpoints without any"),
    ],
)
def test_a_family_without_a_slice_goes_by_the_selector(
    made: list[Json], expected: set[str]
) -> None:
    """S21: one slice at the least there is in each family, so that the snapshot lacks it."""
    (found,) = snapshot(pod("one", [V4, V6]), *made).services
    (backends,) = found.backends.values() or ((),)
    assert {format_address(each.address) for each in backends} == expected

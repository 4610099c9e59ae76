"""S13: a capture and a snapshot that are not of one cluster are an error, `--force` to go on."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from otterize_pcap.connections.legs import Recording
from otterize_pcap.errors import MismatchError
from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.service_graph import NodeCoverage
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import map_capture
from otterize_pcap.table.read import ReadOptions
from tests.cluster_builder import (
    NODE_A,
    call,
    capture,
    conntrack,
    edges,
    entry,
    node,
    pod,
    recording,
    service,
    snapshot,
)
from tests.conftest import FIXTURES

WEB, API, DB = "10.1.0.1", "10.1.0.2", "10.1.1.3"
OBJECTS = (
    pod("web", WEB),
    pod("api", API),
    pod("db", DB, node="b"),
    node("a", NODE_A),
    node("b", "192.168.0.2", pod_cidr="10.1.0.0/16"),
)
KNOWN = snapshot(*OBJECTS)
OWN_CALLS = [*call(f"{WEB}:1", f"{API}:80"), *call(f"{WEB}:2", f"{DB}:5432", 5)]
OWN = recording(OWN_CALLS, "a")


def refused(*recordings: Recording, **changed: object) -> str:
    """Why a capture is refused; nothing is where it is forced."""
    contents = contents_of(capture(KNOWN, *recordings))
    made = Capture(replace(contents, **changed))
    assert map_capture(made, Rules(force=True)).graph.coverage is not None
    with pytest.raises(MismatchError) as raised:
        map_capture(made)
    assert "--force" in str(raised.value)
    return str(raised.value)


def accepted(*recordings: Recording, **changed: object) -> set[str]:
    """The edges of a capture that is not refused."""
    contents = contents_of(capture(KNOWN, *recordings))
    made = Capture(replace(contents, **changed))
    return edges(map_capture(made))


def manifest(*names: str) -> tuple[NodeCoverage, ...]:
    """Nodes that a manifest says were captured."""
    return tuple(NodeCoverage(name, NodeStatus.CAPTURED) for name in names)


def test_manifest_of_nodes_that_the_snapshot_does_not_know() -> None:
    """S13: the manifest's nodes are in the snapshot, one of them at least."""
    assert "none of the nodes that were captured (x, y)" in refused(
        OWN, coverage_nodes=manifest("x", "y")
    )
    assert accepted(OWN, coverage_nodes=manifest("a", "new")) == accepted(OWN)


def test_file_of_another_node_without_a_known_node_address() -> None:
    """S13: a file of an unknown node that shows pods' addresses and none of a known node."""
    assert "x.pcap" in refused(OWN, recording(call(f"{DB}:1", f"{WEB}:81", 1), "x"))


def test_file_of_a_node_with_another_name_is_accepted() -> None:
    """S13: a file may be named otherwise; it shows a node's address and packets that match."""
    both = [*call(f"{WEB}:2", f"{DB}:5432", 5), *call(f"{NODE_A}:1", f"{API}:80", 2)]
    found = accepted(recording(both, "a"), recording(both, "gateway"))
    assert found == {"web -> db:5432"}


@pytest.mark.parametrize(
    ("client", "server"),
    [
        pytest.param(f"{WEB}:9", f"{API}:80", id="two pods of one node"),
        pytest.param(f"{WEB}:9", f"{DB}:81", id="while that node was recorded"),
    ],
)
def test_address_on_two_nodes_at_once(client: str, server: str) -> None:
    """S13: a pod's packets that its own node never saw are another cluster's."""
    seen = [*call(client, server, 1), *call(f"{NODE_A}:1", f"{DB}:80", 2)]
    assert "other packets than its nodes saw" in refused(OWN, recording(seen, "x"))


def test_file_alone_may_have_any_name() -> None:
    """S13: where no file is named as a node, names say nothing."""
    assert accepted(recording(call(f"{WEB}:1", f"{API}:80"), "x")) == {"web -> api:80"}


@pytest.mark.parametrize(("unknown", "is_refused"), [(8, False), (9, True)])
def test_most_pod_addresses_are_unknown(unknown: int, is_refused: bool) -> None:
    """S13: pods come and go unseen, but not most of them."""
    seen = [
        packet
        for number in range(unknown)
        for packet in call(f"10.1.7.{number + 1}:1", f"{API}:80", number)
    ]
    if is_refused:
        assert "knows 1 of the 10 pod addresses" in refused(recording(seen, "a"))
    else:
        assert accepted(recording(seen, "a")) == set()


@pytest.mark.parametrize(
    ("said", "is_refused"),
    [
        pytest.param({"172.18.0.2": "a", "172.18.0.3": "b"}, True, id="all"),
        pytest.param({"172.18.0.2": "a", "192.168.0.2": "b"}, False, id="one of two"),
        pytest.param({"172.18.0.2": "x"}, False, id="of another name"),
    ],
)
def test_nodes_of_the_same_names_at_other_addresses(said: dict[str, str], is_refused: bool) -> None:
    """S13: what nodes say of their own addresses holds against the snapshot's Nodes."""
    made = capture(KNOWN, OWN, nodes=said)
    assert map_capture(made, Rules(force=True)).graph.coverage is not None
    if not is_refused:
        map_capture(made)
        return
    with pytest.raises(MismatchError, match=r"other addresses than they said they have \(a, b\)"):
        map_capture(made)


@pytest.mark.parametrize(
    ("unknown", "seen_by", "has_api_server", "is_refused"),
    [
        pytest.param(3, "packets", True, True, id="by packets"),
        pytest.param(3, "conntrack", True, True, id="by conntrack"),
        pytest.param(2, "packets", True, False, id="few"),
        pytest.param(9, "packets", False, False, id="a snapshot of one namespace"),
    ],
)
def test_most_services_that_were_called_are_unknown(
    unknown: int, seen_by: str, has_api_server: bool, is_refused: bool
) -> None:
    """S13: Services come and go unseen, but not most of them; of one namespace it is no sign."""
    name, namespace = ("kubernetes", "default") if has_api_server else ("other", "app")
    known = snapshot(*OBJECTS, service(name, "10.96.0.1", 443, namespace=namespace))
    seen, lines = [], []
    for number in range(unknown):
        virtual = f"10.43.0.{number + 1}:80"
        if seen_by == "packets":
            seen += call(f"{WEB}:{number + 1}", virtual, number, isn=number + 1)
            seen += call(f"{WEB}:{number + 1}", f"{API}:80", number + 0.1, isn=number + 1)
        lines.append(entry(f"{WEB}:{number + 1}", virtual, f"{API}:80"))
    dumps = [conntrack(*lines)] if seen_by == "conntrack" else []
    made = capture(known, recording(seen or OWN_CALLS, "a"), dumps=dumps)
    assert map_capture(made, Rules(force=True)).graph.coverage is not None
    if not is_refused:
        map_capture(made)
        return
    with pytest.raises(MismatchError, match=rf"knows 0 of the {unknown} Service addresses"):
        map_capture(made)


def test_two_clusters_in_one_directory() -> None:
    """S13: both clusters use the same addresses, of pods and of nodes."""
    (found,) = open_captures([FIXTURES / "cases" / "two-clusters" / "capture"], None, ReadOptions())
    with pytest.raises(MismatchError, match=r"ip-10-0-0-a\.pcap.*--force"):
        map_capture(found)
    assert Path(found.files[0].file).name == "ip-10-0-0-a.pcap"

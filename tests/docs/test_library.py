"""The names that the package offers to other programs."""

import pytest

import otterize_pcap
from otterize_pcap import diff_graphs, graph_capture, load_snapshot, merge_graphs, open_captures
from tests.conftest import FIXTURES


@pytest.mark.parametrize("name", otterize_pcap.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    """A name that is offered is there, and says what it is."""
    found = getattr(otterize_pcap, name)
    assert isinstance(found, str) or found.__doc__


def test_unknown_name_is_an_attribute_error() -> None:
    """Loading on demand hides no mistake."""
    with pytest.raises(AttributeError, match="module 'otterize_pcap' has no attribute 'nonsense'"):
        _ = otterize_pcap.nonsense


def test_maps_a_recorded_capture() -> None:
    """What the package's docstring shows gives the tutorial's map."""
    captures = open_captures([FIXTURES / "tutorial-before"])
    graph = merge_graphs([graph_capture(capture) for capture in captures])
    assert [(call.client.name, call.server.name) for call in graph.calls] == [
        ("checkout", "kafka"),
        ("kafka", "zookeeper"),
    ]
    assert diff_graphs(graph, graph).is_empty


def test_snapshot_may_be_given_apart() -> None:
    """Pcap files and a snapshot of their own are a capture as well."""
    folder = FIXTURES / "tutorial-before"
    files = sorted((folder / "pcap").glob("*.pcap*"))
    captures = open_captures(files, [folder / "snapshot.json"])
    alone = load_snapshot([folder / "snapshot.json"])
    assert set(captures[0].snapshot.tenures) == set(alone.tenures)
    assert len(graph_capture(captures[0]).calls) == 2

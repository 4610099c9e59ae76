"""What the summary says of nodes of which nothing was recorded."""

import pytest

from otterize_pcap.graph.service_graph import Coverage
from tests.cluster_builder import call, mapped, pod, recording, snapshot

SEEN = call("10.1.0.1:5", "10.1.0.2:80")


def notes(name: str, *objects: dict[str, object]) -> tuple[str, ...]:
    """The notes about nodes where one file was recorded, by its name."""
    pods = (pod("one", "10.1.0.1"), pod("two", "10.1.0.2"))
    coverage = mapped(snapshot(*pods, *objects), recording(SEEN, name)).graph.coverage
    assert isinstance(coverage, Coverage)
    return tuple(note for note in coverage.notes if note.startswith("nothing was recorded"))


@pytest.mark.parametrize(
    ("name", "finished", "expected"),
    [
        pytest.param(
            "a",
            None,
            ("nothing was recorded on b: what pods there said to each other is missing",),
            id="a node with pods",
        ),
        pytest.param("a", -50, (), id="a node whose pods had ended"),
        pytest.param("trace", None, (), id="a file that is named after no node"),
    ],
)
def test_nodes_without_a_recording(
    name: str, finished: float | None, expected: tuple[str, ...]
) -> None:
    """S13: a node with pods and no recording is named, where files are named after nodes."""
    phase = "Running" if finished is None else "Succeeded"
    other = pod("other", "10.1.1.3", node="b", finished=finished, phase=phase)
    assert notes(name, other) == expected

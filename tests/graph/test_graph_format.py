"""Graph JSON, and the schemas of all that is printed as JSON."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.compare.check import check_graph
from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.errors import GraphFormatError
from otterize_pcap.graph import graph_format
from otterize_pcap.graph.graph_format import decode_graph, encode_graph, is_graph_json
from otterize_pcap.graph.service_graph import ServiceGraph
from otterize_pcap.render import calls_json, comparison_json
from tests.conftest import FIXTURES, Otterize
from tests.strategies import coverages, graphs, laws

SCHEMAS = {
    "graph": graph_format.json_schema,
    "calls": calls_json.json_schema,
    "diff": comparison_json.diff_schema,
    "check": comparison_json.check_schema,
}


@laws
@given(graphs(coverage=st.none() | coverages))
def test_graph_json_is_lossless(graph: ServiceGraph) -> None:
    """What is read again is the same graph, coverage and evidence included."""
    text = encode_graph(graph)
    assert is_graph_json(text.encode())
    assert decode_graph(text.encode(), "x") == graph


@laws
@given(graphs(coverage=st.none() | coverages), graphs())
def test_every_json_fits_its_schema(graph: ServiceGraph, other: ServiceGraph) -> None:
    """All that is printed as JSON is what its schema says, for any graph."""
    printed = {
        "graph": encode_graph(graph),
        "calls": calls_json.render_rows(graph),
        "diff": comparison_json.render_diff_json(diff_graphs(other, graph)),
        "check": comparison_json.render_check_json(check_graph(graph, other)),
    }
    for name, text in printed.items():
        jsonschema.Draft202012Validator(SCHEMAS[name]()).validate(json.loads(text))


def changed(**fields: Any) -> bytes:  # noqa: ANN401 - any JSON
    """An empty graph with other values in some fields."""
    whole = {"format": "otterize-graph", "version": 1, "calls": [], "coverage": None}
    return json.dumps({**whole, **fields}).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(changed(version=2), "graph version 2 is newer than this tool", id="newer"),
        pytest.param(changed(calls=[{}]), "broken graph JSON (Object missing", id="no call"),
        pytest.param(changed()[:-1], "broken graph JSON (Input data was truncated)", id="cut"),
        pytest.param(
            changed(
                calls=[],
                coverage={
                    "files": [],
                    "nodes": [
                        {"name": "", "status": "", "reason": None, "start": "x", "end": None}
                    ],
                    "connections": {},
                    "skipped": {},
                    "notes": [],
                },
            ),
            "broken graph JSON (Invalid isoformat string: 'x')",
            id="no time",
        ),
    ],
)
def test_broken_graph_json_is_one_error(content: bytes, said: str) -> None:
    """The error names the file and what to do."""
    with pytest.raises(GraphFormatError) as caught:
        decode_graph(content, "old.json")
    assert str(caught.value).startswith(f"old.json: {said}")


def test_newer_fields_are_passed_over() -> None:
    """What a newer writer of the same version adds does not disturb."""
    assert decode_graph(changed(colour="red"), "x") == ServiceGraph()


def test_graph_json_of_a_capture_diffs_and_checks_like_it(otterize: Otterize) -> None:
    """`diff`, `check` and `graph` read what `list --format graph` wrote."""
    before, after = FIXTURES / "tutorial-before", FIXTURES / "tutorial-after"
    for capture, name in ((before, "before.json"), (after, "after.json")):
        written = otterize("intents", "list", capture, "--format", "graph", "-o", name, "-q")
        assert written.returncode == 0, written.stderr
    direct = otterize("diff", before, after, "-q")
    assert otterize("diff", "before.json", "after.json", "-q").stdout == direct.stdout
    assert otterize("diff", "before.json", before, "-q").returncode == 0
    assert otterize("check", after, "--allow", "before.json", "-q").returncode == 1
    drawn = otterize("graph", after, "-q").stdout
    assert otterize("graph", "after.json", "-q").stdout == drawn

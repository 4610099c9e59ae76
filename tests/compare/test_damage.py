"""Whatever is damaged or lost of a capture, no gate takes it for a pass and no call for gone."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.cli.name_notes import name_lines
from otterize_pcap.cli.summary import summary_lines
from otterize_pcap.compare.check import check_graph
from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.compare.thresholds import (
    Thresholds,
    ungrounded,
    unmet_thresholds,
    unresolved_share,
)
from otterize_pcap.errors import OtterizeError
from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.damage import is_damaged
from otterize_pcap.graph.fate import FateKind
from otterize_pcap.graph.service_graph import Call, Coverage, ServiceGraph
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.identity import NamedBy
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.resolve.resolution import NODE_CLIENT
from tests.compare.damage import (
    SNAPSHOT,
    Damage,
    fields_of,
    files_of,
    nodes_of,
    objects_of,
    record_ends,
)
from tests.conftest import FIXTURES

BY_MAKERS = Rules(owner=NamedBy.NEAREST)
EXAMPLES = int(os.environ.get("DAMAGE_EXAMPLES", "20"))
damages = settings(max_examples=EXAMPLES)
CAPTURES = sorted(
    path.parent
    for path in FIXTURES.rglob(SNAPSHOT)
    if (path.parent / "pcap").is_dir() and path.stat().st_size < 60_000
)


@dataclass(frozen=True, slots=True)
class Gate:
    """A capture as it was, and the strictest gate that it meets."""

    graph: ServiceGraph
    thresholds: Thresholds

    def unmet(self, graph: ServiceGraph) -> bool:
        """Whether a graph does not show enough (exit code 6)."""
        assert graph.coverage is not None
        return bool(
            is_damaged(graph.coverage)
            or ungrounded((graph,)) is not None
            or list(unmet_thresholds(graph.coverage, self.thresholds))
        )


@cache
def gate_of(source: Path) -> Gate | None:
    """The gate of a fixture; None for one that is refused as it is."""
    try:
        graph = read(source)
    except OtterizeError:
        return None
    assert graph.coverage is not None
    nodes = {file.node for file in graph.coverage.files if file.node and file.packets}
    share = unresolved_share(graph.coverage)
    gate = Gate(graph, Thresholds(share, frozenset(nodes)))
    return None if gate.unmet(graph) else gate


def read(source: Path) -> ServiceGraph:
    """The graph of a directory, named as gates name it."""
    [capture] = open_captures([source])
    return graph_capture(capture, BY_MAKERS)


def damaged(source: Path, damage: Damage) -> ServiceGraph | None:
    """The graph of a damaged copy; None where it is an error, which is no pass either."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "capture"
        damage.apply(source, target)
        try:
            return read(target)
        except OtterizeError:
            return None


def said(graph: ServiceGraph) -> Iterator[str]:
    """What stderr says of a graph, without the numbers and names of files."""
    assert graph.coverage is not None
    lines = [*summary_lines(graph.coverage, verbose=False), *name_lines([graph], verbose=False)]
    for line in lines:
        yield re.sub(r"/\S+/|[0-9.:TZ-]+", "", line)


def not_shown(coverage: Coverage) -> int:
    """How many connections the summary counts that are no calls."""
    return sum(count for fate, count in coverage.connections if fate.kind is not FateKind.RESOLVED)


def by_a_node(call: Call, coverage: Coverage) -> bool:
    """Whether a node calls this call's server, as kubelets do to probe it.

    Once the snapshot lacks a pod with its node's address, or what makes the API server a client,
    `check` cannot tell its calls from probes; `diff` can, from the capture before.
    """
    return any(
        one.fate == NODE_CLIENT and (one.servers is None or call.server in one.servers)
        for one in coverage.undecided
    )


def require_law(source: Path, damage: Damage) -> None:
    """Hold the three laws against one damage.

    No call is removed; a check that failed, since one of its calls is not declared, fails still;
    and where a call is no longer seen, nor another in its place, more is said than before or more
    is not resolved.
    """
    gate = gate_of(source)
    hurt = None if gate is None else damaged(source, damage)
    if gate is None or hurt is None:
        return
    found = diff_graphs(gate.graph, hurt)
    assert found.removed == ()
    assert hurt.coverage is not None
    assert gate.graph.coverage is not None
    for undeclared in gate.graph.calls:
        declared = replace(
            gate.graph, calls=tuple(call for call in gate.graph.calls if call != undeclared)
        )
        if not by_a_node(undeclared, hurt.coverage):
            assert check_graph(hurt, declared).violations or gate.unmet(hurt), undeclared
    if found.not_seen and not found.added:
        more = set(said(hurt)) - set(said(gate.graph))
        assert more or not_shown(hurt.coverage) > not_shown(gate.graph.coverage)


def objects(source: Path) -> st.SearchStrategy[Damage]:
    """One object of the snapshot is missing."""
    return st.sampled_from(objects_of(source)).map(lambda path: Damage(SNAPSHOT, path=path))


def fields(source: Path) -> st.SearchStrategy[Damage]:
    """One field of an object is missing."""
    return st.sampled_from(fields_of(source)).map(lambda path: Damage(SNAPSHOT, path=path))


def files(source: Path) -> st.SearchStrategy[Damage]:
    """One file is missing."""
    return st.sampled_from(files_of(source)).map(Damage)


def nodes(source: Path) -> st.SearchStrategy[Damage]:
    """All files of a node are missing."""
    return st.sampled_from(nodes_of(source)).map(lambda node: Damage(node[0], others=node[1:]))


@st.composite
def tails(draw: st.DrawFn, source: Path) -> Damage:
    """One file ends too early, or in zeros, within a record or behind one.

    A pcap that ends behind a record is a whole one of fewer packets, which only a manifest tells.
    """
    file = draw(
        st.sampled_from([file for file in files_of(source) if (source / file).stat().st_size])
    )
    content = (source / file).read_bytes()
    ends = record_ends(content) if file.startswith("pcap") else []
    whole = bool(ends) and draw(st.booleans())
    keep = draw(st.sampled_from(ends) if whole else st.integers(0, len(content) - 1))
    promised = (source / "manifest.json").exists()
    zeroed = bool(ends) and ((keep in ends and not promised) or draw(st.booleans()))
    return Damage(file, keep=keep, zeros=len(content) - keep if zeroed else 0)


@damages
@given(st.data())
def test_lost_object_takes_no_call_away(data: st.DataObject) -> None:
    """A snapshot without one of its objects: a pod, a node, a Service, an owner."""
    source = data.draw(st.sampled_from(CAPTURES))
    require_law(source, data.draw(objects(source)))


@damages
@given(st.data())
def test_lost_field_takes_no_call_away(data: st.DataObject) -> None:
    """A snapshot in which one object lacks one field, or one entry of a list."""
    source = data.draw(st.sampled_from(CAPTURES))
    require_law(source, data.draw(fields(source)))


@damages
@given(st.data())
def test_lost_file_takes_no_call_away(data: st.DataObject) -> None:
    """A capture without a recording, the manifest, or what was saved of a node."""
    source = data.draw(st.sampled_from(CAPTURES))
    require_law(source, data.draw(files(source)))


@damages
@given(st.data())
def test_lost_node_takes_no_call_away(data: st.DataObject) -> None:
    """A capture without anything of one node but its name in the manifest and the snapshot."""
    source = data.draw(st.sampled_from([source for source in CAPTURES if nodes_of(source)]))
    require_law(source, data.draw(nodes(source)))


@damages
@given(st.data())
def test_lost_tail_takes_no_call_away(data: st.DataObject) -> None:
    """A capture of which one file was cut, or ends in zeros as after a node's crash."""
    source = data.draw(st.sampled_from(CAPTURES))
    require_law(source, data.draw(tails(source)))


@pytest.mark.parametrize("file", ["pcap/node-a.pcap", "pcap/node-b.pcap"])
@pytest.mark.parametrize("scenario", ["fargate", "webhooks", "webhooks-static"])
def test_only_recording_of_a_call_is_lost(scenario: str, file: str, tmp_path: Path) -> None:
    """Pods on virtual nodes, and the API server, show on their peers' node alone."""
    copy = tmp_path / "capture"
    Damage(file).apply(FIXTURES / scenario, copy)
    manifest = json.loads((copy / "manifest.json").read_bytes())
    for node in manifest["nodes"]:
        if node["name"] == Path(file).stem:
            node["status"], node["reason"] = "failed", "lost"
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert diff_graphs(read(FIXTURES / scenario), read(copy)).removed == ()

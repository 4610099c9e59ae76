"""Recorded clusters: the mapper finds every call that was made, and no other.

Each fixture with a `truth.json` was recorded by the lab, whose scenario wrote the truth by hand;
`scripts/lab/README.md` says what its keys mean.
"""

import json
import shutil
import struct
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from otterize_pcap.addresses import parse_network
from otterize_pcap.cli.summary import summary_lines
from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.errors import OtterizeError
from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.fate import Fate, FateKind
from otterize_pcap.graph.generated_names import has_generated_name
from otterize_pcap.graph.service_graph import External, ServiceGraph, Workload
from otterize_pcap.resolve.build_graph import (
    HIDDEN_DNS,
    HIDDEN_EXTERNAL,
    HIDDEN_ONE_WAY,
    Inclusion,
)
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.identity import NamedBy
from otterize_pcap.resolve.map_capture import MappedCapture, graph_capture, map_capture
from otterize_pcap.resolve.naming_notes import workloads_of
from otterize_pcap.resolve.resolution import (
    AMBIGUOUS,
    CHANGED_HANDS,
    EXTERNAL_CLIENT,
    NO_POD,
    NODE_CLIENT,
    NODE_SERVER,
    UNDIRECTED,
    UNKNOWN_PRIVATE,
    Unresolved,
)
from otterize_pcap.table.read import ReadOptions
from tests.conftest import FIXTURES
from tests.lab.views import RECORDED, believed, copy_view, snapshot_files, unknown, uplink_of

Edge = tuple[str, str, str, str, str, str, str, str, str, int]

RECORDINGS = sorted(path.parent for path in FIXTURES.glob("*/truth.json"))
# Captures and snapshots that do not belong together are an error, not a graph.
REFUSED = [
    path for path in RECORDINGS if "refused" in json.loads((path / "truth.json").read_text())
]
SCENARIOS = [path for path in RECORDINGS if path not in REFUSED]
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
PCAP_HEADER = 24

UNANSWERED = Fate(FateKind.HIDDEN, "unanswered")
RESET = Fate(FateKind.HIDDEN, "refused")

# What a scenario says of packets that are no call → the fates that say the same.
FATES: dict[str, set[Fate]] = {
    "unresolved: node": {NODE_CLIENT, NODE_SERVER},
    "unanswered": {UNANSWERED, HIDDEN_ONE_WAY},
    # Its node says that there is no such host (ICMP): refused, within the slack of who was there.
    "unanswered; nobody has the address": {UNANSWERED, RESET, AMBIGUOUS, NO_POD},
    "refused": {RESET},
    "probed": {Fate(FateKind.HIDDEN, "probed")},
    "external-source": {EXTERNAL_CLIENT},
    "cluster-dns": {HIDDEN_DNS},
    "unknown-private": {UNKNOWN_PRIVATE},
    "undirected": {UNDIRECTED},
    "unresolved: the address changed hands after the snapshot": {CHANGED_HANDS},
    "unresolved: it was another's call before the address changed hands": {AMBIGUOUS, NO_POD},
}
# Of these no packet and no connection of its own exists, so nothing is counted.
NOTHING = {
    "closed before the capture",
    "a terminating proxy is between",
    "lookup only",
    "two connections of a relay",
    "inside a tunnel that a pod made",
    "the answers to vm-a's call",
    "the answers to wonderer's call",
}


@cache
def truth(scenario: Path) -> dict[str, Any]:
    """What really happened."""
    read: dict[str, Any] = json.loads((scenario / "truth.json").read_text(encoding="utf-8"))
    return read


def opened(scenario: Path, directory: Path | None = None) -> Capture:
    """A scenario's recording, or a copy of it elsewhere, with the snapshot that it has."""
    where = directory or scenario
    snapshots = snapshot_files(truth(scenario), where)
    return open_captures([where], snapshots, ReadOptions())[0]


@cache
def mapped(scenario: Path) -> MappedCapture:
    """The capture of all interfaces of all nodes, every connection looked at."""
    return map_capture(opened(scenario))


def edges(graph: ServiceGraph) -> set[Edge]:
    """A graph's calls between workloads, port by port."""
    return {
        (
            *identity_of(call.client),
            *identity_of(call.server),
            use.protocol,
            use.port,
        )
        for call in graph.calls
        if isinstance(call.server, Workload)
        for use in call.uses
    }


def identity_of(workload: Workload) -> tuple[str, str, str, str]:
    """A workload's key, its API group included (S7)."""
    return workload.name, workload.namespace, workload.kind, workload.group


def edge(entry: dict[str, Any]) -> Edge:
    """An edge of `truth.json` in the same form."""
    client, server = entry["client"], entry["server"]
    return (
        *(client["name"], client["namespace"], client["kind"], client.get("group", "")),
        *(server["name"], server["namespace"], server["kind"], server.get("group", "")),
        entry["protocol"],
        entry["port"],
    )


def true_edges(scenario: Path, *uplink: str) -> set[Edge]:
    """The edges of the truth; with `uplink`, only those that it says are seen there."""
    return {
        edge(entry) for entry in truth(scenario)["edges"] if not uplink or entry["uplink"] in uplink
    }


def bearable_edges(scenario: Path, view: str = RECORDED) -> set[Edge]:
    """The true edges, and those that in this view no packet contradicts."""
    entries = truth(scenario)["notEdges"]
    return true_edges(scenario) | {edge(entry) for entry in entries if believed(entry, view)}


def known_edges(scenario: Path, view: str = RECORDED) -> set[Edge]:
    """The true edges that can be known in a view."""
    return {edge(entry) for entry in truth(scenario)["edges"] if not unknown(entry, view)}


@each_scenario
def test_edges_are_the_true_ones(scenario: Path) -> None:
    """S10 to S51: from all nodes' `-i any`, the calls that were made and no other."""
    found = edges(mapped(scenario).graph)
    assert found <= true_edges(scenario)
    assert found >= known_edges(scenario)


@pytest.mark.parametrize(
    ("scenario", "view"),
    [(path, view) for path in SCENARIOS for view in truth(path).get("views", ())],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_views_show_what_can_be_known(scenario: Path, view: str, tmp_path: Path) -> None:
    """S10 to S51: with less recorded, all that can still be known, and nothing false."""
    capture = opened(scenario, copy_view(scenario, view, tmp_path))
    found = edges(map_capture(capture).graph)
    assert found <= bearable_edges(scenario, view)
    assert found >= known_edges(scenario, view)


@pytest.mark.parametrize("scenario", REFUSED, ids=lambda path: path.name)
def test_captures_and_snapshots_that_do_not_belong_together_are_refused(scenario: Path) -> None:
    """S13: two clusters, or another cluster's snapshot, are an error."""
    with pytest.raises(OtterizeError):
        map_capture(opened(scenario))


@pytest.mark.parametrize(
    "scenario",
    [path for path in SCENARIOS if "snapshots" in truth(path)],
    ids=lambda path: path.name,
)
def test_order_of_snapshot_files_changes_nothing(scenario: Path) -> None:
    """S61: two states of one object are the same two in any order of their files."""
    files = snapshot_files(truth(scenario), scenario)
    assert files is not None
    turned = open_captures([scenario], files[::-1], ReadOptions())[0]
    assert map_capture(turned).graph == mapped(scenario).graph


@each_scenario
def test_shortest_way_finds_the_true_edges(scenario: Path) -> None:
    """S10 to S51: grouping plain connections gives the same graph."""
    capture = opened(scenario)
    assert graph_capture(capture) == mapped(scenario).graph


@each_scenario
def test_services_are_kept(scenario: Path) -> None:
    """S21: a call names the Service it went through; without one it names none."""
    found = {
        (call.client.name, server.name, use.protocol, use.port): use.services
        for call in mapped(scenario).graph.calls
        if isinstance(server := call.server, Workload)
        for use in call.uses
    }
    for entry in truth(scenario)["edges"]:
        if unknown(entry):
            continue
        key = (entry["client"]["name"], entry["server"]["name"], entry["protocol"], entry["port"])
        names = {name.partition(".")[0] for name in found[key]}
        if entry["service"] is not None:
            assert entry["service"] in names
        elif sum(edge(entry) == edge(other) for other in truth(scenario)["edges"]) == 1:
            assert not names


@pytest.mark.parametrize(
    "scenario",
    [path for path in SCENARIOS if any("rule" in entry for entry in truth(path)["edges"])],
    ids=lambda path: path.name,
)
def test_direction_is_known_by_the_rule_that_the_scenario_means(scenario: Path) -> None:
    """S30 to S35: without a handshake, each edge has the one rule that can tell."""
    found = {
        edge: [rule for rule, _ in use.rules]
        for call in mapped(scenario).graph.calls
        for use in call.uses
        for edge in edges(ServiceGraph((replace(call, uses=(use,)),)))
    }
    expected = {edge(entry): [entry["rule"]] for entry in truth(scenario)["edges"]}
    assert found == expected


@each_scenario
def test_connections_are_counted_once(scenario: Path) -> None:
    """S20: however often a connection was recorded, it is one; two that share a tuple are two."""
    found = {
        key: use.connections
        for call in mapped(scenario).graph.calls
        for use in call.uses
        for key in edges(ServiceGraph((replace(call, uses=(use,)),)))
    }
    for entry in truth(scenario)["edges"]:
        if "connections" in entry:
            assert found[edge(entry)] == entry["connections"]


@each_scenario
def test_what_is_no_call_is_no_edge_and_says_why(scenario: Path) -> None:
    """S12, S14, S40, S45, S50, S51: each attempt that is no call is counted under its reason."""
    counted = dict(mapped(scenario).graph.coverage.connections)  # type: ignore[union-attr]
    for entry in truth(scenario)["notEdges"]:
        assert edge(entry) not in edges(mapped(scenario).graph)
        why = entry["why"]
        if why.startswith("ambiguous: "):
            assert set(why.removeprefix("ambiguous: ").split(" or ")) in candidates(scenario)
        elif why not in NOTHING:
            assert FATES[why] & set(counted), why


def candidates(scenario: Path) -> list[set[str]]:
    """The names between which each ambiguous connection could not be decided."""
    return [
        {workload.name for workload in resolution.candidates}
        for resolution in mapped(scenario).resolutions
        if isinstance(resolution, Unresolved) and resolution.fate == AMBIGUOUS
    ]


@pytest.mark.parametrize(
    "scenario",
    [path for path in SCENARIOS if "hidden" in truth(path)],
    ids=lambda path: path.name,
)
def test_hidden_attempts_are_counted(scenario: Path) -> None:
    """S41: the summary counts the attempts that it hides, by outcome."""
    counted: Counter[str] = Counter()
    for fate, connections in mapped(scenario).graph.coverage.connections:  # type: ignore[union-attr]
        if fate.kind is FateKind.HIDDEN:
            plain = "unanswered" if fate == HIDDEN_ONE_WAY else fate.reason
            counted[plain] += connections
    expected = dict(truth(scenario)["hidden"])
    assert sum(counted.values()) == expected.pop("attempts")
    assert counted == expected


@each_scenario
def test_external_calls_are_counted_and_hidden(scenario: Path) -> None:
    """S50: calls that leave the cluster are counted, none is shown by default."""
    counted = dict(mapped(scenario).graph.coverage.connections)  # type: ignore[union-attr]
    assert counted.get(HIDDEN_EXTERNAL, 0) == len(truth(scenario)["external"])


@each_scenario
def test_external_calls_go_by_their_names(scenario: Path) -> None:
    """S50: with `--internet` each has the name that its client can have known, or its address."""
    snapshots = snapshot_files(truth(scenario), scenario)
    capture = open_captures([scenario], snapshots, ReadOptions(collect_names=True))[0]
    graph = map_capture(capture, Rules(inclusion=Inclusion(internet=True))).graph
    found = {
        (call.client.name, call.server.name, use.port)
        for call in graph.calls
        if isinstance(call.server, External)
        for use in call.uses
    }
    assert found == {
        (entry["client"]["name"], entry.get("name", entry["address"]), entry["port"])
        for entry in truth(scenario)["external"]
    }


def uplink_capture(scenario: Path, directory: Path, *, conntrack: bool) -> Capture:
    """What the nodes' uplinks alone recorded, with or without the conntrack dumps."""
    shutil.copytree(scenario, directory / "uplink", ignore=shutil.ignore_patterns("pcap"))
    shutil.copytree(uplink_of(scenario), directory / "uplink" / "pcap")
    capture = opened(scenario, directory / "uplink")
    return capture if conntrack else Capture(replace(contents_of(capture), dumps=()))


@each_scenario
@pytest.mark.parametrize("conntrack", [False, True], ids=["packets", "conntrack"])
def test_uplink_alone_shows_no_false_edge(scenario: Path, conntrack: bool, tmp_path: Path) -> None:
    """S20, S25: between two nodes every true edge, within one rightly none, and no other."""
    found = edges(map_capture(uplink_capture(scenario, tmp_path, conntrack=conntrack)).graph)
    words = ("yes", "conntrack") if conntrack else ("yes",)
    view = "uplink" if conntrack else "uplink+no-conntrack"
    assert found >= true_edges(scenario, *words) & known_edges(scenario, view)
    assert found <= bearable_edges(scenario, view)


@pytest.mark.parametrize(
    "scenario",
    [path for path in SCENARIOS if "opensWith" in truth(path)],
    ids=lambda path: path.name,
)
def test_closed_tunnels_are_named_and_opened(scenario: Path, tmp_path: Path) -> None:
    """S25: the summary names what was left closed; the option shows every call inside."""
    closed = map_capture(uplink_capture(scenario, tmp_path, conntrack=False)).graph
    assert closed.coverage is not None
    option, *ranges = truth(scenario)["opensWith"]
    assert any("left closed" in note and option in note for note in closed.coverage.notes)
    options = ReadOptions(tunnel_endpoints=tuple(map(parse_network, ranges)))
    (capture,) = open_captures([tmp_path / "uplink"], None, options)
    assert edges(map_capture(capture).graph) == true_edges(scenario, "yes")


@pytest.mark.parametrize(
    "scenario",
    [path for path in SCENARIOS if "summary" in truth(path)],
    ids=lambda path: path.name,
)
def test_summary_says_it_without_being_asked(scenario: Path) -> None:
    """What could have been a call and was not counted stands in the summary, with its reason."""
    coverage = mapped(scenario).graph.coverage
    assert coverage is not None
    assert truth(scenario)["summary"] in "\n".join(summary_lines(coverage, verbose=False))


@each_scenario
@pytest.mark.parametrize("conntrack", [False, True], ids=["packets", "conntrack"])
def test_uplink_graph_is_the_same_the_shortest_way(
    scenario: Path, conntrack: bool, tmp_path: Path
) -> None:
    """Grouping plain connections changes nothing where NAT is seen from one side only."""
    capture = uplink_capture(scenario, tmp_path, conntrack=conntrack)
    assert graph_capture(capture) == map_capture(capture).graph


@each_scenario
def test_order_of_recordings_changes_nothing(scenario: Path) -> None:
    """S61: the order in which nodes are read makes no difference."""
    contents = contents_of(opened(scenario))
    turned = replace(
        contents,
        recordings=contents.recordings[::-1],
        dumps=contents.dumps[::-1],
    )
    assert map_capture(Capture(turned)).graph == mapped(scenario).graph


def split_pcap(path: Path, parts: int) -> None:
    """Replace a pcap file by parts of it, as `tcpdump -C` writes them."""
    content = path.read_bytes()
    order = "<" if content[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    records = list(pcap_records(content, order))
    share = -(-len(records) // parts)
    for number in range(parts):
        part = records[number * share : (number + 1) * share]
        path.with_name(f"{path.stem}.{number}.pcap").write_bytes(
            content[:PCAP_HEADER] + b"".join(part)
        )
    path.unlink()


def pcap_records(content: bytes, order: str) -> Iterable[bytes]:
    """The records of a pcap file, headers included."""
    position = PCAP_HEADER
    while position < len(content):
        (captured,) = struct.unpack_from(f"{order}I", content, position + 8)
        yield content[position : position + 16 + captured]
        position += 16 + captured


@each_scenario
@pytest.mark.parametrize("parts", [2, 5])
def test_splitting_files_changes_no_call(scenario: Path, parts: int, tmp_path: Path) -> None:
    """S61: a recording in several files is the recording that it was in one."""
    shutil.copytree(scenario, tmp_path / "split")
    for path in (tmp_path / "split" / "pcap").iterdir():
        split_pcap(path, parts)
    graph = map_capture(opened(scenario, tmp_path / "split")).graph
    assert without_evidence(graph) == without_evidence(mapped(scenario).graph)


def without_evidence(graph: ServiceGraph) -> list[object]:
    """Calls without file names and packet numbers, which depend on the files."""
    return [
        (call.client, call.server, [replace(use, evidence=None) for use in call.uses])
        for call in graph.calls
    ]


def with_key(key: str) -> pytest.MarkDecorator:
    """The scenarios whose truth says something under a key of its own."""
    found = [path for path in SCENARIOS if key in truth(path)]
    return pytest.mark.parametrize("scenario", found, ids=lambda path: path.name)


@with_key("nearest")
def test_nearest_owner_tells_sets_of_pods_apart(scenario: Path) -> None:
    """S2: with `--owner nearest` each set of pods that a controller made is a workload."""
    graph = map_capture(opened(scenario), Rules(owner=NamedBy.NEAREST)).graph
    assert edges(graph) == {edge(entry) for entry in truth(scenario)["nearest"]}


@with_key("merged")
def test_merged_sets_are_in_the_notes(scenario: Path) -> None:
    """S2: the summary says which sets of pods a custom resource's name merges."""
    coverage = mapped(scenario).graph.coverage
    assert coverage is not None
    notes = [note for note in coverage.notes if "is one name for" in note]
    merged = truth(scenario)["merged"]
    assert len(notes) == len(merged)
    for name, sets in merged.items():
        [note] = [note for note in notes if f" {name} is one name for {len(sets)} sets" in note]
        assert f": {', '.join(sorted(sets))}; " in note


@each_scenario
def test_coverage_is_the_same_without_the_calls(scenario: Path) -> None:
    """Who asks for no calls is told the same of what became of connections."""
    assert map_capture(opened(scenario)).coverage == mapped(scenario).graph.coverage


@with_key("generatedNames")
def test_generated_names_are_those_that_nothing_makes_stable(scenario: Path) -> None:
    """S3: of all names only those are listed as generated."""
    found = {
        identity_of(workload)
        for workload in workloads_of(mapped(scenario).graph.calls)
        if has_generated_name(workload)
    }
    listed = truth(scenario)["generatedNames"]
    assert found == {
        (each["name"], each["namespace"], each["kind"], each.get("group", "")) for each in listed
    }


def test_the_next_day_differs_only_in_the_name_that_nothing_makes_stable() -> None:
    """S3: rollouts, ticks, revisions and versions of an operator are no difference."""
    first, second = (mapped(FIXTURES / name).graph for name in ("names-first", "names-second"))
    found = diff_graphs(first, second)
    assert [call.client.name for call in found.removed] == ["adhoc-x7k2p"]
    assert [call.client.name for call in found.added] == ["adhoc-b4m9q"]
    assert not found.changed
    assert not found.not_seen


def test_image_names_of_jobs() -> None:
    """S6: with `--image-name-for-jobs` an orphan Job goes by its image."""
    scenario = FIXTURES / "identity"
    entry = next(entry for entry in truth(scenario)["edges"] if "clientImageName" in entry)
    capture = open_captures([scenario], None, ReadOptions())[0]
    graph = map_capture(capture, Rules(image_name_for_jobs=True)).graph
    clients = {call.client.name for call in graph.calls}
    assert entry["clientImageName"] in clients
    assert entry["client"]["name"] not in clients

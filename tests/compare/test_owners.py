"""What is found depends on the calls, not on which owners a snapshot happens to hold (S2, S3)."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.api_groups import BUILT_IN_KINDS
from otterize_pcap.compare.check import check_graph
from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.service_graph import Call, ServiceGraph
from otterize_pcap.intents.read_intents import parse_intents
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.identity import NamedBy
from otterize_pcap.resolve.map_capture import graph_capture
from tests.conftest import FIXTURES, Otterize
from tests.strategies import laws

UMBRELLA = FIXTURES / "cases" / "umbrella-owner-hides-calls"
KNATIVE = FIXTURES / "cases" / "kind-without-group" / "knative-full-1"
CAPTURES = [
    *(UMBRELLA / name for name in ("strimzi-1-old", "strimzi-1-new")),
    *(FIXTURES / name for name in ("umbrella-owners", "tutorial-before", "two-nodes")),
    FIXTURES / "cases" / "unstable-names" / "dc-recommended-3",
    FIXTURES / "cases" / "unstable-names" / "rollout-podsonly-r1",
]
ADDRESSED = ("Pod", "Service", "EndpointSlice", "Endpoints", "Node", "Namespace")
"""Kinds that say who has which address; all others are owners."""


def read(source: Path) -> ServiceGraph:
    """A capture as check and diff name it."""
    [capture] = open_captures([source])
    return graph_capture(capture, Rules(owner=NamedBy.NEAREST))


read_whole = cache(read)


def owners_of(source: Path) -> list[int]:
    """The places of a snapshot's owners."""
    items = json.loads((source / "snapshot.json").read_bytes())["items"]
    return [place for place, item in enumerate(items) if item["kind"] not in ADDRESSED]


def read_without(source: Path, absent: set[int]) -> ServiceGraph:
    """The same traffic with a snapshot that lacks some objects."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "capture"
        copy.mkdir()
        for entry in source.iterdir():
            (copy / entry.name).symlink_to(entry)
        (copy / "snapshot.json").unlink()
        document = json.loads((source / "snapshot.json").read_bytes())
        kept = [one for place, one in enumerate(document["items"]) if place not in absent]
        (copy / "snapshot.json").write_text(json.dumps({**document, "items": kept}))
        return read(copy)


@laws
@given(st.data())
def test_owners_change_no_finding(data: st.DataObject) -> None:
    """With any of the owners or none: no difference, and the same calls are declared."""
    source = data.draw(st.sampled_from(CAPTURES))
    absent = data.draw(st.sets(st.sampled_from(owners_of(source) or [-1])))
    whole, part = read_whole(source), read_without(source, absent)
    for old, new in ((whole, part), (part, whole)):
        assert diff_graphs(old, new).is_empty
        assert diff_graphs(old, new).not_seen == ()
    declared = ServiceGraph(whole.calls[1:])
    assert [one.call.client for one in check_graph(part, declared).violations] == [
        one.call.client for one in check_graph(whole, declared).violations
    ]


def test_custom_resources_are_owners_that_kubectl_leaves_out() -> None:
    """The law above is about something: the umbrella's owners are of no built-in kind."""
    items = json.loads((UMBRELLA / "strimzi-1-new" / "snapshot.json").read_bytes())["items"]
    custom = {item["kind"] for item in items} - BUILT_IN_KINDS
    assert {"Kafka", "StrimziPodSet"} <= custom


@pytest.mark.parametrize("new", ["strimzi-0-new", "strimzi-1-new"])
@pytest.mark.parametrize("old", ["strimzi-0-old", "strimzi-1-old"])
def test_new_part_of_an_umbrella_is_seen(old: str, new: str, otterize: Otterize) -> None:
    """ZooKeeper is a workload of its own, with the custom resources in the snapshot or without."""
    done = otterize("diff", UMBRELLA / old, UMBRELLA / new, "--changes-only", "-q")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines == ["  checkout calls:", "    - my-cluster-kafka", "+   - my-cluster-zookeeper"]


def test_check_finds_the_same_with_custom_resources_and_without(otterize: Otterize) -> None:
    """What is declared by the umbrella's name covers no part of it; stderr says so."""
    runs = [
        otterize("check", UMBRELLA / f"strimzi-{crs}-new", "--allow", UMBRELLA / "strimzi.yaml")
        for crs in (0, 1)
    ]
    assert [run.returncode for run in runs] == [1, 1]
    assert runs[0].stdout == runs[1].stdout
    assert "    - my-cluster-zookeeper (TCP 2181)\n" in runs[0].stdout
    assert (
        "note: my-cluster.app (Kafka) is one name for my-cluster-kafka.app (StrimziPodSet), "
        "my-cluster-zookeeper.app (StrimziPodSet), which are compared each by itself; "
        "name these, or compare by owners (--owner root)"
    ) in runs[1].stderr.splitlines()


@pytest.mark.parametrize("owner", ["root", "nearest"])
@pytest.mark.parametrize("turned", [False, True])
def test_saved_graph_of_an_operators_workloads_is_no_difference(
    owner: str, turned: bool, tmp_path: Path, otterize: Otterize
) -> None:
    """Graph JSON by either name is its capture; parts that only the owner names are said to be."""
    capture, saved = UMBRELLA / "strimzi-1-new", tmp_path / "saved.json"
    written = otterize("intents", "list", capture, "--owner", owner, "--format", "graph", "-q")
    saved.write_text(written.stdout)
    done = otterize("diff", *((capture, saved) if turned else (saved, capture)))
    assert done.returncode == 0, done.stdout
    assert ("which are compared as one" in done.stderr) is (owner == "root")
    assert "which are compared each by itself" not in done.stderr
    if not turned:
        assert otterize("check", capture, "--allow", saved).returncode == 0


def test_saved_graph_by_owners_shows_what_is_new(tmp_path: Path, otterize: Otterize) -> None:
    """A call of another client is added, whatever a part of the owner is called."""
    saved = tmp_path / "saved.json"
    written = otterize("intents", "list", UMBRELLA / "strimzi-1-old", "--format", "graph", "-q")
    saved.write_text(written.stdout)
    done = otterize("diff", saved, UMBRELLA / "strimzi-0-new", "-q")
    assert done.returncode == 1
    assert "ports TCP 9092 → TCP 2181, TCP 9092" in done.stdout


def test_owner_of_one_set_of_pods_may_be_declared() -> None:
    """A Deployment's single owner is as good a name for it, whether that was read or is absent."""
    whole = read_whole(FIXTURES / "umbrella-owners")
    single = [
        (one, above)
        for one, above in whole.roots
        if not one.group and sum(other == above for _, other in whole.roots) == 1
    ]
    for one, above in single:
        calls = [call for call in whole.calls if call.server == one]
        declared = ServiceGraph(tuple(Call(call.client, above) for call in calls))
        seen = ServiceGraph(tuple(calls), whole.coverage, roots=whole.roots)
        assert check_graph(seen, declared).violations == ()


def test_generated_makers_are_named_by_what_owns_them() -> None:
    """A Knative revision's Deployment is another at every change; its Service is not."""
    kinds = {call.server.name: call.server for call in read_whole(KNATIVE).calls}
    assert "hello" in kinds


def test_export_of_makers_declares_what_check_sees(otterize: Otterize) -> None:
    """`export --owner nearest` of an operator's workloads is what check compares by."""
    capture = UMBRELLA / "strimzi-1-new"
    exported = otterize("intents", "export", capture, "--owner", "nearest").stdout
    assert parse_intents([("intents.yaml", exported.encode())]).calls
    assert otterize("check", capture, "--allow", "-", stdin=exported.encode()).returncode == 0


def test_owner_that_no_snapshot_has_is_said(otterize: Otterize, tmp_path: Path) -> None:
    """An export has no parts of an owner, and a plain snapshot no owner: nothing is gone."""
    export = tmp_path / "declared.yaml"
    old, new = UMBRELLA / "strimzi-1-old", UMBRELLA / "strimzi-0-old"
    made = otterize("intents", "export", old, "--api-version", "v2beta1", "-o", export)
    assert made.returncode == 0
    said = "note: my-cluster.app (Kafka) may be what owns my-cluster-kafka.app (StrimziPodSet)"
    for command in (("diff", export, new), ("check", new, "--allow", export)):
        done = otterize(*command)
        assert done.returncode == 1
        assert said in done.stderr
        assert not [line for line in done.stdout.splitlines() if line.startswith("-")]

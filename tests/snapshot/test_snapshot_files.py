"""S13, S61: snapshots in the files that people have, in any order."""

import gzip
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.errors import SnapshotError
from otterize_pcap.files import snapshot_files
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.snapshot_files import load_snapshot
from otterize_pcap.resolve.map_capture import map_capture
from otterize_pcap.resolve.notes import left_out_notes
from otterize_pcap.snapshot.odd_fields import OddFields
from otterize_pcap.snapshot.read_objects import read_objects
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.read import ReadOptions
from tests.cluster_builder import NODES, Json, edges, endpoint_slice, pod, service
from tests.conftest import FIXTURES

CASE = FIXTURES / "cases" / "snapshot-files-refused"
ITEMS: list[Json] = [
    pod("client", "10.1.0.1"),
    pod("server", "10.1.0.2"),
    service("server", "10.96.0.1"),
    endpoint_slice("server", ["10.1.0.2"]),
    *NODES,
]
LIST: Json = {"kind": "List", "items": ITEMS}


def described(known: Snapshot) -> str:
    """All that a snapshot holds, but for the names of its files."""
    owners = dict(sorted(known.owners.items()))
    return repr(replace(known, where="", left_out=(), owners=owners))


def streamed(items: Sequence[Json], indent: int | None = None, between: str = "\n") -> bytes:
    """One JSON value after another."""
    return between.join(json.dumps(found, indent=indent) for found in items).encode()


@pytest.mark.parametrize(
    "name",
    ["cat.json", "watch.json", "x.jsonl", "arr.json", "s.json.gz", "mg", "dump", "red2.json"],
)
def test_one_cluster_in_files_of_every_kind(name: str) -> None:
    """Whatever file the cluster is in, the call is found."""
    (capture,) = open_captures([CASE / "pcap" / "node-a.pcap"], [CASE / name], ReadOptions())
    assert edges(map_capture(capture)) == {"web -> db:5432"}


def test_what_was_passed_over_in_a_directory_is_said() -> None:
    """S13: empty files and those without objects in a directory are left out, with a note each."""
    known = load_snapshot([CASE / "mg"])
    assert [Path(text.partition(":")[0]).name for text in known.left_out] == [
        "empty.yaml",
        "version.json",
    ]
    (note,) = left_out_notes(known)
    assert note.startswith("left out of the snapshot: ")


@pytest.mark.parametrize("name", ["mg/empty.yaml", "mg/version.json"])
def test_a_file_that_was_named_is_an_error(name: str) -> None:
    """What a directory may hold is an error where it is all that was given."""
    with pytest.raises(SnapshotError, match=name):
        load_snapshot([CASE / name])


def test_a_directory_of_nothing_is_named(tmp_path: Path) -> None:
    """Where no file is a snapshot, the error names them, of many the first, and a reason."""
    for number in range(20):
        (tmp_path / f"{number:02}.json").write_text("")
    with pytest.raises(SnapshotError) as caught:
        load_snapshot([tmp_path])
    assert str(caught.value).startswith(str(tmp_path / "00.json"))
    assert "07.json and 12 more: no Pods or Services (found nothing; left out: " in str(
        caught.value
    )


def test_pods_without_status_are_said() -> None:
    """kubectl-neat takes the status away, and with it all addresses."""
    known = load_snapshot([CASE / "neat.json"])
    assert list(left_out_notes(known)) == [
        "no pod of the snapshot has an address: was its status left out?"
    ]


STREAMS: dict[str, Callable[[Sequence[Json]], bytes]] = {
    "JSON lines": streamed,
    "kubectl -w": lambda items: streamed(items, indent=4),
    "nothing between": lambda items: streamed(items, between=""),
    "a list": lambda items: json.dumps(list(items)).encode(),
    "lists": lambda items: streamed([{"kind": "List", "items": [each]} for each in items], 4),
    "events": lambda items: streamed([{"type": "ADDED", "object": each} for each in items]),
    "YAML": lambda items: b"---\n" + streamed(items, between="\n---\n"),
    "BOM": lambda items: b"\xef\xbb\xbf" + json.dumps({**LIST, "items": items}).encode(),
    "UTF-16": lambda items: json.dumps({**LIST, "items": items}, indent=4).encode("utf-16"),
}


@pytest.mark.parametrize("write", STREAMS.values(), ids=STREAMS)
def test_streams_hold_what_a_list_does(write: Callable[[Sequence[Json]], bytes]) -> None:
    """The same objects are read from each."""
    expected = parse_snapshot([("x", json.dumps(LIST).encode())])
    found = parse_snapshot([("x", write(ITEMS))])
    assert described(found) == described(expected)
    assert found.left_out == ()


def test_byte_order_mark_needs_no_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON with a byte order mark never goes through the YAML parser, which is 30 times slower."""
    monkeypatch.delattr("otterize_pcap.snapshot.plain_text.load_documents")
    for name in ("BOM", "UTF-16"):
        assert parse_snapshot([("x", STREAMS[name](ITEMS))]).kinds["Pod"] == 2


def test_bookmarks_and_errors_of_a_watch_are_no_objects() -> None:
    """What a watch says of itself is no state of an object."""
    events = [
        {"type": "ADDED", "object": ITEMS[0]},
        {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": "7"}}},
        {"type": "ERROR", "object": {"kind": "Status", "code": 410}},
    ]
    assert parse_snapshot([("x", streamed(events))]).kinds == {"Pod": 1}


def test_an_interrupted_watch_loses_its_last_object() -> None:
    """A watch ends when somebody stops it; the object that it was at is said to be cut off."""
    text = streamed(ITEMS, indent=4)
    whole = text.rindex(b"\n{")
    for end in range(whole + 2, len(text) - 1, 7):
        known = parse_snapshot([("x", text[:end])])
        assert known.kinds == {"EndpointSlice": 1, "Node": 1, "Pod": 2, "Service": 1}
        assert known.left_out == ("x: its last object is cut off",)


def test_a_list_that_was_cut_off_in_a_stream_is_an_error() -> None:
    """Nobody knows how much of a cluster it lost."""
    text = streamed([LIST, LIST], indent=4)
    with pytest.raises(SnapshotError, match="broken or unexpected JSON"):
        parse_snapshot([("x", text[:-20])])


def test_files_may_be_compressed(tmp_path: Path) -> None:
    """Compression is told by content, in a directory and by name."""
    (tmp_path / "a.json").write_bytes(gzip.compress(json.dumps(LIST).encode()))
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(streamed(ITEMS)))
    assert load_snapshot([tmp_path]).kinds["Pod"] == 2
    assert load_snapshot([tmp_path / "a.json"]).kinds["Pod"] == 2


def test_a_compressed_file_that_is_damaged_is_an_error(tmp_path: Path) -> None:
    """Half a snapshot is none."""
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(json.dumps(LIST).encode())[:-20])
    with pytest.raises(SnapshotError, match="the gzip data end early"):
        load_snapshot([path])


def test_what_grows_without_bound_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file may decompress to more than memory holds."""
    monkeypatch.setattr(snapshot_files, "MAX_BYTES", 1 << 20)
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(bytes(3 << 20)))
    with pytest.raises(SnapshotError, match="when decompressed; unpack it first"):
        load_snapshot([path])


def test_one_object_a_file_says_nothing_of_others() -> None:
    """S10: that a file of one pod lacks another does not mean that this one was gone."""
    old, new = (pod(name, "10.1.0.1", ready=at) for name, at in (("old", 5), ("new", 30)))
    known = parse_snapshot([("a", json.dumps(old).encode()), ("b", json.dumps(new).encode())])
    assert len({tenure.interval.end_ns for tenure in known.tenures[_only(known)]}) == 1


def test_pages_of_one_list_are_one_view() -> None:
    """S10: a pod that is on another page of the same list was not gone (`limit`, `continue`)."""
    pages = [
        {"kind": "PodList", "metadata": {"resourceVersion": "7"}, "items": [found]}
        for found in (pod("old", "10.1.0.1", ready=5), pod("new", "10.1.0.1", ready=30))
    ]
    known = parse_snapshot([("x", streamed(pages))])
    assert len({tenure.interval.end_ns for tenure in known.tenures[_only(known)]}) == 1
    later = [pages[0], {**pages[1], "metadata": {"resourceVersion": "8"}}]
    known = parse_snapshot([("x", streamed(later))])
    assert len({tenure.interval.end_ns for tenure in known.tenures[_only(known)]}) == 2


def _only(known: Snapshot) -> bytes:
    (address,) = known.tenures
    return address


def recorded_events() -> list[Json]:
    """What a real API server said of one pod's life, event by event."""
    path = FIXTURES / "k8s-recordings" / "watch-pods-life.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["event"] for line in lines]


@settings(max_examples=25)
@given(order=st.randoms(use_true_random=False), pieces=st.integers(1, 4))
def test_states_in_any_order_are_one_history(order: random.Random, pieces: int) -> None:
    """S61: a pod's states, in any order and in any files, are the same history."""
    events = recorded_events()
    expected = parse_snapshot([("x", streamed(events))])
    assert len(expected.pods) == 2
    order.shuffle(events)
    files = [(str(number), streamed(events[number::pieces])) for number in range(pieces)]
    assert described(parse_snapshot(files)) == described(expected)


def recorded_lists() -> list[Json]:
    """The lists of one real cluster, as its API server sent them."""
    found = []
    for path in sorted((FIXTURES / "k8s-recordings").glob("list-*.json")):
        recorded = json.loads(path.read_text(encoding="utf-8"))
        body = recorded.get("response", recorded).get("body")
        if isinstance(body, dict) and body.get("items"):
            found.append(body)
    return found


@settings(max_examples=10)
@given(order=st.randoms(use_true_random=False))
def test_lists_in_any_order_are_one_snapshot(order: random.Random) -> None:
    """S61: the order of files, and of documents in a file, decides nothing."""
    lists = recorded_lists()
    expected = described(parse_snapshot([("x", streamed(lists))]))
    order.shuffle(lists)
    assert described(parse_snapshot([("x", streamed(lists, indent=2))])) == expected
    files = [(str(number), json.dumps(each).encode()) for number, each in enumerate(lists)]
    assert described(parse_snapshot(files)) == expected


TABLE = (CASE / "pods.txt").read_text(encoding="utf-8")
NODE_TABLE = (CASE / "nodes.txt").read_text(encoding="utf-8")


def test_table_of_pods() -> None:
    """`kubectl get pods -A -o wide` has names, addresses and nodes; what it lacks is said."""
    known = parse_snapshot([("t", TABLE.encode())])
    assert sorted((each.name, each.node, each.host_network) for each in known.pods) == [
        ("db-0", "node-b", False),
        ("job-x8d7f", "node-b", False),
        ("kindnet-8d7fx", "node-a", True),
        ("kube-proxy-vh2vx", "node-a", True),
        ("new-0", "", False),
        ("web-7d9c6b8f5d-abcde", "node-a", False),
    ]
    assert len(known.tenures) == 2
    assert len(known.left_out) == 2
    assert any("without owners, Services" in text for text in known.left_out)


def test_table_of_nodes_tells_who_uses_their_network() -> None:
    """A pod at a node's address alone is known by the table of nodes."""
    alone = "\n".join(TABLE.splitlines()[:-1])
    tables = [("t", alone.encode()), ("n", NODE_TABLE.encode())]
    known = parse_snapshot([("t", f"{alone}\n\n{NODE_TABLE}".encode())])
    assert {each.name for each in known.pods if each.host_network} == {"kube-proxy-vh2vx"}
    assert sorted(known.nodes.values()) == ["node-a", "node-b"]
    assert parse_snapshot(tables).nodes == known.nodes


def test_table_without_addresses_is_an_error() -> None:
    """Without `-o wide` there is nothing to find a pod by."""
    text = b"NAME   READY   STATUS    RESTARTS   AGE\nweb    1/1     Running   0          3h\n"
    with pytest.raises(SnapshotError, match="t: a table without addresses; write it with -o json"):
        read_objects(text, "t", OddFields())


HEADING = "NAMESPACE   NAME   READY   STATUS   RESTARTS   AGE   IP   NODE   NOMINATED NODE\n"


def line(name: str, status: str, address: str, node: str = "node-a") -> str:
    """A pod's line in kubectl's table."""
    return f"app   {name}   1/1   {status}   0   3h   {address}   {node}   <none>\n"


def test_table_of_everything_has_pods_alone() -> None:
    """`kubectl get all -o wide` prints a table a kind; a Deployment is READY too, and no pod."""
    everything = (
        "NAME        READY   STATUS    RESTARTS   AGE   IP         NODE\n"
        "pod/web-1   1/1     Running   0          3h    10.1.0.1   node-a\n\n"
        "NAME          TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)   AGE   SELECTOR\n"
        "service/web   ClusterIP   10.96.0.9    <none>        80/TCP    3h    app=web\n\n"
        "NAME                  READY   UP-TO-DATE   AVAILABLE   AGE\n"
        "deployment.apps/web   1/1     1            1           3h\n\n"
        "NAME                    DESIRED   CURRENT   READY   AGE\n"
        "replicaset.apps/web-7   1         1         1       3h\n"
    )
    known = parse_snapshot([("t", everything.encode())])
    assert [(each.namespace, each.name) for each in known.pods] == [("default", "web-1")]
    assert not any("fit no headings" in text for text in known.left_out)


def test_watched_table_is_one_history() -> None:
    """`kubectl get pods -o wide -w` prints a line a change: the pod is where it was last."""
    lines = [
        line("web-1", "Pending", "<none>", "<none>"),
        line("web-1", "ContainerCreating", "<none>"),
        line("web-1", "Running", "10.1.0.1"),
        line("web-1", "Terminating", "10.1.0.1"),
    ]
    known = parse_snapshot([("t", (HEADING + "".join(lines)).encode())])
    assert [(each.name, each.node) for each in known.pods] == [("web-1", "node-a")]
    assert len(known.tenures) == 1


def test_table_with_tabs() -> None:
    """Browsers and spreadsheets put tabs between the columns."""
    text = (HEADING + line("web-1", "Running", "10.1.0.1")).replace("   ", "\t")
    assert described(parse_snapshot([("t", text.encode())])) == described(
        parse_snapshot([("t", text.replace("\t", "   ").encode())])
    )


def test_lines_that_are_none_of_a_table_are_said() -> None:
    """What stderr wrote into the table, or what was cut off, is counted."""
    text = HEADING + line("web-1", "Running", "10.1.0.1") + "app   web-2   1/1   Runn\n"
    known = parse_snapshot([("t", text.encode())])
    assert [each.name for each in known.pods] == ["web-1"]
    assert "t: 1 line fits no headings of the table" in known.left_out

"""S10, S13: snapshots in every layout that people have them in."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from otterize_pcap.errors import SnapshotError
from otterize_pcap.files.snapshot_files import load_snapshot
from otterize_pcap.snapshot.odd_fields import OddFields
from otterize_pcap.snapshot.read_objects import Part, read_objects
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from tests.cluster_builder import NODES, Json, endpoint_slice, item, owner, pod, service, stamp
from tests.conftest import FIXTURES

ITEMS: list[Json] = [
    pod("client", "10.1.0.1", annotations={"brace": 'a } b { c ]\n"items": [\n    {'}),
    pod("server", ["10.1.0.2", "fd00::2"], host_network=False),
    service("server", "10.96.0.1"),
    endpoint_slice("server", ["10.1.0.2"]),
    item("Deployment", "client", owners=[owner("App", "shop")]),
    *NODES,
]
WATCH = {"observed": [{"uid": "app/client-pod", "ip": "10.1.0.1", "start": stamp(-5)}]}
WHOLE = {"apiVersion": "v1", "items": ITEMS, "kind": "List", "otterize": WATCH}


def read(document: bytes, where: str = "x") -> list[Part]:
    """What one document holds."""
    return read_objects(document, where, OddFields())


def lines(document: Json) -> str:
    """As `otterize snapshot` writes it: an item a line."""
    items = ",\n".join(json.dumps(found) for found in document["items"])
    rest = {key: value for key, value in document.items() if key not in ("items", "kind")}
    return f'{{"kind": "List",\n"items": [\n{items}\n],\n{json.dumps(rest)[1:]}'


def typed_list(document: Json) -> str:
    """The head that the API's own lists have; a List's items name their kinds."""
    return json.dumps({"kind": "List", "apiVersion": "v1", **document}, indent=4)


LAYOUTS: dict[str, Callable[[Json], str]] = {
    "kubectl": lambda document: json.dumps(document, indent=4),
    "kind first": typed_list,
    "one space": lambda document: json.dumps(document, indent=1),
    "tabs": lambda document: json.dumps(document, indent="\t"),
    "compact": json.dumps,
    "an item a line": lines,
    "no indent": lambda document: json.dumps(document, indent=0),
    "windows": lambda document: json.dumps(document, indent=4).replace("\n", "\r\n"),
    "yaml": lambda document: "---\n" + json.dumps(document),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layout_makes_no_difference(layout: Callable[[Json], str]) -> None:
    """However JSON is laid out, the same objects and the same watch are read from it."""
    assert read(layout(WHOLE).encode(), "x") == read(json.dumps(WHOLE).encode(), "x")


@pytest.mark.parametrize("indent", [None, 4], ids=["compact", "kubectl"])
def test_lists_of_the_api_itself(indent: int | None) -> None:
    """A PodList leaves `kind` out of its items (`kubectl cluster-info dump`)."""
    bare = [{key: value for key, value in ITEMS[0].items() if key != "kind"}]
    document = json.dumps({"kind": "PodList", "apiVersion": "v1", "items": bare}, indent=indent)
    (part,) = read(document.encode())
    assert part.items == read(json.dumps(ITEMS[0]).encode())[0].items


def test_every_cut_is_an_error_and_nothing_else() -> None:
    """A snapshot that ends too early, wherever it does, is refused."""
    text = json.dumps({"kind": "List", "items": [ITEMS[2], ITEMS[4]]}, indent=4).encode()
    for end in range(len(text) - 1):
        with pytest.raises(SnapshotError):
            read(text[:end], "x")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        pytest.param(b'{"items": []}', "no Kubernetes objects", id="no kind"),
        pytest.param(b'{"kind": ' + b"[" * 100_000, "broken or unexpected JSON", id="deep"),
        pytest.param(b'{"kind": "\xff"}', "broken or unexpected JSON", id="not UTF-8"),
        pytest.param(b"- [" + b"[" * 5000, "neither JSON nor YAML", id="deep YAML"),
        pytest.param(b"[1]", "no Kubernetes objects (YAML list)", id="a list"),
    ],
)
def test_broken_documents(document: bytes, said: str) -> None:
    """Each is one error that says what is wrong, and where."""
    with pytest.raises(SnapshotError) as raised:
        read(document, "x.json")
    assert said in str(raised.value)
    assert str(raised.value).startswith("x.json: ")
    assert "\n" not in str(raised.value)


def test_recorded_snapshots_read_alike_mapped_and_whole() -> None:
    """A file that is mapped and read item by item is read as one that is decoded at once."""
    for path in sorted(FIXTURES.glob("*/snapshot.json")):
        compact = json.dumps(json.loads(path.read_text(encoding="utf-8"))).encode()
        assert read(path.read_bytes(), "x") == read(compact, "x")


def test_directory_of_a_cluster_info_dump(tmp_path: Path) -> None:
    """S13: a list a file, by namespace, as `kubectl cluster-info dump` lays them out."""
    (tmp_path / "app").mkdir()
    listed = {"nodes.json": NODES, "app/pods.json": ITEMS[:2], "app/services.json": ITEMS[2:3]}
    for name, items in listed.items():
        bare = [{key: value for key, value in found.items() if key != "kind"} for found in items]
        document = {"kind": f"{items[0]['kind']}List", "apiVersion": "v1", "items": bare}
        (tmp_path / name).write_text(json.dumps(document, indent=4))
    (tmp_path / "app" / "logs.txt").write_text("not an object")
    events = {"kind": "EventList", "items": [{"metadata": {"name": "e"}, "reason": "Started"}]}
    (tmp_path / "app" / "events.json").write_text(json.dumps(events))
    known = load_snapshot([tmp_path])
    assert known.kinds == {"Event": 1, "Node": 2, "Pod": 2, "Service": 1}
    assert len(known.nodes) == 2


def test_several_files_are_one_snapshot(tmp_path: Path) -> None:
    """S13: objects may come in several files, JSON and YAML, whole lists and single objects."""
    (tmp_path / "a.json").write_text(json.dumps({"kind": "List", "items": ITEMS[:2]}))
    (tmp_path / "b.yaml").write_text("".join(f"---\n{json.dumps(found)}\n" for found in ITEMS[2:4]))
    (tmp_path / "c.json").write_text(json.dumps(ITEMS[4]))
    known = load_snapshot([tmp_path / "a.json", tmp_path / "b.yaml", tmp_path / "c.json"])
    assert known.kinds == {"Deployment": 1, "EndpointSlice": 1, "Pod": 2, "Service": 1}


def test_nothing_to_resolve_with() -> None:
    """A snapshot without Pods and Services is refused, and says what was found."""
    with pytest.raises(SnapshotError, match=r"no Pods or Services \(found Deployment\)"):
        parse_snapshot([("x", json.dumps(ITEMS[4]).encode())])

"""S13: one odd field of a snapshot costs itself, and is told."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.addresses import format_address
from otterize_pcap.files.captures import open_captures
from otterize_pcap.resolve.map_capture import map_capture
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.read import ReadOptions
from tests.cluster_builder import NODES, Json, edges, endpoint_slice, pod, service, stamp
from tests.conftest import FIXTURES, Otterize

JsonPath = tuple[str | int, ...]


def read(*items: Json, **own: object) -> Snapshot:
    """A snapshot of these objects."""
    document = {"kind": "List", "items": [*items, *NODES], "otterize": own}
    return parse_snapshot([("x", json.dumps(document).encode())])


def damaged(found: Any, path: JsonPath, value: object) -> Any:  # noqa: ANN401 - JSON
    """A copy of an object in which one field is something else."""
    made = copy.deepcopy(found)
    within = made
    for step in path[:-1]:
        within = within[step]
    within[path[-1]] = value
    return made


CLIENT = pod("client", ["10.1.0.1", "fd00::1"], ready=5, ports=[{"containerPort": 80, "name": "w"}])
SERVER = service("server", "10.96.0.1", externalIPs=["203.0.113.9"])
SLICE = endpoint_slice("server", ["10.1.0.1", "10.1.0.2"])


@pytest.mark.parametrize(
    ("found", "path", "value", "said"),
    [
        pytest.param(
            CLIENT,
            ("status", "podIPs", 0, "ip"),
            "x.x.x.x",
            'Pod app/client-pod: $.status.podIPs[0].ip is "x.x.x.x"; expected an IP address',
            id="a redacted address",
        ),
        pytest.param(
            CLIENT,
            ("status", "phase"),
            1,
            "Pod app/client-pod: $.status.phase is 1; expected text",
            id="a phase",
        ),
        pytest.param(
            CLIENT,
            ("status", "conditions", 0, "lastTransitionTime"),
            "yesterday",
            'Pod app/client-pod: $.status.conditions[0].lastTransitionTime is "yesterday"; '
            "expected a time (RFC 3339)",
            id="a time",
        ),
        pytest.param(
            CLIENT,
            ("spec", "hostNetwork"),
            "REDACTED",
            'Pod app/client-pod: $.spec.hostNetwork is "REDACTED"; expected true or false',
            id="whose network it has",
        ),
        pytest.param(
            CLIENT,
            ("spec", "containers", 0, "ports", 0, "protocol"),
            6,
            "Pod app/client-pod: $.spec.containers[0].ports[0].protocol is 6; expected text",
            id="a port's protocol",
        ),
        pytest.param(
            SERVER,
            ("spec", "selector", "app"),
            7,
            "Service app/server: $.spec.selector.app is 7; expected text",
            id="a label of a selector",
        ),
        pytest.param(
            SERVER,
            ("spec", "externalIPs", 0),
            "a.example",
            'Service app/server: $.spec.externalIPs[0] is "a.example"; expected an IP address',
            id="a name in the place of an address",
        ),
        pytest.param(
            SLICE,
            ("endpoints", 0, "addresses", 0),
            "REDACTED",
            "EndpointSlice app/server-slice: $.endpoints[0].addresses[0] is "
            '"REDACTED"; expected an IP address',
            id="an endpoint",
        ),
        pytest.param(SLICE, ("metadata",), 1, "x: an object: $.metadata is 1;", id="no metadata"),
    ],
)
def test_field_is_left_out_and_said(found: Json, path: JsonPath, value: object, said: str) -> None:
    """The object and the path to the field are named."""
    known = read(damaged(found, path, value), pod("other", "10.1.0.9"), service("server"))
    (reason,) = known.left_out
    assert reason.startswith(said)
    assert any(each.name == "other-pod" for each in known.pods)


def test_what_a_field_costs() -> None:
    """A port without its protocol goes; a pod that may have its node's network goes."""
    odd = damaged(CLIENT, ("spec", "containers", 0, "ports", 0, "protocol"), 6)
    assert read(odd).pods[0].ports == frozenset()
    odd = damaged(CLIENT, ("spec", "hostNetwork"), "REDACTED")
    assert read(odd, SERVER).pods == ()
    odd = damaged(SERVER, ("spec", "selector", "app"), 7)
    assert read(odd, CLIENT).services[0].has_selector is False
    odd = damaged(CLIENT, ("status", "podIPs", 1, "ip"), "REDACTED")
    assert {format_address(each) for each in read(odd).tenures} == {"10.1.0.1"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("status", "phase"), 1, id="phase"),
        pytest.param(("status", "conditions", 0, "lastTransitionTime"), "x", id="condition"),
        pytest.param(("metadata", "deletionTimestamp"), "x", id="deletion"),
    ],
)
def test_pod_that_lost_a_time_is_in_doubt(path: JsonPath, value: object) -> None:
    """S10: nothing says when it certainly had its addresses, so that nothing rests on it."""
    known = read(damaged(CLIENT, path, value))
    holds = [tenure for held in known.tenures.values() for tenure in held]
    assert len(holds) == 2
    for hold in holds:
        assert hold.possible.covers(0, 1 << 62, 0)
        assert not hold.interval.touches(0, 1 << 62, 0)


def test_watched_stretch_that_is_odd() -> None:
    """What a watch saw of a pod is left out with its times, and the pod is in doubt."""
    observed = [
        {"uid": "app/client-pod", "ip": "10.1.0.1", "start": "noon"},
        {"uid": "app/other-pod", "ip": "10.1.0.9", "start": stamp(-5)},
    ]
    known = read(CLIENT, pod("other", "10.1.0.9"), observed=observed, watchStart="x")
    assert known.left_out == (
        'x: $.otterize.observed[0].start is "noon"; expected a time (RFC 3339)',
        'x: $.otterize.watchStart is "x"; expected a time (RFC 3339)',
    ) or known.left_out == tuple(
        reason.replace("x: ", "otterize: ", 1) for reason in known.left_out
    )
    held = {tenure.pod.name: tenure for each in known.tenures.values() for tenure in each}
    assert not held["client-pod"].interval.touches(0, 1 << 62, 0)
    assert held["other-pod"].interval.touches(0, 1 << 62, 0)


def test_the_summary_and_inspect_say_it(otterize: Otterize, tmp_path: Path) -> None:
    """The first of what was left out stand in the summary, all in `snapshot inspect`."""
    case = FIXTURES / "cases" / "snapshot-files-refused"
    result = otterize(
        "intents", "list", case / "pcap" / "node-a.pcap", "--snapshot", case / "red2.json"
    )
    assert result.returncode == 0, result.stderr
    assert "note: left out of the snapshot: Node node-b: $.status.addresses[0]" in result.stderr
    found = otterize("snapshot", "inspect", case / "red2.json").stdout
    assert found.count("\nleft out   ") == 2
    broken = [damaged(CLIENT, ("metadata", "name"), at) for at in range(5)]
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"kind": "List", "items": [*broken, CLIENT, SERVER]}))
    result = otterize("intents", "list", case / "pcap" / "node-a.pcap", "--snapshot", path)
    assert "and 2 more, see `otterize snapshot inspect`" in result.stderr


def test_names_in_notes_are_one_line(otterize: Otterize, tmp_path: Path) -> None:
    """A name with a line break and colours says nothing of its own on the terminal."""
    case = FIXTURES / "cases" / "snapshot-files-refused"
    odd = damaged(CLIENT, ("metadata", "name"), "evil\n  note: all is fine\x1b[31m")
    path = tmp_path / "s.json"
    document = {"kind": "List", "items": [damaged(odd, ("status", "phase"), 1), SERVER]}
    path.write_text(json.dumps(document))
    result = otterize("intents", "list", case / "pcap" / "node-a.pcap", "--snapshot", path)
    assert "\n  note: all is fine" not in result.stderr
    assert "\x1b" not in result.stderr


RECORDED = ("hostport", "services", "endpoints-objects", "ip-reuse")
# What an object is called, and so what its calls go by, is S3's matter.
NAMES = {"ownerReferences", "labels", "annotations", "generateName"}
DAMAGE = (1, "x.x.x.x", [1], {"a": 1})


def paths(value: object, at: JsonPath = ()) -> Iterator[JsonPath]:
    """The paths to all values within a JSON value but those that name things."""
    steps: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        steps = [(key, part) for key, part in value.items() if key not in NAMES]
    elif isinstance(value, list):
        steps = list(enumerate(value))
    for step, part in steps:
        yield (*at, step)
        yield from paths(part, (*at, step))


def is_text_of_a_kind(value: object) -> bool:
    """Whether a value is an address or a time, of which not any text will do."""
    if not isinstance(value, str):
        return False
    return value.count(".") == 3 or (value.endswith("Z") and value[:2] == "20")


def mapped(name: str, document: Json, folder: Path) -> tuple[set[str], tuple[str, ...]]:
    """A recorded capture's edges by a snapshot, and what was left out of this."""
    path = folder / "snapshot.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    (capture,) = open_captures([FIXTURES / name], [path], ReadOptions(threads=1))
    found = map_capture(capture)
    assert found.graph.coverage is not None
    notes = [note for note in found.graph.coverage.notes if note.startswith("left out")]
    return edges(found), tuple(notes)


@pytest.mark.parametrize("name", RECORDED)
@settings(max_examples=25)
@given(data=st.data())
def test_one_damaged_field_makes_no_edge(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever field of whatever object is damaged: no new edge, and what went has a note."""
    document = json.loads((FIXTURES / name / "snapshot.json").read_text(encoding="utf-8"))
    path = data.draw(st.sampled_from(list(paths(document["items"]))))
    old: Any = document["items"]
    for step in path:
        old = old[step]
    new = data.draw(
        st.sampled_from([x for x in DAMAGE if type(x) is not type(old) or is_text_of_a_kind(old)])
    )
    folder = tmp_path_factory.mktemp("damaged", numbered=True)
    before, _ = mapped(name, document, folder)
    odd = damaged(document["items"], path, new)
    after, notes = mapped(name, document | {"items": odd}, folder)
    assert after <= before
    assert notes or after == before


def test_no_order_of_documents_changes_what_is_left_out() -> None:
    """S61: notes are the same in any order."""
    odd = [
        damaged(CLIENT, ("status", "phase"), 1),
        damaged(SERVER, ("spec", "externalIPs", 0), "x"),
    ]
    ways = [read(*odd), read(*reversed(odd))]
    assert ways[0].left_out == ways[1].left_out
    assert len({repr(replace(each, owners={})) for each in ways}) == 1


@pytest.mark.parametrize("kind", ["", None])
def test_object_without_kind_is_said(kind: str | None) -> None:
    """An object of a List that does not say what it is counts for nothing, and is told."""
    odd = {**pod("odd", "10.1.0.9"), "kind": kind}
    if kind is None:
        del odd["kind"]
    known = read(CLIENT, SERVER, SLICE, odd)
    assert repr(replace(known, left_out=())) == repr(read(CLIENT, SERVER, SLICE))
    assert known.left_out == ("x: an object without kind: odd-pod",)

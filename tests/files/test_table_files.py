"""Tables that nodes made stand for their recordings: the same graph, however they were cut."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otterize_pcap.anonymise.renaming import Renaming
from otterize_pcap.errors import CaptureError, OtterizeError, UsageError
from otterize_pcap.files.anonymised_capture import anonymise_capture
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.make_blocks import BlockMaker
from otterize_pcap.files.snapshot_files import load_snapshot
from otterize_pcap.files.table_files import TABLE_SUFFIX
from otterize_pcap.reduced import table_blocks
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.table.chunk import ReadOptions
from tests.lab.test_scenarios import PCAP_HEADER, SCENARIOS, pcap_records
from tests.reduced.test_reduce import ALL_NAMES, EVERYTHING, graph_of, reduced

WHOLE = [path for path in SCENARIOS if (path / "snapshot.json").exists()]
PODS_TUNNELS = next(path for path in WHOLE if path.name == "pod-tunnels")
TUTORIAL = next(path for path in WHOLE if path.name == "tutorial-before")


def as_tables(scenario: Path, target: Path, random: Random | None = None) -> Path:
    """A copy of a capture directory without a manifest, each recording as its node reduces it.

    With `random` it is cut, and the node was told of some ends of tunnels only.
    """
    shutil.copytree(scenario, target)
    (target / "manifest.json").unlink(missing_ok=True)
    ends = sorted(load_snapshot([target / "snapshot.json"]).nodes)
    ends = ends if random is None else random.sample(ends, random.randint(0, len(ends)))
    for recording in sorted((target / "pcap").iterdir()):
        node = recording.name.split(".")[0]
        maker = BlockMaker(ReadOptions(), ends)
        with (target / "pcap" / f"{node}{TABLE_SUFFIX}").open("ab") as table:
            for content in cut(recording.read_bytes(), random):
                table.write(maker.block(content).content)
        recording.unlink()
    return target


def cut(content: bytes, random: Random | None) -> Sequence[bytes]:
    """A pcap file in one to four, cut between packets."""
    if random is None:
        return [content]
    records = list(pcap_records(content, "<"))
    cuts = sorted(random.randint(0, len(records)) for _ in range(random.randint(0, 3)))
    return [
        content[:PCAP_HEADER] + b"".join(records[begin:end])
        for begin, end in zip([0, *cuts], [*cuts, len(records)], strict=True)
    ]


def without_manifest(scenario: Path, target: Path) -> Path:
    """A copy of a capture directory without its manifest."""
    shutil.copytree(scenario, target)
    (target / "manifest.json").unlink(missing_ok=True)
    return target


@pytest.mark.parametrize("scenario", WHOLE, ids=lambda path: path.name)
def test_every_scenario_maps_as_its_packets_do(scenario: Path, tmp_path: Path) -> None:
    """The whole graph with evidence and coverage, but for the names of files."""
    tables = as_tables(scenario, tmp_path / "tables")
    packets = without_manifest(scenario, tmp_path / "packets")
    for options in (ReadOptions(), ALL_NAMES):
        of_tables = graph_of([tables], (), options, EVERYTHING)
        of_packets = graph_of([packets], (), options, EVERYTHING)
        assert named_alike(of_tables, tables) == named_alike(of_packets, packets)


def named_alike(graph: str, directory: Path) -> str:
    """A graph without what the names of its files are."""
    plain = graph.replace(str(directory), "CAPTURE")
    for suffix in (TABLE_SUFFIX, ".pcapng", ".pcap"):
        plain = plain.replace(suffix, "")
    return plain


@settings(max_examples=20)
@given(seed=st.integers(0, 1 << 32), scenario=st.sampled_from(WHOLE))
def test_wherever_a_recording_is_cut(seed: int, scenario: Path) -> None:
    """Blocks of one recording, one behind the other, are its table.

    But for what could not be decoded in tunnels that the node was not sure of, where it was right
    of some of them only: whose it is, nobody knows.
    """
    with TemporaryDirectory() as name:
        tables = as_tables(scenario, Path(name) / "tables", Random(seed))
        packets = without_manifest(scenario, Path(name) / "packets")
        of_tables, of_packets = (
            json.loads(named_alike(graph_of([path], (), ALL_NAMES, EVERYTHING), path))
            for path in (tables, packets)
        )
        for graph in (of_tables, of_packets):
            for said in ("skipped", "notes"):
                graph["coverage"].pop(said, None)
        assert of_tables == of_packets


@settings(max_examples=60)
@given(data=st.data())
def test_damage_is_an_error(data: st.DataObject) -> None:
    """Whatever of a block is changed or cut off: it is read, or an error that names the file."""
    content = bytearray(block_of(TUTORIAL))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    with TemporaryDirectory() as name:
        path = Path(name) / f"node-a{TABLE_SUFFIX}"
        path.write_bytes(content)
        said = str(path)
        try:
            graph_of([path], [TUTORIAL / "snapshot.json"], ALL_NAMES)
        except OtterizeError as error:
            said = str(error)
        assert said.startswith(str(path))


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [("VXLAN", bytes(16), bytes(16)), ("vxlan", b"", b""), ("vxlan", bytes(16), bytes(15))],
)
@pytest.mark.parametrize("part", ["paths", "closed", "counts"])
def test_tunnels_that_cannot_be_are_damage(
    kind: str, low: bytes, high: bytes, part: str, tmp_path: Path
) -> None:
    """Neither compiled code nor a table of kinds gets a tunnel that no packet came through."""
    content = block_of(PODS_TUNNELS)
    begin = len(table_blocks.MAGIC) + 4
    end = begin + int.from_bytes(content[begin - 4 : begin], "little")
    head = msgspec.msgpack.decode(content[begin:end])
    if part == "paths":
        head["within"]["paths"].append([[kind, low, high]])
    else:
        head[part]["closed"]["packets"].append([kind, low, high, 1])
    changed = msgspec.msgpack.encode(head)
    path = tmp_path / f"node-a{TABLE_SUFFIX}"
    size = len(changed).to_bytes(4, "little")
    path.write_bytes(content[: begin - 4] + size + changed + content[end:])
    with pytest.raises(CaptureError, match=f"^{path}: a damaged table of a node"):
        graph_of([path], [PODS_TUNNELS / "snapshot.json"])


def block_of(scenario: Path) -> bytes:
    """The table of a scenario's first recording, in one block."""
    recording = min((scenario / "pcap").iterdir())
    ends = sorted(load_snapshot([scenario / "snapshot.json"]).nodes)
    return BlockMaker(ReadOptions(), ends).block(recording.read_bytes()).content


def test_a_later_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it means is not known here."""
    path = tmp_path / f"node-a{TABLE_SUFFIX}"
    path.write_bytes(block_of(TUTORIAL))
    monkeypatch.setattr(table_blocks, "VERSION", 2)
    with pytest.raises(CaptureError) as caught:
        graph_of([path], [TUTORIAL / "snapshot.json"])
    assert str(caught.value) == (
        f"{path}: a table of version 1, and this otterize reads 2; "
        "use the otterize that captured it"
    )


def test_other_ports_cannot_be_asked_for(tmp_path: Path) -> None:
    """What is inside such tunnels was not read on the node."""
    path = tmp_path / f"node-a{TABLE_SUFFIX}"
    path.write_bytes(block_of(TUTORIAL))
    options = ReadOptions(vxlan_ports=frozenset({4789, 8472, 1234}))
    with pytest.raises(UsageError) as caught:
        graph_of([path], [TUTORIAL / "snapshot.json"], options)
    assert "reduced without --vxlan-port 1234" in str(caught.value)


def test_it_cannot_be_anonymised(tmp_path: Path) -> None:
    """There are no packets to make anew."""
    tables = as_tables(TUTORIAL, tmp_path / "tables")
    with pytest.raises(CaptureError) as caught:
        anonymise_capture(tables, tmp_path / "out", Renaming.by(bytes(32)))
    assert str(caught.value).endswith(
        "a table that the node made, which has no packets to anonymise"
    )


def test_it_reduces_to_the_same_parquet(tmp_path: Path) -> None:
    """What DuckDB asks is the same, but for the names of files."""
    tables = as_tables(TUTORIAL, tmp_path / "tables")
    packets = without_manifest(TUTORIAL, tmp_path / "packets")
    one = reduced(tmp_path / "one.parquet", [tables])
    other = reduced(tmp_path / "other.parquet", [packets])
    rows, wanted = (pq.read_table(path).drop_columns(["file"]) for path in (one, other))
    assert rows.equals(wanted)


def test_what_became_packets_again_is_read_with_the_table(tmp_path: Path) -> None:
    """A reducer that gave up leaves a table, and packets of what came then."""
    both = without_manifest(TUTORIAL, tmp_path / "both")
    packets = without_manifest(TUTORIAL, tmp_path / "packets")
    for recording in sorted((both / "pcap").iterdir()):
        content = recording.read_bytes()
        records = list(pcap_records(content, "<"))
        first, rest = records[: len(records) // 2], records[len(records) // 2 :]
        head = content[:PCAP_HEADER]
        block = BlockMaker(ReadOptions()).block(head + b"".join(first))
        recording.with_suffix(TABLE_SUFFIX).write_bytes(block.content)
        recording.write_bytes(head + b"".join(rest))
    found, wanted = (
        [
            (call.client, call.server, [(use.protocol, use.port) for use in call.uses])
            for call in graph_capture(open_captures([path])[0]).calls
        ]
        for path in (both, packets)
    )
    assert found == wanted

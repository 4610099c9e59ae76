"""A reduced capture answers as its pcap files do, and parts of one capture merge into it."""

import shutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otterize_pcap.addresses import parse_network
from otterize_pcap.errors import CaptureError, OtterizeError, UsageError
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.reduce_captures import reduce_captures
from otterize_pcap.files.snapshot_files import load_snapshot
from otterize_pcap.graph.graph_format import encode_graph
from otterize_pcap.inspect_snapshot import inspect_snapshot
from otterize_pcap.reduced.arrow_rows import columns_of
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.table.chunk import ReadOptions
from tests.lab.test_scenarios import PCAP_HEADER, SCENARIOS, pcap_records

PLAIN = Rules(force=True)
EVERYTHING = Rules(
    inclusion=Inclusion(
        attempts=True, one_way_udp=True, cluster_dns=True, internet=True, lookups=True
    ),
    force=True,
)
ALL_NAMES = ReadOptions(collect_names=True)
# Of the others the snapshot lies in several files, which the tests of those name.
WHOLE = [path for path in SCENARIOS if (path / "snapshot.json").exists()]
TUTORIAL = next(path for path in WHOLE if path.name == "tutorial-before")
TUNNELS = next(path for path in WHOLE if path.name == "tunnel-second-nic-unsaved")


def graph_of(
    paths: Iterable[Path],
    snapshots: Iterable[Path] = (),
    options: ReadOptions = ReadOptions(),
    rules: Rules = PLAIN,
) -> str:
    """The whole graph of one capture, as JSON."""
    (capture,) = open_captures(list(paths), list(snapshots), options)
    return encode_graph(graph_capture(capture, rules))


@cache
def graph_here(fixture: Path, options: ReadOptions = ReadOptions(), rules: Rules = PLAIN) -> str:
    """The whole graph of a fixture, mapped once for all that other ways are compared with it."""
    return graph_of([fixture], (), options, rules)


def reduced(
    target: Path,
    paths: Iterable[Path],
    snapshots: Iterable[Path] = (),
    options: ReadOptions = ReadOptions(),
) -> Path:
    """Captures reduced to a file."""
    with target.open("wb") as stream:
        reduce_captures(stream, list(paths), list(snapshots), options)
    return target


@pytest.mark.parametrize("capture", WHOLE, ids=lambda path: path.name)
def test_every_scenario_maps_as_its_packets_do(capture: Path, tmp_path: Path) -> None:
    """Byte for byte: evidence, coverage and notes too, with all that can be asked for."""
    table = reduced(tmp_path / "table.parquet", [capture])
    assert graph_of([table]) == graph_here(capture)
    assert graph_of([table], (), ALL_NAMES, EVERYTHING) == graph_here(
        capture, ALL_NAMES, EVERYTHING
    )


@settings(max_examples=20)
@given(seed=st.integers(0, 1 << 32), scenario=st.sampled_from(WHOLE))
def test_merged_parts_map_as_all_files_at_once(seed: int, scenario: Path) -> None:
    """Wherever recordings are cut, and however parts are put together again."""
    random = Random(seed)
    with TemporaryDirectory() as name:
        directory = Path(name)
        snapshot = directory / "snapshot.json"
        shutil.copy(scenario / "snapshot.json", snapshot)
        files = split_files(scenario, directory, random)
        nodes = tuple((path.name, path.name.partition("+")[0]) for path in files)
        tables = [
            reduced(
                path.with_suffix(".parquet"),
                [path],
                [snapshot],
                ReadOptions(file_nodes=tuple(pair for pair in nodes if pair[0] == path.name)),
            )
            for path in files
        ]
        random.shuffle(tables)
        some = random.randint(0, len(tables))
        first = reduced(directory / "some.parquet", tables[:some]) if some else None
        merged = reduced(directory / "all.parquet", [*([first] if first else []), *tables[some:]])
        whole = graph_of(
            files, [snapshot], ReadOptions(collect_names=True, file_nodes=nodes), EVERYTHING
        )
        assert graph_of([merged], (), ALL_NAMES, EVERYTHING) == whole


def split_files(scenario: Path, directory: Path, random: Random) -> list[Path]:
    """Each recording of a scenario in one to three files, `NODE+N.pcap`, cut between packets."""
    files = []
    for recording in sorted((scenario / "pcap").iterdir()):
        content = recording.read_bytes()
        records = list(pcap_records(content, "<"))
        cuts = sorted(random.randint(0, len(records)) for _ in range(random.randint(0, 2)))
        for number, (begin, end) in enumerate(zip([0, *cuts], [*cuts, len(records)], strict=True)):
            files.append(directory / f"{recording.name.split('.')[0]}+{number}.pcap")
            files[-1].write_bytes(content[:PCAP_HEADER] + b"".join(records[begin:end]))
    return files


def test_what_is_given_twice_counts_once(tmp_path: Path) -> None:
    """One capture, and its table: the same packets."""
    table = reduced(tmp_path / "one.parquet", [TUTORIAL])
    both = reduced(tmp_path / "both.parquet", [table, TUTORIAL])
    (opened,) = open_captures([both])
    graph = graph_capture(opened)
    assert graph.coverage is not None
    assert [note for note in graph.coverage.notes if "twice" in note]
    assert graph.calls == graph_capture(open_captures([TUTORIAL])[0]).calls


def test_a_later_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it means is not known here."""
    monkeypatch.setattr("otterize_pcap.files.write_reduced.VERSION", 3)
    table = reduced(tmp_path / "table.parquet", [TUTORIAL])
    with pytest.raises(CaptureError, match=r"table\.parquet: a reduced capture of version 3"):
        graph_of([table])


def test_any_parquet_file_is_no_capture(tmp_path: Path) -> None:
    """Others write Parquet too."""
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(CaptureError, match="a Parquet file, but no reduced capture"):
        graph_of([tmp_path / "other.parquet"])


def test_captures_of_their_own_are_not_merged(tmp_path: Path) -> None:
    """By their manifests they were recorded at two times."""
    after = TUTORIAL.with_name("tutorial-after")
    with pytest.raises(UsageError, match="another capture than"):
        reduced(tmp_path / "table.parquet", [TUTORIAL, after])


def test_another_snapshot_is_taken(tmp_path: Path) -> None:
    """As with pcap files."""
    after = TUTORIAL.with_name("tutorial-after") / "snapshot.json"
    table = reduced(tmp_path / "table.parquet", [TUTORIAL])
    assert graph_of([table], [after]) == graph_of([TUTORIAL], [after])


@pytest.mark.parametrize("scenario", [TUTORIAL, TUNNELS], ids=lambda path: path.name)
def test_its_snapshot_is_taken_for_other_packets(scenario: Path, tmp_path: Path) -> None:
    """Whatever takes a snapshot takes a reduced capture, and finds in it what it was made with."""
    table = reduced(tmp_path / "table.parquet", [scenario])
    own = load_snapshot([scenario])
    assert inspect_snapshot(load_snapshot([table])) == inspect_snapshot(own)
    packets = sorted((scenario / "pcap").iterdir())
    assert graph_of(packets, [table]) == graph_of(packets, [scenario / "snapshot.json"])


def test_damage_is_told_where_a_snapshot_is_asked_for(tmp_path: Path) -> None:
    """It is not taken for a document that YAML does not allow."""
    table = reduced(tmp_path / "table.parquet", [TUTORIAL])
    table.write_bytes(table.read_bytes()[:-1])
    with pytest.raises(CaptureError, match="a damaged reduced capture"):
        load_snapshot([table])


def test_a_snapshot_that_opens_other_tunnels_is_refused(tmp_path: Path) -> None:
    """S25: the rows are of the tunnels that were opened."""
    table = reduced(tmp_path / "table.parquet", [TUNNELS])
    with pytest.raises(UsageError, match=r"is trusted \(S25\), and it was left closed"):
        open_captures([table], None, ReadOptions(tunnel_endpoints=(parse_network("0.0.0.0/0"),)))


def test_a_port_that_was_not_read_is_refused(tmp_path: Path) -> None:
    """What a tunnel on it held is in no row."""
    table = reduced(tmp_path / "table.parquet", [TUTORIAL])
    with pytest.raises(UsageError, match="reduced without --vxlan-port 5555"):
        graph_of([table], (), ReadOptions(vxlan_ports=frozenset({4789, 8472, 5555})))


@pytest.mark.parametrize("name", ["protocol", "low_address", "packet", "high_port", "first_ns"])
def test_row_that_lacks_what_every_row_has_is_refused(name: str, tmp_path: Path) -> None:
    """Null is for what may be unknown: there is no packet without a protocol."""
    rows = pq.read_table(reduced(tmp_path / "table.parquet", [TUTORIAL]))
    assert columns_of(rows).rows == rows.num_rows > 0
    place = rows.schema.get_field_index(name)
    nothing = pa.nulls(rows.num_rows, rows.schema.field(place).type)
    with pytest.raises(ValueError, match=name):
        columns_of(rows.set_column(place, name, nothing))


@settings(max_examples=100)
@given(data=st.data())
def test_damage_is_an_error_and_nothing_else(data: st.DataObject) -> None:
    """Cut off, or with other bytes anywhere, it is read or refused on one line."""
    with TemporaryDirectory() as name:
        table = reduced(Path(name) / "table.parquet", [TUTORIAL])
        content = bytearray(table.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(4, len(content) - 1))
            content[at] = data.draw(st.integers(0, 255))
        cut = data.draw(st.sampled_from((0, 0, 1, 8, 100, 5000)))
        table.write_bytes(bytes(content[: len(content) - cut]))
        told = ""
        try:
            graph_of([table], (), ALL_NAMES, EVERYTHING)
        except OtterizeError as error:
            told = str(error)
        assert "\n" not in told


def test_parts_with_snapshots_of_their_own_are_not_merged(tmp_path: Path) -> None:
    """They are of two times or clusters; who knows better gives the snapshot of both."""
    tables = [
        reduced(
            tmp_path / f"{number}.parquet",
            [scenario / "pcap" / "node-a.pcap"],
            [scenario / "snapshot.json"],
        )
        for number, scenario in enumerate((TUTORIAL, TUTORIAL.with_name("two-nodes")))
    ]
    with pytest.raises(UsageError, match="the parts have different snapshots"):
        reduced(tmp_path / "both.parquet", tables)
    given = [TUTORIAL / "snapshot.json"]
    assert reduced(tmp_path / "both.parquet", tables, given).stat().st_size

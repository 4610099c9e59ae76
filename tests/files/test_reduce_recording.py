"""A node's reducer: whatever its tcpdumps wrote when, and however often it began again."""

import struct
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otterize_pcap.files import reduce_recording
from otterize_pcap.files.recorded_parts import PARTS, part_file
from otterize_pcap.files.reduce_recording import RECORDED, Reducer
from otterize_pcap.files.snapshot_files import load_snapshot
from otterize_pcap.files.table_files import TABLE_SUFFIX
from otterize_pcap.files.table_journal import JOURNAL, Journal, parse_journal
from otterize_pcap.table.chunk import ReadOptions
from tests.files.test_table_files import named_alike, without_manifest
from tests.lab.test_scenarios import PCAP_HEADER, SCENARIOS, pcap_records
from tests.reduced.test_reduce import ALL_NAMES, EVERYTHING, graph_of

WHOLE = [path for path in SCENARIOS if (path / "snapshot.json").exists()]
SMALL = 16 << 20


class StopError(Exception):
    """The reducer is killed here."""


def record(content: bytes, volume: Path, random: Random) -> bytes:
    """Write a recording as tcpdumps do: each packet in one part, parts in rotated files.

    Returns the recording as these parts are merged without reducing them.
    """
    volume.mkdir()
    records = sorted(pcap_records(content, "<"), key=time_of)
    for part in PARTS:
        (volume / f"{part}.pcap").write_bytes(content[:PCAP_HEADER])
    chosen: dict[str, list[bytes]] = {part: [] for part in PARTS}
    for each in records:
        chosen[random.choice(PARTS)].append(each)
    for part, packets in chosen.items():
        cuts = sorted(random.randint(0, len(packets)) for _ in range(random.randint(0, 3)))
        for number, (begin, end) in enumerate(pairwise([0, *cuts, len(packets)])):
            file = part_file(volume, part, number)
            file.write_bytes(content[:PCAP_HEADER] + b"".join(packets[begin:end]))
    (volume / RECORDED).touch()
    merged = sorted((each for packets in chosen.values() for each in packets), key=time_of)
    return content[:PCAP_HEADER] + b"".join(merged)


def time_of(record: bytes) -> tuple[int, int]:
    """Seconds, and the fraction of one."""
    seconds, fraction = struct.unpack_from("<II", record)
    return seconds, fraction


@settings(max_examples=15)
@given(seed=st.integers(0, 1 << 32), scenario=st.sampled_from(WHOLE))
def test_tables_of_rotated_parts_map_as_the_recording(seed: int, scenario: Path) -> None:
    """The whole graph, with all that can be asked for, whatever lay in which file."""
    with TemporaryDirectory() as name:
        packets, tables = both_ways(scenario, Path(name), Random(seed), kills=0)
        assert named_alike(graph_of([tables], (), ALL_NAMES, EVERYTHING), tables) == named_alike(
            graph_of([packets], (), ALL_NAMES, EVERYTHING), packets
        )


@settings(max_examples=15)
@given(seed=st.integers(0, 1 << 32), scenario=st.sampled_from(WHOLE))
def test_a_reducer_that_was_killed_goes_on(seed: int, scenario: Path) -> None:
    """Between blocks or in the middle of one: no packet is lost, and none is there twice."""
    with TemporaryDirectory() as name:
        packets, tables = both_ways(scenario, Path(name), Random(seed), kills=3)
        assert named_alike(graph_of([tables]), tables) == named_alike(graph_of([packets]), packets)


def both_ways(scenario: Path, place: Path, random: Random, kills: int) -> tuple[Path, Path]:
    """A scenario's packets, and the tables that reducers make of them, killed so often at most."""
    packets = without_manifest(scenario, place / "packets")
    tables = without_manifest(scenario, place / "tables")
    ends = frozenset(load_snapshot([packets / "snapshot.json"]).nodes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reduce_recording, "BLOCK_BYTES", random.choice([400, 4000, 1 << 20]))
        for recording in sorted((tables / "pcap").iterdir()):
            volume = place / recording.name
            merged = record(recording.read_bytes(), volume, random)
            (packets / "pcap" / recording.name).write_bytes(merged)
            recording.unlink()
            for _ in range(random.randint(0, kills)):
                killed(volume, ends, random)
            Reducer(volume, SMALL, ReadOptions(), ends).run()
            entries = parse_journal((volume / JOURNAL).read_text())
            table = tables / "pcap" / f"{recording.name.split('.')[0]}{TABLE_SUFFIX}"
            table.write_bytes(b"".join((volume / each.name).read_bytes() for each in entries))
            assert not list(volume.glob("*.pcap*"))
    return packets, tables


def killed(volume: Path, ends: frozenset[bytes], random: Random) -> None:
    """Reduce a volume until the reducer is killed, at one of three places."""
    place, name = random.choice([(Journal, "append"), (Path, "rename"), (Path, "unlink")])
    there = getattr(place, name)
    left = random.randint(0, 3)

    def once_too_often(*words: object, **named: object) -> object:
        nonlocal left
        left -= 1
        if left < 0:
            raise StopError
        return there(*words, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, once_too_often)
        with suppress(StopError):
            Reducer(volume, SMALL, ReadOptions(), ends).run()
    with (volume / JOURNAL).open("a") as journal:
        journal.write(random.choice(["", "table table-0", "table table-000001 12"]))

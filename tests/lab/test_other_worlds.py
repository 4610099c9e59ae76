"""The same world recorded otherwise: what tells the same shows the same, less shows nothing false.

`OTHER_WORLDS_EXAMPLES=50` looks at so many of each kind of each scenario.
"""

import os
import shutil
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otterize_pcap.errors import MismatchError
from otterize_pcap.resolve.map_capture import graph_capture
from tests.lab.test_scenarios import (
    PCAP_HEADER,
    SCENARIOS,
    Edge,
    bearable_edges,
    each_scenario,
    edges,
    known_edges,
    opened,
    pcap_records,
)

EXAMPLES = int(os.environ.get("OTHER_WORLDS_EXAMPLES", "1"))
# Here packets alone contradict what the snapshot says of an address, or a clock of the time:
# without them it is believed.
BELIEVED = {
    *("owner-change", "snapshot-early", "snapshot-late", "snapshot-late-slow"),
    *("clock-disagree", "clock-disagree-behind"),
}
# Both ends of a tunnel between pods call each other; who began is seen at the beginning alone.
BEGINNING_TELLS = {"vm-overlay"}

Records = list[bytes]
ORDER = "<"


def change_files(capture: Path, change: Callable[[Records], Records]) -> None:
    """Rewrite the records of each recording."""
    for path in (capture / "pcap").iterdir():
        content = path.read_bytes()
        records = change(list(pcap_records(content, ORDER)))
        path.write_bytes(content[:PCAP_HEADER] + b"".join(records))


def time_of(record: bytes) -> tuple[int, int]:
    """When a packet was recorded: seconds, and the fraction in the file's unit."""
    seconds, fraction = struct.unpack_from(f"{ORDER}II", record)
    return seconds, fraction


def lose_packets(capture: Path, random: Random) -> None:
    """Drop a share of the packets, each for itself, as a busy kernel does."""
    share = random.choice((0.05, 0.2, 0.5))
    change_files(capture, lambda records: [one for one in records if random.random() > share])


def begin_late(capture: Path, random: Random) -> None:
    """Leave out what came before some packet, and what conntrack said before."""
    times = sorted(
        time_of(record)
        for path in (capture / "pcap").iterdir()
        for record in pcap_records(path.read_bytes(), ORDER)
    )
    began = random.choice(times)
    change_files(capture, lambda records: [one for one in records if time_of(one) >= began])
    for path in capture.glob("node/*/conntrack-start"):
        path.unlink()


def end_early(capture: Path, random: Random) -> None:
    """Cut each recording off behind some packet."""
    change_files(capture, lambda records: records[: random.randrange(len(records) + 1)])


def turn_neighbours(capture: Path, random: Random) -> None:
    """Let packets that follow each other change places, as several queues write them."""

    def turned(records: Records) -> Records:
        pairs = [records[at : at + 2] for at in range(0, len(records), 2)]
        return [one for pair in pairs for one in (pair[::-1] if random.random() < 0.3 else pair)]

    change_files(capture, turned)


def double_packets(capture: Path, _random: Random) -> None:
    """Record each packet twice."""
    change_files(capture, lambda records: [one for record in records for one in (record, record)])


def swapped(text: str) -> str:
    """A text with the names of two nodes exchanged."""
    return text.replace("node-a", "\0").replace("node-b", "node-a").replace("\0", "node-b")


def swap_names(capture: Path, _random: Random) -> None:
    """Exchange the names of the two nodes wherever they stand."""
    for path in (*capture.glob("pcap/*"), *capture.glob("node/*")):
        path.rename(path.with_name(f"swapped {path.name}"))
    for path in (*capture.glob("pcap/*"), *capture.glob("node/*")):
        path.rename(path.with_name(swapped(path.name.removeprefix("swapped "))))
    for path in capture.glob("*.json"):
        path.write_text(swapped(path.read_text("utf-8")), encoding="utf-8")


def shown(scenario: Path, seed: int, change: Callable[[Path, Random], None]) -> set[Edge] | None:
    """The edges of a changed copy of a scenario, None where it is refused."""
    with TemporaryDirectory() as directory:
        copy = Path(directory) / scenario.name
        shutil.copytree(scenario, copy, ignore=shutil.ignore_patterns("truth.json", "pcap-uplink"))
        change(copy, Random(seed))
        try:
            return edges(graph_capture(opened(scenario, copy)))
        except MismatchError:
            return None


@pytest.mark.parametrize(
    "scenario",
    [path for path in SCENARIOS if path.name not in BELIEVED | BEGINNING_TELLS],
    ids=lambda path: path.name,
)
@pytest.mark.parametrize("change", [lose_packets, begin_late, end_early])
@settings(max_examples=EXAMPLES)
@given(seed=st.integers(0, 2**32))
def test_less_recorded_makes_no_call_up(
    scenario: Path, change: Callable[[Path, Random], None], seed: int
) -> None:
    """S12, S20, S30 to S40: with packets missing calls are, and none is anybody else's."""
    assert (shown(scenario, seed, change) or set()) <= bearable_edges(scenario)


@each_scenario
@pytest.mark.parametrize("change", [turn_neighbours, double_packets, swap_names])
@settings(max_examples=EXAMPLES)
@given(seed=st.integers(0, 2**32))
def test_same_world_recorded_otherwise_shows_the_same(
    scenario: Path, change: Callable[[Path, Random], None], seed: int
) -> None:
    """S20, S61: names of nodes, doubled packets and their order in a file tell nothing."""
    found = shown(scenario, seed, change)
    named = swapped if change is swap_names else str
    assert found is not None
    assert under_names(found, str) <= under_names(bearable_edges(scenario), named)
    assert under_names(found, str) >= under_names(known_edges(scenario), named)


def under_names(found: Iterable[Edge], named: Callable[[str], str]) -> set[tuple[str, ...]]:
    """Edges under other names."""
    return {tuple(named(str(part)) for part in one) for one in found}

"""Several captures as one: in how many a call was seen, at which hours, and in the room of one."""

import gc
import weakref
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace

import pytest

from otterize_pcap.cli import each_mapped, graph_input
from otterize_pcap.cli.selection import Selection
from otterize_pcap.errors import InputError
from otterize_pcap.files.captures import each_capture, no_service, open_captures
from otterize_pcap.files.read_recording import unwatched
from otterize_pcap.graph.graph_format import decode_graph, encode_graph
from otterize_pcap.graph.service_graph import ServiceGraph
from otterize_pcap.render.list_wide import render_wide
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.resolve.merge_graphs import merge_graphs
from otterize_pcap.table.chunk import ReadOptions
from tests.conftest import FIXTURES

CAPTURES = [FIXTURES / name for name in ("tutorial-before", "tutorial-after", "two-nodes")]


def graphs() -> list[ServiceGraph]:
    """A graph of each."""
    return [graph_capture(open_captures([path])[0]) for path in CAPTURES]


def seen(graph: ServiceGraph) -> dict[tuple[str, int], tuple[int, tuple[int, ...]]]:
    """In how many captures and at which hours each call was seen."""
    return {
        (call.client.name, use.port): (use.captures, use.hours)
        for call in graph.calls
        for use in call.uses
    }


def test_calls_say_in_how_many_captures_they_were_seen() -> None:
    """The tutorial was recorded at 06 and at 20 UTC; its calls but one are in both of them."""
    found = seen(merge_graphs(graphs()))
    assert found["checkout", 9092] == (2, (6, 20))
    assert found["client", 8080] == (1, (20,))


def test_neither_order_nor_steps_of_merging_matter() -> None:
    """Of tables that are merged day by day, the same comes out."""
    expected = merge_graphs(graphs())
    for first, second, third in permutations(graphs()):
        merged = merge_graphs([merge_graphs([first, second]), third])
        assert seen(merged) == seen(expected)
        assert merged.coverage is not None
        assert merged.coverage.captures == 3


def test_graph_json_keeps_them() -> None:
    """And says nothing of them where it is of one capture."""
    merged = merge_graphs(graphs())
    assert seen(decode_graph(encode_graph(merged).encode(), "-")) == seen(merged)
    one = encode_graph(graphs()[0])
    assert '"captures"' not in one
    assert '"hours"' not in one


def test_wide_shows_them_of_several_captures_alone() -> None:
    """The column of one capture would say the same everywhere."""
    heading, *rows = render_wide(merge_graphs(graphs())).splitlines()
    assert heading.endswith("CAPTURES   HOURS (UTC)")
    checkout = next(row for row in rows if row.startswith("checkout"))
    assert checkout.endswith("2/3        06, 20")
    assert "CAPTURES" not in render_wide(graphs()[0])
    narrow = render_wide(merge_graphs(graphs()), 40).splitlines()
    assert "  captures: 2/3, hours (UTC): 06, 20" in narrow


class Held:
    """Stands for a capture: of values that refer to each other, which `gc` alone finds."""

    def __init__(self) -> None:
        self.itself = self


def test_one_capture_is_let_go_before_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The room of the largest is enough, however many there are."""
    held: list[weakref.ref[Held]] = []
    (graph, *_) = graphs()

    def each(*_: object) -> Iterator[Held]:
        for _number in range(3):
            assert [one for one in held if one() is not None] == []
            made = [Held()]
            held.append(weakref.ref(made[0]))
            yield made.pop()

    monkeypatch.setattr(each_mapped, "each_capture", each)
    monkeypatch.setattr(each_mapped, "map_capture", lambda *_: SimpleNamespace(graph=graph))
    gc.disable()
    try:
        assert graph_input.read_graph(CAPTURES, Selection()).coverage is not None
    finally:
        gc.enable()
    assert len(held) == 3


def test_a_capture_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    """The second one is none, and the first is read all the same."""
    found = each_capture([CAPTURES[0], tmp_path], None, ReadOptions(), unwatched, no_service)
    assert graph_capture(next(found)).calls
    with pytest.raises(InputError):
        next(found)

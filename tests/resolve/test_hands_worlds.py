"""S12: whatever is handed over when, and however it was recorded, no call gets a wrong caller."""

from dataclasses import dataclass
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from otterize_pcap.packets.link_layer import CAME_IN, ON_SEGMENT
from tests.cluster_builder import Json, Seen, edges, mapped, pod, snapshot
from tests.resolve.test_hands import ADDRESS, AUDIT, by

PORT = 80


@dataclass(frozen=True, slots=True)
class Turn:
    """One pod's turn at the address: from when to when, and when it called; in seconds."""

    number: int
    start: float
    end: float
    calls: tuple[float, ...]

    @property
    def name(self) -> str:
        """The workload that it was."""
        return f"pod-{self.number}"


@st.composite
def turns(draw: st.DrawFn) -> list[Turn]:
    """Pods that have an address in turn; each sends at least once, as pods that serve do."""
    found: list[Turn] = []
    now = 0.0
    for number in range(draw(st.integers(1, 4))):
        now += draw(st.sampled_from([0.1, 0.7, 1.5, 5.0]))
        start = now
        calls = []
        for _ in range(draw(st.integers(1, 3))):
            now += draw(st.sampled_from([0.1, 0.9, 1.9, 2.1, 8.0]))
            calls.append(now)
        now += draw(st.sampled_from([0.15, 0.5, 2.5]))
        found.append(Turn(number, start, now, tuple(calls)))
    return found


# The first pod's interface and by how much each next one's is higher, its MAC address and the same,
# and which way frames passed.
RECORDED = {
    "own interfaces": (7, 1, 0x0A00, 1, CAME_IN),
    "own interfaces, one MAC": (7, 1, 0x0A00, 0, CAME_IN),
    "MAC addresses": (0, 0, 0x0A00, 1, CAME_IN),
    "one MAC": (0, 0, 0x0A00, 0, CAME_IN),
    "uplink": (0, 0, 0xEE00, 0, ON_SEGMENT),
}


def recorded(found: list[Turn], how: str) -> list[Seen]:
    """All calls, each to a port that tells whose it was."""
    seen: list[Seen] = []
    for turn in found:
        interface, next_interface, mac, next_mac, way = RECORDED[how]
        interface += next_interface * turn.number
        mac += next_mac * turn.number
        for place, at in enumerate(turn.calls):
            client = f"{ADDRESS}:{40000 + 10 * turn.number + place}"
            seen += by(client, at, interface, mac, way=way, port=PORT + turn.number, lasting=0.05)
    return seen


def true_edges(found: list[Turn]) -> set[str]:
    """Who really called."""
    return {f"{turn.name} -> audit:{PORT + turn.number}" for turn in found}


def document(turn: Turn, start: float, end: float | None = None) -> Json:
    """A pod as the API has it."""
    over: dict[str, Any] = {} if end is None else {"phase": "Succeeded", "finished": end}
    return pod(turn.name, ADDRESS, start=start, ready=start, **over)


def seen_by_watch(turn: Turn, late: float, later: float) -> Json:
    """A pod of which a watch learned late, or by a clock that is behind."""
    start = turn.start + late
    return document(turn, start, max(turn.end + later, start + 0.01))


AUDITED = pod("audit", AUDIT, node="b")


@given(
    found=turns(),
    how=st.sampled_from(sorted(RECORDED)),
    late=st.lists(st.sampled_from([-0.9, 0.0, 0.4, 1.2]), min_size=8, max_size=8),
)
def test_watch_that_is_late_by_less_than_the_slack(
    found: list[Turn], how: str, late: list[float]
) -> None:
    """Every edge is true, however the recording tells pods apart, or does not."""
    known = snapshot(
        *(seen_by_watch(turn, late[turn.number], late[4 + turn.number]) for turn in found), AUDITED
    )
    assert edges(mapped(known, recorded(found, how))) <= true_edges(found)


@given(
    found=turns(),
    how=st.sampled_from(["own interfaces", "own interfaces, one MAC"]),
    taken=st.integers(0, 3),
)
def test_one_look_at_whoever_had_the_address(found: list[Turn], how: str, taken: int) -> None:
    """What others did before and after is nobody's that the snapshot knows.

    The API says the second in which a pod began. One that is gone by the end of that second cannot
    be told from its heir, and is left out here.
    """
    seen = found[taken % len(found)]
    heirs = found[found.index(seen) + 1 :]
    assume(not heirs or seen.calls[-1] > int(seen.start) + 1)
    known = snapshot(document(seen, float(int(seen.start))), AUDITED, watch=None)
    told = edges(mapped(known, recorded(found, how)))
    assert told <= {f"{seen.name} -> audit:{PORT + seen.number}"}

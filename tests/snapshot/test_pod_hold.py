"""S10: from when to when a pod held its address, where its status leaves something open."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.addresses import parse_address
from otterize_pcap.cluster.snapshot.address_history import AddressHistory
from otterize_pcap.cluster.snapshot.kept_objects import kept_object
from otterize_pcap.graph.fate import Fate
from otterize_pcap.intervals import OPEN
from otterize_pcap.resolve.build_graph import SHOWN
from otterize_pcap.resolve.resolution import AMBIGUOUS
from otterize_pcap.snapshot.snapshot import Tenure
from otterize_pcap.timestamps import kubernetes_time, parse_time
from tests.cluster_builder import (
    SECOND,
    START,
    Json,
    call,
    edges,
    fates,
    mapped,
    pod,
    snapshot,
    stamp,
)

ADDRESS = "10.1.0.1"
INF = float("inf")


def condition(kind: str, status: str, at: float) -> Json:
    """A condition of a pod, and when it became so."""
    return {"type": kind, "status": status, "lastTransitionTime": stamp(at)}


def ran(started: float | None, finished: float | None = None) -> Json:
    """The state of a container that ended; None where nobody saw when."""
    times = {"startedAt": started, "finishedAt": finished}
    return {
        "terminated": {key: None if at is None else stamp(at) for key, at in times.items()},
    }


def runs(started: float) -> Json:
    """The state of a container that runs."""
    return {"running": {"startedAt": stamp(started)}}


def made(
    phase: str,
    *states: Json,
    init: tuple[Json, ...] = (),
    conditions: tuple[Json, ...] = (),
    deleted: float | None = None,
    start: float = 0,
    workload: str = "x",
) -> Json:
    """A pod at 10.1.0.1 without `PodReadyToStartContainers`."""
    found = pod(workload, ADDRESS, start=start, phase=phase)
    found["status"] |= {
        "conditions": list(conditions),
        "containerStatuses": [{"state": state} for state in states],
        "initContainerStatuses": [{"state": state} for state in init],
    }
    if deleted is not None:
        found["metadata"]["deletionTimestamp"] = stamp(deleted)
    return found


def held(*states: Json, **more: Any) -> tuple[float, float, float]:  # noqa: ANN401 - as they are
    """Perhaps from, certainly from, and until: seconds after `START`, infinity where open."""
    (only,) = snapshot(*states, **more).tenures[parse_address(ADDRESS)]
    return in_seconds(only)


def in_seconds(tenure: Tenure) -> tuple[float, float, float]:
    """A tenure's three times in seconds after `START`."""
    times = (tenure.possible.start_ns, tenure.interval.start_ns, tenure.interval.end_ns)
    assert tenure.possible.end_ns == tenure.interval.end_ns
    first, second, third = (INF if at == OPEN else (at - START) / SECOND for at in times)
    return first, second, third


NOT_READY = (condition("Ready", "False", 40), condition("ContainersReady", "False", 39))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            made("Failed", ran(None), conditions=NOT_READY), (0, 0, 39), id="node rebooted"
        ),
        pytest.param(
            made("Failed", runs(5), conditions=(condition("DisruptionTarget", "True", 30),)),
            (0, 5, 30),
            id="collected after its node was gone, containers as last seen",
        ),
        pytest.param(made("Failed", ran(5), deleted=50), (0, 5, 50), id="deleted, end unseen"),
        pytest.param(made("Failed"), (0, 0, 0), id="nothing known: it held nothing for certain"),
        pytest.param(
            made("Failed", ran(5), init=(ran(2, 4),), conditions=NOT_READY),
            (0, 2, 39),
            id="only its init container was seen to end",
        ),
        pytest.param(
            made("Failed", {"waiting": {}}, init=(ran(2, 9),), conditions=NOT_READY),
            (0, 2, 9),
            id="an init container failed, the others never ran",
        ),
        pytest.param(
            made("Failed", ran(5), conditions=(condition("Ready", "False", 0),), deleted=60),
            (0, 5, 60),
            id="what was never ready did not end so",
        ),
        pytest.param(made("Succeeded", ran(5, 8), ran(5, 11)), (0, 5, 11), id="the latest ends it"),
        pytest.param(
            made("Running", runs(5), deleted=70), (0, 5, 70), id="terminating on a dead node"
        ),
        pytest.param(
            made("Running", runs(50), conditions=(condition("Ready", "True", 6),)),
            (0, 6, INF),
            id="ready proves an address",
        ),
        pytest.param(made("Pending", start=4), (4, INF, INF), id="pending, nothing proves it"),
    ],
)
def test_hold(found: Json, expected: tuple[float, float, float]) -> None:
    """S10: a pod that is over always ends; without its sandbox's time the beginning is perhaps."""
    assert held(found) == expected


def test_the_epoch_s_first_second_is_no_time() -> None:
    """S10: a container that could not be started has 1970 as its start."""
    found = made("Failed", ran(None, 8))
    found["status"]["containerStatuses"][0]["state"]["terminated"]["startedAt"] = (
        "1970-01-01T00:00:00Z"
    )
    assert held(found) == (0, 0, 8)


@pytest.mark.parametrize(
    ("at", "watch", "expected"),
    [
        pytest.param(4, None, AMBIGUOUS, id="perhaps, and nobody knows all pods"),
        pytest.param(4, (-10, 100), SHOWN, id="perhaps, and a watch knows of no other"),
        pytest.param(30, None, SHOWN, id="certain"),
    ],
)
def test_what_is_perhaps(at: float, watch: tuple[float, float] | None, expected: Fate) -> None:
    """S10: before its first container a pod perhaps had not got its address yet."""
    known = snapshot(made("Running", runs(20)), pod("server", "10.1.0.9", ports=[80]), watch=watch)
    assert fates(mapped(known, call(f"{ADDRESS}:4000", "10.1.0.9:80", at))) == {expected: 1}


def test_perhaps_is_ambiguous_with_another() -> None:
    """S10: who else may have had the address is named, also where a watch knows all pods."""
    known = snapshot(
        made("Succeeded", ran(-90, 10), start=-100, workload="old") | {"spec": {}},
        {**made("Running", runs(20), workload="new")},
        pod("server", "10.1.0.9", ports=[80]),
    )

    def at(seconds: float) -> tuple[set[str], dict[Fate, int]]:
        found = mapped(known, call(f"{ADDRESS}:4000", "10.1.0.9:80", seconds))
        return edges(found), fates(found)

    assert at(5) == (set(), {AMBIGUOUS: 1})
    assert at(-50) == ({"old -> server:80"}, {SHOWN: 1})
    assert at(30) == ({"new -> server:80"}, {SHOWN: 1})


times = st.integers(1, 60)
optional_times = st.none() | times
container_states: st.SearchStrategy[Json] = st.one_of(
    st.just({"waiting": {}}), st.builds(runs, times), st.builds(ran, optional_times, optional_times)
)
pods = st.builds(
    lambda phase, states, init, conditions: made(
        phase, *states, init=tuple(init), conditions=tuple(conditions)
    ),
    st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]),
    st.lists(container_states, max_size=2),
    st.lists(container_states, max_size=2),
    st.lists(
        st.builds(
            condition,
            st.sampled_from(
                ["PodReadyToStartContainers", "Ready", "ContainersReady", "DisruptionTarget"]
            ),
            st.sampled_from(["True", "False"]),
            times,
        ),
        max_size=3,
        unique_by=lambda found: found["type"],
    ),
)


@given(pods)
def test_watch_and_reader_say_the_same(found: Json) -> None:
    """S10: the hold that a watch writes down is the tenure that is read out of the object."""
    history = AddressHistory()
    kept = kept_object("Pod", "v1", found)
    history.saw(kept, kubernetes_time(START + 100 * SECOND), first_list=True)
    (entry,) = history.documents()
    (read,) = snapshot(kept, observed=[entry]).tenures[parse_address(ADDRESS)]
    (alone,) = snapshot(kept).tenures[parse_address(ADDRESS)]
    assert read.possible == alone.possible
    assert read.interval.end_ns == alone.interval.end_ns
    assert parse_time(entry["start"]) == min(alone.interval.start_ns, START + 100 * SECOND)
    if entry["end"]:
        assert parse_time(entry["end"]) == alone.interval.end_ns

"""S10, S13, S61: objects in several states, and what several watches saw, in any order of files."""

import itertools
import json
from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from otterize_pcap.addresses import format_address, parse_address
from otterize_pcap.intervals import OPEN
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.cluster_builder import (
    NODES,
    SECOND,
    START,
    Json,
    endpoint_slice,
    item,
    owner,
    pod,
    service,
    stamp,
)

INF = float("inf")


def document(*items: Json, **own: object) -> Json:
    """A snapshot file of these objects, and of what a watch saw."""
    return {"kind": "List", "items": [*items, *NODES], "otterize": own}


def read(documents: Sequence[Json]) -> Snapshot:
    """A snapshot out of several files, which are named in the order in which they come."""
    return parse_snapshot(
        (f"{number}.json", json.dumps(found).encode()) for number, found in enumerate(documents)
    )


def in_any_order(*documents: Json) -> Snapshot:
    """The snapshot that these files make in every order; the last of them twice."""
    orders = [list(order) for order in itertools.permutations(documents)]
    found = [described(read([*order, documents[-1]])) for order in orders]
    assert all(each == found[0] for each in found)
    return read(documents)


def described(known: Snapshot) -> str:
    """All that a snapshot holds, but for the names of its files."""
    return repr(replace(known, where="", owners=dict(sorted(known.owners.items()))))


def held(known: Snapshot) -> dict[str, list[tuple[str, float, float]]]:
    """Address → pods with their certain times, in seconds after `START`."""

    def seconds(time_ns: int) -> float:
        return INF if time_ns == OPEN else (time_ns - START) / SECOND

    return {
        format_address(address): [
            (each.pod.name, seconds(each.interval.start_ns), seconds(each.interval.end_ns))
            for each in tenures
        ]
        for address, tenures in known.tenures.items()
    }


def versioned(found: Json, version: int) -> Json:
    """An object with the version that the API server gave its state."""
    return found | {"metadata": found["metadata"] | {"resourceVersion": str(version)}}


@pytest.mark.parametrize("number", [None, versioned], ids=["no versions", "versions"])
def test_pod_that_got_its_address_and_ended(number: Callable[[Json, int], Json] | None) -> None:
    """S10: what a later state no longer says, when the network was ready, an earlier one did."""
    states = [
        pod("x", None, phase="Pending", start=3),
        pod("x", "10.1.0.1", start=3, ready=5),
        pod("x", "10.1.0.1", start=3, finished=40, phase="Succeeded"),
    ]
    if number is not None:
        states = [number(state, version) for version, state in enumerate(states, 99)]
    known = in_any_order(*map(document, states))
    assert held(known) == {"10.1.0.1": [("x-pod", 5, 40)]}


def test_pod_whose_network_was_made_anew() -> None:
    """S10: the address of the earlier state ends when the later one's network was ready."""
    known = in_any_order(
        document(versioned(pod("x", "10.1.0.1", ready=5), 9)),
        document(versioned(pod("x", "10.1.0.2", ready=30), 10)),
    )
    assert held(known) == {"10.1.0.1": [("x-pod", 5, 30)], "10.1.0.2": [("x-pod", 30, INF)]}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(["old"], ["new"], 30, id="gone from the later file"),
        pytest.param(["old"], ["old", "new"], INF, id="one file has both"),
        pytest.param(["old", "new"], ["new"], INF, id="an earlier file has both"),
    ],
)
def test_pod_that_nobody_saw_go(before: list[str], after: list[str], expected: float) -> None:
    """S10: who has its address in a file that lacks the pod got it when the pod was gone."""
    pods = {"old": pod("old", "10.1.0.1", ready=5), "new": pod("new", "10.1.0.1", ready=30)}
    known = in_any_order(
        document(*(pods[name] for name in before)), document(*(pods[name] for name in after))
    )
    assert held(known) == {"10.1.0.1": [("old-pod", 5, expected), ("new-pod", 30, INF)]}


def test_files_of_other_namespaces_tell_nothing_of_a_pod() -> None:
    """S10: a pod is gone only where its namespace's other pods are."""
    old = pod("old", "10.1.0.1", ready=5, namespace="one")
    new = pod("new", "10.1.0.1", ready=30, namespace="two")
    known = in_any_order(document(old), document(new))
    assert held(known)["10.1.0.1"] == [("old-pod", 5, INF), ("new-pod", 30, INF)]


def test_services_and_slices_in_two_states() -> None:
    """S21: what a Service listened on and led to, at any time, is known."""
    known = in_any_order(
        document(
            versioned(service("s", "10.96.0.1", 80), 1),
            versioned(endpoint_slice("s", ["10.1.0.1"]), 2),
        ),
        document(
            versioned(service("s", "10.96.0.1", 81), 3),
            versioned(endpoint_slice("s", ["10.1.0.2"]), 4),
        ),
    )
    ((_, port_80), (_, port_81)) = sorted(
        (key[2], listeners) for key, listeners in known.listeners.items()
    )
    assert len(port_80) == len(port_81) == 1
    (found,) = known.services
    assert [port.port for port in found.ports] == [81, 80]
    assert {format_address(each.address) for each in found.backends["TCP", 80]} == {
        "10.1.0.1",
        "10.1.0.2",
    }


def test_owner_of_one_name_after_another() -> None:
    """S2: of two objects that had one name in turn, the younger tells who owns it."""
    old = item("ReplicaSet", "web", owners=[owner("Deployment", "old")])
    new = item("ReplicaSet", "web", owners=[owner("Deployment", "new")])
    old["metadata"] |= {"uid": "1", "creationTimestamp": stamp(0)}
    new["metadata"] |= {"uid": "0", "creationTimestamp": stamp(9)}
    known = in_any_order(document(old, pod("x", "10.1.0.1")), document(new))
    assert known.owners["ReplicaSet", "app", "web"][0].name == "new"


def seen(start: float, end: float | None, uid: str = "app/x-pod") -> Json:
    """What a watch saw of 10.1.0.1."""
    ended = None if end is None else stamp(end)
    return {"uid": uid, "ip": "10.1.0.1", "kind": "Pod", "start": stamp(start), "end": ended}


OTHER = seen(0, None, "other")


def test_between_two_watches_nobody_watched() -> None:
    """S10, S13: every pod is known only of the time of one watch or another."""
    made = pod("x", "10.1.0.1")
    known = in_any_order(
        document(made, watchStart=stamp(0), watchEnd=stamp(50)),
        document(made, watchStart=stamp(100), watchEnd=stamp(150)),
    )
    times = [(10, 40), (60, 70), (40, 110), (120, 150), (120, 151)]
    watched = [known.watched(*(START + at * SECOND for at in time)) for time in times]
    assert watched == [True, False, False, True, False]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param([seen(1, None)], [seen(1, None)], [(1, INF)], id="there all the time"),
        pytest.param([seen(1, None)], [seen(1, 120)], [(1, 120)], id="ended in the second"),
        pytest.param([seen(1, None)], [OTHER], [(1, 100)], id="gone when the second began"),
        pytest.param([seen(1, 9)], [seen(1, 9)], [(1, 9)], id="over, and still listed"),
        pytest.param([seen(1, 9)], [seen(110, None)], [(1, 9), (110, INF)], id="had it twice"),
        pytest.param([OTHER], [seen(110, None)], [(110, INF)], id="came in the second"),
    ],
)
def test_two_watches(
    first: list[Json], second: list[Json], expected: list[tuple[float, float]]
) -> None:
    """S10: what lasted when one watch ended goes on in the next, or was over when that began."""
    made = pod("x", "10.1.0.1", start=0)
    times = {"takenAt": stamp(0), "watchStart": stamp(0), "watchEnd": stamp(50)}
    later = {"takenAt": stamp(100), "watchStart": stamp(100), "watchEnd": stamp(150)}
    known = in_any_order(
        document(made, **times, observed=first), document(made, **later, observed=second)
    )
    assert [entry[1:] for entry in held(known)["10.1.0.1"]] == expected
    assert parse_address("10.1.0.1") in known.tenures

"""S12, S13: packets show when an address got another pod, at interfaces of its own node."""

import pytest
from msgspec.structs import replace

from otterize_pcap.connections.origins import Origin
from otterize_pcap.packets.link_layer import CAME_IN, ON_SEGMENT, OUTGOING
from otterize_pcap.resolve.hands import Places
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.resolution import AMBIGUOUS, CHANGED_HANDS
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.cluster_builder import (
    Seen,
    call,
    edges,
    fates,
    mapped,
    pod,
    recording,
    snapshot,
    stamp,
)

ADDRESS, AUDIT = "10.1.0.1", "10.1.0.9"
MAC, HEIRS_MAC, ROUTER, NEAR = 0x0A01, 0x0A02, 0xEE01, 0x0A09
VETH, HEIRS_VETH, BRIDGE = 7, 8, 3
HOLDER, HEIR = f"{ADDRESS}:40000", f"{ADDRESS}:50000"


def by(
    client: str,
    at: float,
    interface: int,
    mac: int,
    *,
    way: int = CAME_IN,
    port: int = 80,
    lasting: float = 0.1,
) -> list[Seen]:
    """A call to `audit`, as it passed an interface to which the caller's frames come."""
    seen = call(client, f"{AUDIT}:{port}", at, interface=interface, lasting=lasting)
    asked = seen[0][0].source
    answer = OUTGOING if way == CAME_IN else way
    return [
        (
            replace(found, station=way << 48 | mac)
            if found.source == asked
            else replace(found, station=answer << 48 | NEAR),
            time,
            number,
        )
        for found, time, number in seen
    ]


def watched(*, end: float = 1.4, start: float = 1.6) -> Snapshot:
    """A watch saw the address with `old`, and at once with `new`."""
    return snapshot(
        pod("old", ADDRESS, phase="Succeeded", finished=end),
        pod("new", ADDRESS, start=start, ready=start),
        pod("audit", AUDIT, node="b"),
    )


def listed(*, start: float) -> Snapshot:
    """One look at the end: `new` has the address, and got it at some second."""
    items = pod("new", ADDRESS, start=start, ready=start), pod("audit", AUDIT, node="b")
    return snapshot(*items, watch=None)


def at_once(*first: int, then: tuple[int, int], way: int = CAME_IN) -> list[Seen]:
    """A call before the change and one after it, both within the slack of it."""
    interface, mac = first
    return [
        *by(HOLDER, 1, interface, mac, way=way),
        *by(HEIR, 2, *then, port=81, way=way),
    ]


BOTH = {"old -> audit:80", "new -> audit:81"}


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "readable"])
@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(at_once(VETH, MAC, then=(HEIRS_VETH, HEIRS_MAC)), BOTH, id="veths"),
        pytest.param(at_once(VETH, MAC, then=(HEIRS_VETH, MAC)), BOTH, id="one MAC, interfaces"),
        pytest.param(at_once(0, MAC, then=(0, HEIRS_MAC)), BOTH, id="cooked v1, MACs"),
        pytest.param(at_once(0, MAC, then=(0, MAC)), set(), id="cooked v1, one MAC"),
        pytest.param(
            at_once(0, ROUTER, then=(0, ROUTER), way=ON_SEGMENT), set(), id="uplink, node's MAC"
        ),
        pytest.param(
            at_once(0, MAC, then=(0, HEIRS_MAC), way=ON_SEGMENT), set(), id="uplink, two MACs"
        ),
        pytest.param(
            [
                *at_once(VETH, MAC, then=(HEIRS_VETH, HEIRS_MAC)),
                *at_once(BRIDGE, MAC, then=(BRIDGE, HEIRS_MAC)),
            ],
            BOTH,
            id="a bridge of their own behind",
        ),
        pytest.param(
            [*by(HOLDER, 1, VETH, MAC, port=80), *by(HEIR, 2, VETH, MAC, port=81)],
            set(),
            id="one interface, too close to either",
        ),
    ],
)
def test_moment_within_the_slack(seen: list[Seen], expected: set[str], compiled: bool) -> None:
    """S12: where an address's interface or MAC changes on its own node, it changed hands."""
    found = mapped(watched(), recording(seen, compiled=compiled))
    assert edges(found) == expected
    assert fates(found).get(AMBIGUOUS, 0) == (0 if expected else 2)


def test_one_mac_of_several_addresses_is_no_pods_own() -> None:
    """S12: proxy ARP with one MAC for all pods tells nothing where interfaces are not named."""
    others = by("10.1.0.5:40000", 1, 0, HEIRS_MAC)
    known = snapshot(
        pod("old", ADDRESS, phase="Succeeded", finished=1.4),
        pod("new", ADDRESS, start=1.6, ready=1.6),
        pod("other", "10.1.0.5"),
        pod("audit", AUDIT, node="b"),
    )
    found = mapped(known, [*at_once(0, MAC, then=(0, HEIRS_MAC)), *others])
    assert edges(found) == {"other -> audit:80"}


def test_heir_that_goes_on_had_the_address_from_its_first_packet() -> None:
    """S12: one interface is one pod's, so what was certain later was so before."""
    seen = [*by(HEIR, 2, HEIRS_VETH, MAC, port=81), *by(HEIR, 20, HEIRS_VETH, MAC, port=82)]
    assert edges(mapped(watched(), seen)) == {"new -> audit:81", "new -> audit:82"}


def test_hand_across_a_change_that_the_snapshot_saw_is_nobodys() -> None:
    """S12: a process whose pod was deleted by force sends on; whose it is, nobody can say."""
    seen = by(HOLDER, 0.5, VETH, MAC, lasting=3)
    seen += by(HOLDER[:-1] + "1", 2.5, VETH, MAC)
    assert edges(mapped(watched(), seen)) == set()


def test_watch_is_believed_where_packets_contradict_it() -> None:
    """S12: a change of which a watch knows nothing was forged, or is no change of hands."""
    known = snapshot(pod("old", ADDRESS), pod("audit", AUDIT, node="b"))
    seen = [*by(HOLDER, 1, VETH, MAC), *by(HEIR, 20, HEIRS_VETH, HEIRS_MAC, port=81)]
    assert edges(mapped(known, seen)) == {"old -> audit:80", "old -> audit:81"}


def test_forged_packet_in_between_changes_nothing() -> None:
    """S12: an address that goes on as before did not change hands, whoever else sent with it."""
    forged = by(f"{ADDRESS}:60000", 5, HEIRS_VETH, HEIRS_MAC, port=82)
    seen = [*by(HOLDER, 1, VETH, MAC), *forged, *by(HEIR, 20, VETH, MAC, port=81)]
    known = snapshot(pod("old", ADDRESS), pod("audit", AUDIT, node="b"), watch=None)
    assert {"old -> audit:80", "old -> audit:81"} <= edges(mapped(known, seen))


@pytest.mark.parametrize("start", [-100, 0], ids=["old pod", "young pod"])
def test_snapshot_from_before_is_stale_after_a_change(start: float) -> None:
    """S13: what came from another interface later was another pod's, which it lacks."""
    known = listed(start=start)
    seen = [*by(HOLDER, 3, VETH, MAC), *by(HEIR, 20, HEIRS_VETH, HEIRS_MAC, port=81)]
    found = mapped(known, seen)
    assert edges(found) == {"new -> audit:80"}
    assert fates(found)[CHANGED_HANDS] == 1


def test_who_perhaps_had_an_address_is_no_owner_of_what_came_before() -> None:
    """S10, S12: before Kubernetes 1.29 nothing says when; one who never sent later had no hand."""
    late = pod("new", ADDRESS, start=0)
    late["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": stamp(10)}}
    known = snapshot(late, pod("audit", AUDIT, node="b"), watch=None)
    found = mapped(known, by(HOLDER, 5, VETH, MAC))
    assert edges(found) == set()
    assert fates(found) == {AMBIGUOUS: 1}
    later = by(HEIR, 20, HEIRS_VETH, HEIRS_MAC, port=81)
    assert edges(mapped(known, [*by(HOLDER, 5, VETH, MAC), *later])) == {"new -> audit:81"}
    before = by(HEIR, 5, HEIRS_VETH, HEIRS_MAC)
    assert edges(mapped(known, [*before, *later])) == {"new -> audit:80", "new -> audit:81"}


def test_snapshot_from_after_is_stale_before_a_change() -> None:
    """S13: a pod that began when the address changed hands did not have it before."""
    found = mapped(listed(start=1), at_once(VETH, MAC, then=(HEIRS_VETH, HEIRS_MAC)))
    assert edges(found) == {"new -> audit:81"}
    assert fates(found)[CHANGED_HANDS] == 1


def test_pod_that_moved_here_did_not_send_from_elsewhere() -> None:
    """S12: an address that came from another node before was another pod's."""
    known = snapshot(
        pod("old", ADDRESS, node="b", phase="Succeeded", finished=1.4),
        pod("new", ADDRESS, start=1.6, ready=1.6),
        pod("audit", AUDIT, node="b"),
        pod("far", "10.1.0.8", node="b"),
    )
    far = by("10.1.0.8:40000", 0.5, 2, ROUTER)
    seen = [*far, *at_once(2, ROUTER, then=(VETH, MAC))]
    assert edges(mapped(known, seen)) == {*BOTH, "far -> audit:80"}


def notes(found: MappedCapture) -> str:
    """All notes of the summary."""
    assert found.graph.coverage is not None
    return "\n".join(found.graph.coverage.notes)


def test_summary_says_that_no_interface_of_a_pod_was_recorded() -> None:
    """S12, S13: where nothing can show a change of hands, the summary says so, and what would."""
    said = "no interface of a pod's own was recorded"
    uplink = at_once(0, ROUTER, then=(0, ROUTER), way=ON_SEGMENT)
    shown = at_once(VETH, MAC, then=(HEIRS_VETH, HEIRS_MAC))
    assert said in notes(mapped(watched(), uplink))
    assert said in notes(mapped(listed(start=-100), uplink))
    assert said not in notes(mapped(watched(), shown))
    nameless = mapped(listed(start=-100), recording(shown, "all"))
    assert "no recording is named like a node" in notes(nameless)
    assert said not in notes(mapped(listed(start=-100), shown))


@pytest.mark.parametrize(
    ("neighbour", "hands"),
    [pytest.param(None, 2, id="alone"), pytest.param(b"neighbour", 0, id="with one of its node")],
)
def test_other_addresses_say_whose_place_it_is(neighbour: bytes | None, hands: int) -> None:
    """S12: an address is no witness of where it was itself; another one of its node is."""
    second = 1_000_000_000
    homes = {b"moved": "a", b"neighbour": "a", b"one": "b", b"other": "c"}
    recordings = [
        [
            Origin(address, 0, ON_SEGMENT << 48 | 1, at * second, at * second)
            for address in (b"moved", witness, neighbour)
            if address is not None
        ]
        for at, witness in ((1, b"one"), (5, b"other"))
    ]
    places = Places(
        recordings,
        ("x", "y"),
        {address: frozenset((address.decode(),)) for address in homes},
        {address: frozenset((node,)) for address, node in homes.items()},
    )
    assert len(places.hands(b"moved", (0, 0))) == hands

"""S25: whose packets are believed on which node, where a closed tunnel held some in their name."""

from collections.abc import Iterable
from typing import NoReturn

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from otterize_pcap.addresses import parse_address
from otterize_pcap.connections.conntrack import Dump, Entry
from otterize_pcap.files.forged_rows import Strays
from otterize_pcap.packets.closed_tunnels import ClosedTunnels
from otterize_pcap.packets.protocols import TCP
from otterize_pcap.snapshot.snapshot import Snapshot, Tenure
from tests.cluster_builder import pod, snapshot

NODES = ("a", "b", "c")
ADDRESSES = [f"10.1.0.{number}" for number in range(1, 5)]
SERVER = (parse_address("192.0.2.1"), 80)
Pods = list[tuple[str, str]]
"""The address and the node of each."""


def known(pods: Pods) -> Snapshot:
    """A snapshot with some pods."""
    named = [(f"p{number}", *each) for number, each in enumerate(pods)]
    return snapshot(*(pod(name, address, node=node) for name, address, node in named))


def claims(addresses: Iterable[str]) -> ClosedTunnels:
    """Closed tunnels that held a packet of each."""
    return ClosedTunnels(claims={(TCP, (parse_address(each), 40000), SERVER) for each in addresses})


@given(
    st.lists(st.tuples(st.sampled_from(ADDRESSES), st.sampled_from(NODES)), min_size=1, max_size=6),
    st.sets(st.sampled_from(NODES)),
    st.sets(st.sampled_from(ADDRESSES)),
)
def test_strays_are_of_pods_whose_nodes_were_recorded(
    pods: Pods, recorded: set[str], claimed: set[str]
) -> None:
    """One is a stray on each node but its pods', and only where all of theirs were recorded."""
    snapshot_of_all = known(pods)
    strays = Strays.of(claims(claimed), recorded, snapshot_of_all)
    for text in ADDRESSES:
        client = (parse_address(text), 40000)
        homes = {held.pod.node for held in snapshot_of_all.tenures.get(client[0], ())}
        is_told = text in claimed and bool(homes) and homes <= recorded
        for node in NODES:
            expected = is_told and node not in homes
            found = client[0] in strays.elsewhere(node) and (TCP, client) in strays.ends
            entry = Entry(TCP, "", 1, client, SERVER, SERVER, client, assured=True, replied=True)
            (dump,) = strays.left_out([Dump(node, 0, (entry,))])
            assert (found, not dump.entries) == (expected, expected)


class Unlisted(dict[bytes, tuple[Tenure, ...]]):
    """What can be looked up, and not gone through."""

    def __iter__(self) -> NoReturn:
        """Refuse."""
        raise AssertionError

    items = values = keys = __iter__


def test_pods_are_not_gone_through() -> None:
    """To list for each node who is elsewhere took nodes times pods, for one datagram of a pod."""
    everybody = known([(ADDRESSES[0], "a"), (ADDRESSES[1], "b")])
    looked_up = replace(everybody, tenures=Unlisted(everybody.tenures))
    strays = Strays.of(claims(ADDRESSES[:1]), NODES, looked_up)
    assert strays.ends == {(TCP, (parse_address(ADDRESSES[0]), 40000))}
    assert [parse_address(ADDRESSES[0]) in strays.elsewhere(node) for node in NODES] == [
        False,
        True,
        True,
    ]

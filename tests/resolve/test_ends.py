"""S12: each end of a connection had its address while it sent."""

import pytest

from otterize_pcap.packets.protocols import ACK, FIN, RST
from otterize_pcap.resolve.build_graph import SHOWN
from otterize_pcap.resolve.resolve import OUTSIDE_TENURE
from tests.cluster_builder import (
    Seen,
    call,
    edges,
    fates,
    mapped,
    packet,
    pod,
    recording,
    snapshot,
)

JOB, SERVER = "10.1.0.1", "10.1.0.2"
CALL = call(f"{JOB}:40000", f"{SERVER}:80")
LATE_FIN = (packet(f"{SERVER}:80", f"{JOB}:40000", ACK | FIN, 7, 8), 9.0, 1)
LATE_RESET = (packet(f"{JOB}:40000", f"{SERVER}:80", RST, 8), 9.001, 1)
LATE_DATA = (packet(f"{JOB}:40000", f"{SERVER}:80", ACK, 8, 9), 9.002, 1)
BACK = call(f"{SERVER}:50000", f"{JOB}:80")
LATE_RETRY = (packet(f"{SERVER}:50000", f"{JOB}:80", ACK, 8, 9), 9.0, 1)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "readable"])
@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param([*CALL, LATE_FIN], {"job -> server:80"}, id="the peer's FIN"),
        pytest.param([*CALL, LATE_FIN, LATE_RESET], {"job -> server:80"}, id="a heir's RST"),
        pytest.param([*BACK, LATE_RETRY], {"server -> job:80"}, id="retransmission to a server"),
        pytest.param([*CALL, LATE_FIN, LATE_DATA], set(), id="it sent later itself"),
    ],
)
def test_what_a_peer_sends_to_a_dead_pod_is_no_part_of_the_call(
    seen: list[Seen], expected: set[str], compiled: bool
) -> None:
    """S12: an address must be the pod's while it sent, whatever was sent to it later."""
    known = snapshot(
        pod("job", JOB, phase="Succeeded", finished=1),
        pod("server", SERVER),
    )
    found = mapped(known, recording(seen, compiled=compiled))
    assert edges(found) == expected
    assert fates(found) == ({SHOWN: 1} if expected else {OUTSIDE_TENURE: 1})

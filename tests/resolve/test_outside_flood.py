"""A pod that calls thousands of servers outside: each of them is shown, and takes little room."""

import struct
from pathlib import Path

import pytest

from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.service_graph import External
from otterize_pcap.packets.protocols import ACK, SYN, TCP
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.table.chunk import FAST_PATH
from tests.conftest import FIXTURES
from tests.hostile.memory import within_memory

SERVERS = 20_000
A_SERVER = 2_500
"""Bytes, at the worst moment: 1,500 with the call, its port and its evidence (6,000 at first, when
all connections were held with their packets)."""
LINUX_RAW = 101
"""The link type of packets that begin with IP."""
BEGUN_S = 1795417007
POD = bytes([10, 244, 1, 2])
FIRST = 20 << 24


def segment(server: int, flags: int, *, is_answer: bool) -> bytes:
    """One segment of the handshake with a server, as a record."""
    ends = (POD, server.to_bytes(4))
    ports = (40000, 443)
    source, target = ends[::-1] if is_answer else ends
    low, high = ports[::-1] if is_answer else ports
    sent, seen = (server * 11, server * 7 + 1) if is_answer else (server * 7, server * 11 + 1)
    tcp = struct.pack(
        ">HHIIBBHHH", low, high, sent % 2**32, seen % 2**32 * (flags != SYN), 0x50, flags, 99, 0, 0
    )
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, TCP, 0, source, target)
    return struct.pack("<IIII", BEGUN_S, 600_000, 40, 40) + ip + tcp


@pytest.mark.skipif(not FAST_PATH, reason="not compiled: a row is a Python object then")
def test_each_server_outside_takes_little_room(tmp_path: Path) -> None:
    """A million of them take a gigabyte and a half, not six (S50)."""
    path = tmp_path / "flood.pcap"
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, LINUX_RAW))
        for server in range(FIRST, FIRST + SERVERS):
            file.write(segment(server, SYN, is_answer=False))
            file.write(segment(server, SYN | ACK, is_answer=True))
            file.write(segment(server, ACK, is_answer=False))
    (capture,) = open_captures([path], [FIXTURES / "tutorial-before" / "snapshot.json"])
    with within_memory(A_SERVER * SERVERS):
        graph = graph_capture(capture, Rules(inclusion=Inclusion(internet=True), force=True))
    assert len(graph.calls) == SERVERS
    assert {type(call.server) for call in graph.calls} == {External}

"""Captures of `fixtures/cases` where evidence was weighed wrongly or left out unsaid."""

import shutil
from pathlib import Path

from otterize_pcap.files.captures import open_captures
from otterize_pcap.resolve.map_capture import MappedCapture, map_capture
from otterize_pcap.table.read import ReadOptions
from tests.cluster_builder import edges, fates
from tests.conftest import FIXTURES, Otterize

CASES = FIXTURES / "cases"
REVERSED = CASES / "udp-conntrack-s31-reversed" / "capture"
ALIVE_AT_THE_TIME = {
    "device -> coap-gw:5684/UDP",
    "quic-client -> quic-api:8443/UDP",
    "snmp-poller -> snmp-device:161/UDP",
    "wg-a -> wg-b:51820/UDP",
}
TUNED = {
    "cart -> billing:45000",
    "cart -> orders:50051",
    "gateway -> billing:45000",
    "gateway -> inventory:50052",
    "gateway -> orders:50051",
    "pgbouncer -> postgres:5432",
}


def mapped(path: Path) -> MappedCapture:
    """What the mapper makes of the only capture there."""
    (capture,) = open_captures([path], None, ReadOptions())
    return map_capture(capture)


def test_entry_that_a_push_made_anew() -> None:
    """S31: an entry says who called while it was alive, and a server's push makes it no client."""
    assert edges(mapped(REVERSED)) == ALIVE_AT_THE_TIME | {"olddevice -> dtls-gw:5685/UDP"}


def test_push_after_a_pause(tmp_path: Path) -> None:
    """S34: without conntrack, whoever speaks first after 30 s of quiet is no client for that."""
    copy = tmp_path / "capture"
    shutil.copytree(REVERSED, copy)
    for dump in copy.glob("node/*/conntrack-*"):
        dump.unlink()
    assert edges(mapped(copy)) == ALIVE_AT_THE_TIME


def test_pool_from_a_tuned_range_of_ports() -> None:
    """S31, S32, S35: declared ports and conntrack are strong, what looks ephemeral is weak."""
    assert edges(mapped(CASES / "s35-tuned-port-range-missing" / "capture")) == TUNED


def test_one_direction_of_tcp_is_answered() -> None:
    """S40: whoever acknowledges and sends after its SYN was answered, though nobody saw it."""
    found = mapped(CASES / "oneway-unanswered" / "capture")
    assert edges(found) == {
        "cart -> queue:41999",
        "cart -> rpc2:5001/UDP",
        "orders -> pay:8080",
        "pay -> db:5432",
        "web -> cart:8080",
        "web -> orders:8080",
    }
    assert {fate.reason for fate in fates(found)} == {"", "one-way UDP"}


def test_cut_off_packets_are_the_reason(otterize: Otterize) -> None:
    """S65: where no packet shows its ports, the summary says so and what to do."""
    result = otterize("intents", "list", CASES / "snaplen64" / "capture")
    assert result.stdout == ""
    assert "476 packets were cut off by the capture's snaplen" in result.stderr
    assert "--snaplen" in result.stderr

"""Each definition once: what the compiled path has of Python's is handed over, or compared."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from otterize_pcap.addresses import (
    PRIVATE,
    format_address,
    is_not_a_call,
    is_private,
    parse_address,
)
from otterize_pcap.packets import link_layer
from otterize_pcap.packets.ports import DNS_PORTS
from otterize_pcap.records import link_names
from otterize_pcap.table import chunk
from otterize_pcap.table.read import FAST_PATH, ReadOptions, read_capture
from tests.capture_bytes import ethernet, ipv4, ipv6, pcap, tcp, udp

compiled = pytest.mark.skipif(not FAST_PATH, reason="the compiled path was not built")
NUMBERS = Path(chunk.__file__).with_name("_numbers.pxd")


def declined(frame: bytes, link_type: int = 1, *, collect_names: bool = False) -> bool:
    """Whether the compiled path leaves a frame to the reference."""
    options = ReadOptions(collect_names=collect_names)
    counts = read_capture(io.BytesIO(pcap([frame], link_type)), "x", options).counts
    assert counts.packets == 1
    return counts.declined == 1


@compiled
def test_every_copied_number_is_compared() -> None:
    """No number is added to C without the place in Python that it has to equal."""
    from otterize_pcap.table._handover import COPIES  # noqa: PLC0415 - perhaps not built

    copied = re.findall(r"^    (?:const int64_t )?([A-Z]\w+) ", NUMBERS.read_text(), re.MULTILINE)
    compared = [name for numbers in COPIES.values() for name in numbers]
    assert sorted(compared) == sorted(copied)
    assert len(compared) >= 20


@compiled
@pytest.mark.parametrize("name", ["packets.protocols.UDP", "table.rows.SLOT_NS"])
def test_a_copy_that_drifted_is_not_used(name: str) -> None:
    """A number that is changed in Python alone makes the compiled path refuse to load."""
    module, _, constant = name.rpartition(".")
    code = (
        f"import otterize_pcap.{module} as home; home.{constant} += 1\n"
        "from otterize_pcap.table.chunk import FAST_PATH; print(FAST_PATH)\n"
        "import otterize_pcap.table._handover"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.stdout == "False\n"
    assert f"_numbers.pxd has another {constant} than otterize_pcap.{module}" in result.stderr


def frame_to(address: bytes) -> bytes:
    """A TCP segment with a ClientHello, to a port that is not DNS's."""
    target = format_address(address)
    segment = tcp(1000, 9000, payload=b"\x16\x03\x01\x00\x01\x01")
    return ethernet(ipv6(segment, target=target) if ":" in target else ipv4(segment, target=target))


@compiled
@pytest.mark.parametrize("network", PRIVATE, ids=lambda network: f"{network[0]:x}")
def test_private_networks_are_handed_over(network: tuple[int, int]) -> None:
    """S50: names are wanted of servers outside alone; both ends of each range are inside."""
    value, mask = network
    last = value | (~mask & ((1 << 128) - 1))
    for address in (value, last):
        assert not declined(frame_to(address.to_bytes(16)), collect_names=True)
    for address in (value - 1, last + 1):
        assert declined(frame_to(address.to_bytes(16)), collect_names=True)


NO_CALLS = (
    "0.0.0.1 0.255.255.255 1.0.0.0 126.255.255.255 127.0.0.1 127.255.255.255 128.0.0.1 169.253.1.1",
    "169.254.1.1 169.254.169.254 169.254.20.10 169.255.1.1 223.255.255.255 224.0.0.0",
    "239.255.255.255 240.0.0.1 255.255.255.254 255.255.255.255 :: ::1 ::ff ::100 fe7f::1 fe80::1",
    "febf::1 fec0::1 feff::1 ff02::1 2001:db8::1 fdff::1",
)


@compiled
@pytest.mark.parametrize("address", " ".join(NO_CALLS).split())
def test_addresses_that_are_no_calls_are_handed_over(address: str) -> None:
    """S15, S50: what is between such addresses is no call, and needs no name."""
    known = parse_address(address)
    wanted = not is_not_a_call(known) and not is_private(known)
    assert declined(frame_to(known), collect_names=True) == wanted


@compiled
@pytest.mark.parametrize("port", [52, 53, 54, 5352, 5353, 5354])
def test_dns_ports_are_handed_over(port: int) -> None:
    """S50: DNS messages are kept for their names, and only where names are collected."""
    for ports in ((1000, port), (port, 1000)):
        capture = pcap([ethernet(ipv4(udp(*ports, bytes(12)), 17))])
        for collect_names in (True, False):
            options = ReadOptions(collect_names=collect_names)
            table = read_capture(io.BytesIO(capture), "x", options)
            assert len(table.payloads) == (collect_names and port in DNS_PORTS)
            assert table.counts.declined == 0


@compiled
def test_link_types_are_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link type is taken as what the reference opens it as, whatever its number."""
    packet = ipv4(tcp(1000, 80))
    for number in (12, 14, 101, 228, 229):
        assert not declined(packet, number)
    monkeypatch.setitem(link_layer.LINK_TYPES, 150, link_layer.open_raw_ip)
    monkeypatch.setitem(link_layer.LINK_TYPES, 101, link_layer.LINK_TYPES[9])
    assert not declined(packet, 150)
    assert declined(packet, 101)


def test_names_are_of_link_types_that_are_not_decoded() -> None:
    """Messages name what is not supported; a link type that is decoded leaves that list."""
    assert set(link_names.NAMES).isdisjoint(link_layer.LINK_TYPES)

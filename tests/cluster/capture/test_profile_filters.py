"""What each part of the `calls` profile keeps: its filters, by real tcpdump on crafted packets."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from otterize_pcap.cluster.capture.job import fill_job, load_template, pod_of_job
from tests.cluster.fake_kubelet import ProcessRuntime
from tests.cluster.script_runs import FAKE, Started, plan

pytestmark = pytest.mark.skipif(shutil.which("tcpdump") is None, reason="no tcpdump here")

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
PARTS = ("calls", "acks", "first", "dns")
IPV4, IPV6 = 0x0800, 0x86DD
LINKS = {"sll2": 276, "ethernet": 1, "raw": 101}


def ipv4(protocol: int, payload: bytes, *, options: int = 0, fragment: int = 0) -> bytes:
    """An IPv4 packet; `options` are 4-byte words, `fragment` the flags-and-offset field."""
    words = 5 + options
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x40 | words, 0, words * 4 + len(payload), 1, fragment, 64, protocol, 0,
        bytes([10, 244, 1, 5]), bytes([10, 244, 2, 9]),
    )  # fmt: skip
    return head + b"\x01" * (options * 4) + payload


def ipv6(protocol: int, payload: bytes) -> bytes:
    """An IPv6 packet."""
    head = struct.pack("!IHBB", 0x60000000, len(payload), protocol, 64)
    return head + b"\xfd" + b"\0" * 14 + b"\x05" + b"\xfd" + b"\0" * 14 + b"\x09" + payload


def tcp(flags: int, payload: bytes = b"", *, options: int = 3, port: int = 8080) -> bytes:
    """A TCP segment; `options` are 4-byte words."""
    offset = (5 + options) << 4
    head = struct.pack("!HHIIBBHHH", 40000, port, 7, 9, offset, flags, 500, 0, 0)
    return head + b"\x01" * (options * 4) + payload


def udp(port: int, payload: bytes = b"x" * 40, source: int = 40001) -> bytes:
    """A UDP datagram."""
    return struct.pack("!HHHH", source, port, 8 + len(payload), 0) + payload


def frame(ether_type: int, packet: bytes) -> bytes:
    """An Ethernet frame inside a tunnel."""
    return b"\x02" * 6 + b"\x04" * 6 + struct.pack("!H", ether_type) + packet


def vxlan(inner: bytes) -> bytes:
    """A VXLAN header and a frame (RFC 7348)."""
    return b"\x08\0\0\0\0\0\x01\0" + inner


def geneve(inner: bytes, options: int = 0) -> bytes:
    """A Geneve header with 4-byte option words and a frame (RFC 8926)."""
    return bytes([options, 0]) + b"\x65\x58\0\0\x01\0" + b"\0" * (options * 4) + inner


def version(packet: bytes) -> int:
    """The EtherType of an IP packet."""
    return IPV4 if packet[0] >> 4 == 4 else IPV6


DATA, PURE = b"d" * 100, b""
# Each of these inner packets is also tested inside each tunnel below.
INNER = {
    "syn4": ("calls", ipv4(6, tcp(SYN))),
    "syn6": ("calls", ipv6(6, tcp(SYN))),
    "syn-ecn4": ("calls", ipv4(6, tcp(SYN | 0xC0))),
    "syn-ack6": ("calls", ipv6(6, tcp(SYN | ACK))),
    "fin-data4": ("calls", ipv4(6, tcp(FIN | ACK | PSH, DATA))),
    "rst6": ("calls", ipv6(6, tcp(RST, options=0))),
    "ack4": ("acks", ipv4(6, tcp(ACK))),
    "ack4-ip-options": ("acks", ipv4(6, tcp(ACK), options=2)),
    "ack6": ("acks", ipv6(6, tcp(ACK, options=0))),
    "data4": ("first", ipv4(6, tcp(ACK | PSH, DATA))),
    "data4-ip-options": ("first", ipv4(6, tcp(ACK, DATA), options=3)),
    "data6": ("first", ipv6(6, tcp(ACK | PSH, DATA, options=8))),
    "keepalive4": ("first", ipv4(6, tcp(ACK, b"\0"))),
}
PLAIN = INNER | {
    "udp4": ("calls", ipv4(17, udp(9999))),
    "udp6": ("calls", ipv6(17, udp(443))),
    "dns4": ("dns", ipv4(17, udp(53))),
    "dns6": ("dns", ipv6(17, udp(40000, source=53))),
    "dns-tcp-data": ("dns", ipv4(6, tcp(ACK, DATA, port=53))),
    "dns-tcp-syn": ("dns", ipv6(6, tcp(SYN, port=53))),
    "sctp": ("calls", ipv4(132, b"\x01" * 40)),
    "unreachable4": ("calls", ipv4(1, b"\x03\x03" + b"\0" * 30)),
    "exceeded4": ("calls", ipv4(1, b"\x0b\x00" + b"\0" * 30)),
    "unreachable6": ("calls", ipv6(58, b"\x01\x04" + b"\0" * 44)),
    "ping4": (None, ipv4(1, b"\x08\x00" + b"\0" * 60)),
    "ping6": (None, ipv6(58, b"\x80\x00" + b"\0" * 60)),
    "neighbour6": (None, ipv6(58, b"\x87\x00" + b"\0" * 20)),
    "esp": (None, ipv4(50, b"\x77" * 200)),
    "wireguard-data": (None, ipv4(17, udp(51820, b"\x04\0\0\0" + b"\x99" * 60))),
    "wireguard-hello": ("calls", ipv4(17, udp(51820, b"\x01\0\0\0" + b"\x99" * 60))),
    "wireguard-data6": (None, ipv6(17, udp(51871, b"\x04\0\0\0" + b"\x99" * 60))),
    "esp-in-udp": (None, ipv4(17, udp(4500, b"\x12\x34\x56\x78" + b"\x99" * 60))),
    "first-fragment": ("calls", ipv4(17, udp(9999), fragment=0x2000)),
    "later-fragment": (None, ipv4(17, b"x" * 60, fragment=0x00B9)),
    "extension-header6": ("calls", ipv6(0, b"\x06\0" + b"\0" * 6 + tcp(ACK, DATA))),
    "gre": ("calls", ipv4(47, b"\0\0\x08\0" + ipv4(6, tcp(ACK, DATA)))),
    "arp": (None, b""),
}


def tunnelled() -> dict[str, tuple[str | None, bytes]]:
    """The inner packets inside every tunnel, outside IPv4 and IPv6."""
    cases: dict[str, tuple[str | None, bytes]] = {}
    for name, (part, packet) in INNER.items():
        inner = frame(version(packet), packet)
        for port in (4789, 8472):
            cases[f"{name} in vxlan {port}"] = (part, ipv4(17, udp(port, vxlan(inner))))
            cases[f"{name} in vxlan {port} over 6"] = (part, ipv6(17, udp(port, vxlan(inner))))
        for words in (0, 2):
            over = udp(6081, geneve(inner, words))
            cases[f"{name} in geneve +{words}"] = (part, ipv4(17, over))
            cases[f"{name} in geneve +{words} over 6"] = (part, ipv6(17, over))
        protocol = 4 if version(packet) == IPV4 else 41
        cases[f"{name} in ip"] = (part, ipv4(protocol, packet))
        cases[f"{name} in ip with options"] = (part, ipv4(protocol, packet, options=1))
    return cases


CASES: dict[str, tuple[str | None, bytes]] = PLAIN | tunnelled()


def linked(link: str, packet: bytes) -> bytes:
    """A packet as a capture of this link type holds it."""
    ether_type = version(packet) if packet else 0x0806
    packet = packet or b"\0\x01\x08\0\x06\x04\0\x01" + b"\0" * 20
    if link == "sll2":
        return struct.pack("!HHIHBB8s", ether_type, 0, 2, 1, 0, 6, b"\x02" * 6) + packet
    return packet if link == "raw" else frame(ether_type, packet)


@pytest.fixture(scope="module")
def filters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The filters, as the script in the manifest makes them."""
    place = tmp_path_factory.mktemp("filters")
    tools = place / "tools"
    tools.mkdir()
    shutil.copy(FAKE, tools / "tcpdump")
    (tools / "behaviour").write_text("quiet")
    pod = pod_of_job(fill_job(load_template(), plan(seconds=1), "node1"))
    pod["metadata"]["name"] = "pod"
    started = Started(ProcessRuntime(place, tools), pod)
    started.until_ready()
    started.container.kill()
    started.container.wait()
    return {part: (started.directory / f"{part}.filter").read_text() for part in PARTS}


def kept(capture: Path, expression: str) -> set[int]:
    """Numbers of the packets that a filter keeps; packet n carries time n."""
    command = ["tcpdump", "-Z", "root", "-r", str(capture), "-w", "-", "--", expression]
    out = subprocess.run(command, capture_output=True, check=True).stdout
    numbers, offset = set(), 24
    while offset < len(out):
        number, _, captured = struct.unpack_from("<III", out, offset)
        numbers.add(number)
        offset += 16 + captured
    return numbers


@pytest.mark.parametrize("link", LINKS)
def test_each_packet_goes_to_its_part(filters: dict[str, str], tmp_path: Path, link: str) -> None:
    """Every packet is kept by exactly the part it belongs to, on every link type."""
    capture = tmp_path / "all.pcap"
    names = [name for name in CASES if link != "raw" or name != "arp"]
    records = []
    for number, name in enumerate(names):
        content = linked(link, CASES[name][1])
        records.append(struct.pack("<IIII", number, 0, len(content), len(content)) + content)
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, LINKS[link])
    capture.write_bytes(header + b"".join(records))

    found: dict[str, list[str]] = {name: [] for name in names}
    for part in PARTS:
        for number in kept(capture, filters[part]):
            found[names[number]].append(part)

    expected = {name: [part] if part else [] for name, (part, _) in CASES.items() if name in found}
    assert found == expected

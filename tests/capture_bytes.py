"""Captures and frames built by hand, byte by byte, for the tests of the packet engine.

Frames are built from the inside out: `tcp(...)` in `ipv4(...)` in `ethernet(...)`.
"""

import io
import struct
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from otterize_pcap.table.read import CaptureTable, ReadOptions, read_capture
from otterize_pcap.table.rows import Row

ETHERNET, RAW, SLL, SLL2, NULL = 1, 101, 113, 276, 0
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
CLIENT6, SERVER6 = "fd00::1", "fd00::2"

SLOW = ReadOptions(fast=False)


def tcp(
    source: int,
    target: int,
    flags: int = ACK,
    seq: int = 1,
    ack: int = 1,
    payload: bytes = b"",
    options: bytes = b"",
) -> bytes:
    """A TCP segment; `options` must be a multiple of four bytes."""
    offset = (20 + len(options)) // 4 << 4 | flags >> 8
    return (
        struct.pack(">HHIIBBHHH", source, target, seq, ack, offset, flags & 0xFF, 1024, 0, 0)
        + options
        + payload
    )


def tcp_timestamp(value: int) -> bytes:
    """NOP, NOP and the timestamps option of RFC 7323."""
    return struct.pack(">BBBBII", 1, 1, 8, 10, value, 0)


def udp(source: int, target: int, payload: bytes = b"") -> bytes:
    """A UDP datagram."""
    return struct.pack(">HHHH", source, target, 8 + len(payload), 0) + payload


def sctp(source: int, target: int, tag: int, chunk: bytes) -> bytes:
    """An SCTP packet with one chunk."""
    return struct.pack(">HHII", source, target, tag, 0) + chunk


def sctp_init(kind: int, initiate_tag: int) -> bytes:
    """An INIT (1) or INIT-ACK (2) chunk."""
    return struct.pack(">BBHIIHHI", kind, 0, 20, initiate_tag, 65536, 1, 1, 7)


def ipv4(
    payload: bytes,
    protocol: int = 6,
    source: str = CLIENT,
    target: str = SERVER,
    *,
    identification: int = 0,
    offset: int = 0,
    more: bool = False,
    options: bytes = b"",
    length: int | None = None,
) -> bytes:
    """An IPv4 packet; `offset` in bytes, `length` to state another total length."""
    header = 20 + len(options)
    return (
        struct.pack(
            ">BBHHHBBH",
            0x40 | header // 4,
            0,
            header + len(payload) if length is None else length,
            identification,
            offset // 8 | (0x2000 if more else 0),
            64,
            protocol,
            0,
        )
        + ip_address(source).packed
        + ip_address(target).packed
        + options
        + payload
    )


def ipv6(
    payload: bytes,
    protocol: int = 6,
    source: str = CLIENT6,
    target: str = SERVER6,
    *,
    length: int | None = None,
) -> bytes:
    """An IPv6 packet; `protocol` is the first next header."""
    stated = len(payload) if length is None else length
    return (
        struct.pack(">IHBB", 6 << 28, stated, protocol, 64)
        + ip_address(source).packed
        + ip_address(target).packed
        + payload
    )


def ethernet(payload: bytes, ethertype: int | None = None) -> bytes:
    """An Ethernet II frame; the EtherType follows the payload's IP version if not given."""
    if ethertype is None:
        ethertype = 0x86DD if payload[:1] >= b"\x60" else 0x0800
    return b"\x02\0\0\0\0\1\x02\0\0\0\0\2" + struct.pack(">H", ethertype) + payload


def vlan(payload: bytes, ethertype: int = 0x0800, number: int = 7) -> bytes:
    """An 802.1Q tag and what it carries, for an `ethernet` of type 0x8100."""
    return struct.pack(">HH", number, ethertype) + payload


def cooked(payload: bytes, packet_type: int = 0, protocol: int = 0x0800) -> bytes:
    """A Linux cooked v1 frame."""
    return struct.pack(">HHH8sH", packet_type, 1, 6, b"\x02\0\0\0\0\1", protocol) + payload


def cooked2(payload: bytes, index: int = 3, protocol: int = 0x0800) -> bytes:
    """A Linux cooked v2 frame."""
    return struct.pack(">HHIHBB8s", protocol, 0, index, 1, 0, 6, b"\x02\0\0\0\0\1") + payload


def vxlan(frame: bytes, port: int = 8472, flags: int = 0x08, network: int = 1) -> bytes:
    """A UDP datagram with a VXLAN header and an inner frame."""
    return udp(50000, port, struct.pack(">II", flags << 24, network << 8) + frame)


def geneve(frame: bytes, protocol: int = 0x6558, options: bytes = b"", port: int = 6081) -> bytes:
    """A UDP datagram with a Geneve header and what it carries."""
    head = struct.pack(">BBHI", len(options) // 4, 0, protocol, 1 << 8)
    return udp(50001, port, head + options + frame)


def pcap(
    frames: Iterable[bytes],
    link_type: int = ETHERNET,
    *,
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    snaplen: int = 262_144,
    version: tuple[int, int] = (2, 4),
    start: int = START,
    step: int = SECOND // 1000,
    cut: int | None = None,
) -> bytes:
    """A pcap file; frame `n` is recorded `n * step` ns after `start`, cut to `cut` bytes."""
    tick = 1 if magic == 0xA1B23C4D else 1000
    out = [struct.pack(f"{order}IHHiIII", magic, *version, 0, 0, snaplen, link_type)]
    for index, frame in enumerate(frames):
        seconds, rest = divmod(start + index * step, SECOND)
        kept = frame if cut is None else frame[:cut]
        out.append(struct.pack(f"{order}IIII", seconds, rest // tick, len(kept), len(frame)))
        if magic == 0xA1B2CD34:
            out.append(struct.pack(f"{order}IHBB", 3, 8, 0, 0))
        out.append(kept)
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block around a body, which is padded to four bytes."""
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """A pcapng option, padded to four bytes."""
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<") -> bytes:
    """A Section Header Block."""
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(
    link_type: int = ETHERNET, snaplen: int = 0, options: bytes = b"", order: str = "<"
) -> bytes:
    """An Interface Description Block."""
    return block(1, struct.pack(f"{order}HHI", link_type, 0, snaplen) + options, order)


def enhanced(
    frame: bytes,
    units: int = START // 1000,
    index: int = 0,
    order: str = "<",
    options: bytes = b"",
    original: int | None = None,
) -> bytes:
    """An Enhanced Packet Block; `units` is the time in those of its interface."""
    head = struct.pack(
        f"{order}IIIII",
        index,
        units >> 32,
        units & 0xFFFFFFFF,
        len(frame),
        len(frame) if original is None else original,
    )
    return block(6, head + frame + bytes(-len(frame) % 4) + options, order)


def read(content: bytes, options: ReadOptions = SLOW, name: str = "test.pcap") -> CaptureTable:
    """Read a capture held in memory."""
    return read_capture(io.BytesIO(content), name, options)


def rows(content: bytes, options: ReadOptions = SLOW) -> list[Row]:
    """The rows of a capture held in memory."""
    return list(read(content, options).rows())


def endpoints(table: CaptureTable) -> list[tuple[int, str, int, str, int]]:
    """Protocol, first sender and its peer of each row, readable."""
    return [_readable(row) for row in table.rows()]


def only_row(frames: Sequence[bytes], link_type: int = ETHERNET) -> Row:
    """The one row that these frames make, on the compiled path too where it is there."""
    (row,) = rows(pcap(frames, link_type))
    assert rows(pcap(frames, link_type), ReadOptions()) == [row]
    return row


def _readable(row: Row) -> tuple[int, str, int, str, int]:
    ends = (row.low, row.high)
    (source, source_port), (target, target_port) = (
        ends[row.first_sender],
        ends[1 - row.first_sender],
    )
    return row.protocol, text(source), source_port, text(target), target_port


def text(address: bytes) -> str:
    """A 16-byte address as people write it."""
    plain = ip_address(address)
    mapped = getattr(plain, "ipv4_mapped", None)
    return str(mapped or plain)

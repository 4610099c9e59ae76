"""Link layer → IP packet: what tcpdump.org/linktypes.html lists, as far as IP travels in it.

Everything between the link header and IP is opened here too (VLAN, QinQ, MPLS, PPPoE, SNAP):
none of it has IP addresses, so none of it is a tunnel that a connection should show.
"""

from collections.abc import Callable
from functools import cache
from typing import Literal

from otterize_pcap.packets.ethertypes import (
    ARP,
    BACKBONE_BRIDGE,
    CISCO_METADATA,
    ETHERTYPES,
    IPV4,
    IPV6,
    MACSEC,
    MPLS_TYPES,
    PPP_ETHERTYPE,
    PPPOE_SESSION,
    VLAN_TYPES,
)
from otterize_pcap.packets.headers import (
    EthernetHeader,
    MplsLabel,
    PppoeHeader,
    Sll2Header,
    SllHeader,
    UndecodableError,
    VlanTag,
    WirelessHeader,
    parse_header,
    too_short,
)
from otterize_pcap.packets.packet import ENCRYPTED, NOT_IP, NOT_IP_ARP, TOO_DEEP, Skipped

NETLINK_HARDWARE = 824
"""ARPHRD_NETLINK, whose protocol field is no EtherType."""

MAX_TAGS = 8
"""Tags and labels followed in one frame; two are common, four are seen at providers."""

PPP_IPV4, PPP_IPV6, PPP_MPLS = 0x0021, 0x0057, 0x0281

_FAMILY_IPV6 = frozenset({24, 28, 30})
"""AF_INET6 of NetBSD and OpenBSD, FreeBSD, and macOS; AF_INET is 2 everywhere."""

_NFLOG_PAYLOAD = 9
_SENT_FROM_HERE = 4
"""PACKET_OUTGOING of linux/if_packet.h."""
_DATA_FRAME = 2
"""IEEE 802.11, 9.2.4.1.3: the type of frames that carry data."""


OUTGOING, ON_SEGMENT, CAME_IN = 1, 2, 3
"""How a frame passed the interface: sent by it, one of the segment that it is on, come in there."""
_MAC_BYTES = 6


def station_of(link_type: int, frame: bytes) -> int:
    """Who sent a frame: how it passed the interface (above bit 48), and the MAC address it is from.

    0 where the link type has no such addresses; the MAC address is 0 where the interface has none.
    The frame is one that `open_link` opened. Ethernet does not tell which way a frame went.
    """
    opened_by = LINK_TYPES[link_type]
    if opened_by is open_ethernet_frame:
        return ON_SEGMENT << 48 | int.from_bytes(frame[6:12])
    if opened_by is open_cooked_2:
        kind, length, address = frame[10], frame[11], frame[12:18]
    elif opened_by is open_cooked:
        kind, length, address = *(int.from_bytes(frame[at : at + 2]) for at in (0, 4)), frame[6:12]
    else:
        return 0
    way = OUTGOING if kind == _SENT_FROM_HERE else CAME_IN
    return way << 48 | (int.from_bytes(address) if length == _MAC_BYTES else 0)


def open_link(link_type: int, frame: bytes) -> tuple[bytes, int]:
    """Find the IP packet in a captured frame.

    Returns:
        The packet from its IP header on (trailing bytes included), and what the link header says
        of the interface: its index in Linux cooked v2, 1 for outgoing in v1, else 0.

    Raises:
        UndecodableError: There is none, or a header on the way is malformed.
    """
    return LINK_TYPES[link_type](frame)


def open_ethernet(frame: bytes, depth: int = 0) -> bytes:
    """Find the IP packet in an Ethernet frame."""
    header = parse_header(EthernetHeader, frame, "Ethernet")
    return open_ethertype(header.type, frame[14:], depth)


def open_ethertype(ethertype: int, payload: bytes, depth: int = 0) -> bytes:
    """Find the IP packet in what an EtherType announces, `depth` layers below the frame's own."""
    if ethertype in (IPV4, IPV6):
        return payload
    if depth >= MAX_TAGS:
        raise UndecodableError(TOO_DEEP)
    if ethertype in VLAN_TYPES:
        tag = parse_header(VlanTag, payload, "VLAN")
        return open_ethertype(tag.type, payload[4:], depth + 1)
    if ethertype in MPLS_TYPES:
        return _open_mpls(payload, depth + 1)
    if ethertype == PPPOE_SESSION:
        return _open_pppoe(payload, depth + 1)
    if ethertype == PPP_ETHERTYPE:
        return _open_ppp(payload, depth + 1)
    if ethertype == BACKBONE_BRIDGE:
        return open_ethernet(payload[4:], depth + 1)
    if ethertype == CISCO_METADATA:
        return open_ethertype(int.from_bytes(payload[6:8]), payload[8:], depth + 1)
    if ethertype == MACSEC:
        raise UndecodableError(ENCRYPTED)
    if ethertype < 0x0600:
        return _open_llc(payload, depth + 1)
    raise _not_ip(ethertype)


@cache
def _skipped(ethertype: int) -> Skipped:
    name = ETHERTYPES.get(ethertype, f"EtherType 0x{ethertype:04x}")
    return Skipped(f"{NOT_IP.reason} ({name})")


def _not_ip(ethertype: int) -> UndecodableError:
    return UndecodableError(NOT_IP_ARP if ethertype == ARP else _skipped(ethertype))


def _open_mpls(payload: bytes, depth: int) -> bytes:
    """RFC 3032; what follows the last label is told by its first nibble (RFC 4928)."""
    for _ in range(MAX_TAGS):
        label = parse_header(MplsLabel, payload, "MPLS")
        payload = payload[4:]
        if label.s:
            break
    else:
        raise UndecodableError(TOO_DEEP)
    nibble = payload[0] >> 4 if payload else None
    if nibble in (4, 6):
        return payload
    if nibble == 0:
        return open_ethernet(payload[4:], depth)
    return open_ethernet(payload, depth)


def _open_pppoe(payload: bytes, depth: int = 0) -> bytes:
    """RFC 2516, session stage."""
    header = parse_header(PppoeHeader, payload, "PPPoE")
    if header.code != 0:
        raise UndecodableError(NOT_IP)
    return _open_ppp(payload[6:], depth)


def _open_ppp(payload: bytes, depth: int = 0) -> bytes:
    """RFC 1661, with or without HDLC framing; one byte of protocol may do (RFC 1661, 6.5)."""
    if payload[:2] == b"\xff\x03":
        payload = payload[2:]
    if len(payload) < 2:
        raise too_short("PPP")
    if payload[0] & 1:
        protocol, payload = payload[0], payload[1:]
    else:
        protocol, payload = int.from_bytes(payload[:2]), payload[2:]
    if protocol in (PPP_IPV4, PPP_IPV6):
        return payload
    if protocol == PPP_MPLS:
        return _open_mpls(payload, depth)
    raise UndecodableError(NOT_IP)


def _open_llc(payload: bytes, depth: int) -> bytes:
    """IEEE 802.2 with a SNAP header that carries an EtherType (RFC 1042)."""
    if payload[:3] != b"\xaa\xaa\x03":
        raise UndecodableError(NOT_IP)
    if len(payload) < 8:
        raise too_short("SNAP")
    if payload[3:6] not in (b"\x00\x00\x00", b"\x00\x00\xf8"):
        raise UndecodableError(NOT_IP)
    return open_ethertype(int.from_bytes(payload[6:8]), payload[8:], depth)


def open_ethernet_frame(frame: bytes) -> tuple[bytes, int]:
    """LINKTYPE_ETHERNET."""
    return open_ethernet(frame), 0


def open_raw_ip(frame: bytes) -> tuple[bytes, int]:
    """LINKTYPE_RAW, LINKTYPE_IPV4 and LINKTYPE_IPV6: no header."""
    return frame, 0


def open_cooked(frame: bytes) -> tuple[bytes, int]:
    """LINKTYPE_LINUX_SLL; packet type 4 is outgoing, all others came in."""
    header = parse_header(SllHeader, frame, "SLL")
    return _open_announced(header.hrd, header.ethtype, frame[16:]), int(
        header.type == _SENT_FROM_HERE
    )


def open_cooked_2(frame: bytes) -> tuple[bytes, int]:
    """LINKTYPE_LINUX_SLL2."""
    header = parse_header(Sll2Header, frame, "SLL2")
    index = header.intindex & 0xFFFFFFFF
    return _open_announced(header.hrd, header.ethtype, frame[20:]), index


def _open_announced(hardware: int, protocol: int, payload: bytes) -> bytes:
    """The protocol field is an EtherType, except on a few kinds of hardware and for 802.2."""
    if protocol == 4:
        return _open_llc(payload, 0)
    if protocol < 0x0600 or hardware == NETLINK_HARDWARE:
        raise UndecodableError(NOT_IP)
    return open_ethertype(protocol, payload)


def open_loopback(frame: bytes) -> tuple[bytes, int]:
    """LINKTYPE_NULL and LINKTYPE_LOOP: an address family in the capturing host's byte order."""
    if len(frame) < 4:
        raise too_short("NULL")
    families = {int.from_bytes(frame[:4], "little"), int.from_bytes(frame[:4], "big")}
    if families & (_FAMILY_IPV6 | {2}):
        return frame[4:], 0
    # Some drivers put an EtherType into the second half.
    return open_ethertype(int.from_bytes(frame[2:4]), frame[4:]), 0


def _ppp(frame: bytes) -> tuple[bytes, int]:
    return _open_ppp(frame), 0


def _pppoe(frame: bytes) -> tuple[bytes, int]:
    return _open_pppoe(frame), 0


def _wireless(frame: bytes) -> tuple[bytes, int]:
    """LINKTYPE_IEEE802_11: data frames that are neither encrypted nor aggregated."""
    header = parse_header(WirelessHeader, frame, "802.11")
    if header.type != _DATA_FRAME or header.subtype & 4:
        raise UndecodableError(NOT_IP)
    if header.wep:
        raise UndecodableError(ENCRYPTED)
    start = 24 + (6 if header.to_ds and header.from_ds else 0)
    if header.subtype & 8:
        if frame[start : start + 1] >= b"\x80":
            raise UndecodableError(NOT_IP)
        start += 6 if header.order else 2
    return _open_llc(frame[start:], 0), 0


def _radiotap(frame: bytes) -> tuple[bytes, int]:
    """LINKTYPE_IEEE802_11_RADIOTAP: a header that states its length, then 802.11."""
    if len(frame) < 4:
        raise too_short("radiotap")
    return _wireless(frame[int.from_bytes(frame[2:4], "little") :])


def _netfilter_log(frame: bytes) -> tuple[bytes, int]:
    """LINKTYPE_NFLOG: attributes in the capturing host's byte order, one of them the packet."""
    order: Literal["little", "big"] = "little" if frame[5:6] == b"\0" else "big"
    position = 4
    while position + 4 <= len(frame):
        length = int.from_bytes(frame[position : position + 2], order)
        kind = int.from_bytes(frame[position + 2 : position + 4], order)
        if length < 4:
            break
        if kind == _NFLOG_PAYLOAD:
            return frame[position + 4 : position + length], 0
        position += (length + 3) & ~3
    raise UndecodableError(NOT_IP)


LINK_TYPES: dict[int, Callable[[bytes], tuple[bytes, int]]] = {
    0: open_loopback,
    1: open_ethernet_frame,
    9: _ppp,
    12: open_raw_ip,
    14: open_raw_ip,
    50: _ppp,
    51: _pppoe,
    101: open_raw_ip,
    105: _wireless,
    108: open_loopback,
    113: open_cooked,
    127: _radiotap,
    228: open_raw_ip,
    229: open_raw_ip,
    239: _netfilter_log,
    276: open_cooked_2,
}

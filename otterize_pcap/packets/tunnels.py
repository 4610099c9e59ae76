"""Tunnels inside IP: which packets carry another frame or packet, and where it begins.

Each opener yields the tunnel's kind and the inner IP packet. A UDP packet on a tunnel's port that
does not hold that tunnel's header is a packet like any other.
"""

from collections.abc import Callable

from otterize_pcap.packets.ethertypes import IPV4, IPV6, TRANSPARENT_ETHERNET
from otterize_pcap.packets.headers import GreHeader, UndecodableError, parse_header, too_short
from otterize_pcap.packets.link_layer import open_ethernet, open_ethertype
from otterize_pcap.packets.packet import ENCRYPTED, NOT_IP
from otterize_pcap.packets.ports import (
    IPSEC_NAT_PORT,
    VXLAN_GPE_PORT,
    WIREGUARD_PORTS,
    TunnelPorts,
)
from otterize_pcap.packets.protocols import GRE, IP6IP, IPIP

OuterEnds = Callable[[bytes, bytes], bool]
"""Says of two outer addresses (16 bytes each) whether a tunnel between them is opened (S25)."""

TUNNEL_KINDS = ("vxlan", "geneve", "ipip", "ip6ip", "vxlan-gpe", "gre", "nvgre", "erspan")
"""What the openers below call tunnels."""

ERSPAN_1_2, ERSPAN_3 = 0x88BE, 0x22EB

GRE_ROUTING, GRE_KEY, GRE_SEQUENCE = 0x4000, 0x2000, 0x1000
"""Flags that say which fields a header has (RFC 1701, RFC 2890)."""

_GPE_PROTOCOLS = {1: IPV4, 2: IPV6, 3: TRANSPARENT_ETHERNET}


def open_ip_tunnel(protocol: int, payload: bytes) -> tuple[str, bytes] | None:
    """Open a tunnel that is an IP protocol of its own.

    Returns:
        The tunnel's kind and the inner IP packet, or None where `protocol` is no tunnel.

    Raises:
        UndecodableError: Its header is malformed or holds no IP packet.
    """
    if protocol == IPIP:
        return "ipip", payload
    if protocol == IP6IP:
        return "ip6ip", payload
    if protocol == GRE:
        return _open_gre(payload)
    return None


def open_udp_tunnel(
    ports: TunnelPorts, source_port: int, destination_port: int, payload: bytes
) -> tuple[str, bytes] | None:
    """Open a tunnel in UDP.

    The destination port tells it, the source port is only entropy (RFC 7348, 5). Some senders
    answer to the port that a packet came from, so a source port tells it too, where the header
    leaves no doubt.

    Returns:
        The tunnel's kind and the inner IP packet, or None where the datagram is no tunnel.

    Raises:
        UndecodableError: It holds no IP packet, or is encrypted.
    """
    if destination_port in ports.vxlan or (
        source_port in ports.vxlan and _is_surely_vxlan(payload)
    ):
        return _open_vxlan(payload)
    if destination_port in ports.geneve or (
        source_port in ports.geneve and _is_surely_geneve(payload)
    ):
        return _open_geneve(payload)
    if destination_port == VXLAN_GPE_PORT or (
        source_port == VXLAN_GPE_PORT and _is_surely_vxlan(payload, payload[3:4])
    ):
        return _open_vxlan_gpe(payload)
    return None


def _is_surely_vxlan(payload: bytes, next_protocol: bytes = b"\0") -> bool:
    """Whether the I flag is set and all that is reserved is zero."""
    return payload[:4] == b"\x08\0\0" + next_protocol and payload[7:8] == b"\0" and len(payload) > 8


def _is_surely_geneve(payload: bytes) -> bool:
    """Whether version and reserved bits are zero and the inner protocol one that we know."""
    return (
        payload[:1] < b"\x40"
        and payload[7:8] == b"\0"
        and payload[2:4] in (b"\x65\x58", b"\x08\x00", b"\x86\xdd")
    )


def refuse_encrypted(ports: set[int], payload: bytes) -> None:
    """Stop at WireGuard (message types 1 to 4, three zero bytes) and ESP in UDP (RFC 3948)."""
    if ports & WIREGUARD_PORTS and payload[:1] in b"\x01\x02\x03\x04" and payload[1:4] == bytes(3):
        raise UndecodableError(ENCRYPTED)
    if IPSEC_NAT_PORT in ports and len(payload) >= 8 and payload[:4] != bytes(4):
        raise UndecodableError(ENCRYPTED)


def _open_vxlan(payload: bytes) -> tuple[str, bytes] | None:
    """RFC 7348, 5: the I flag says that there is a network identifier."""
    if len(payload) < 8:
        raise too_short("VXLAN")
    if not payload[0] & 0x08:
        return None
    return "vxlan", open_ethernet(payload[8:])


def _open_vxlan_gpe(payload: bytes) -> tuple[str, bytes] | None:
    """draft-ietf-nvo3-vxlan-gpe: the fourth byte names the inner protocol; none is plain VXLAN."""
    if len(payload) < 8:
        raise too_short("VXLAN")
    if payload[3] == 0:
        return "vxlan-gpe", open_ethernet(payload[8:])
    return "vxlan-gpe", _open_inner(_GPE_PROTOCOLS.get(payload[3], 0), payload[8:])


def _open_geneve(payload: bytes) -> tuple[str, bytes] | None:
    """RFC 8926, 3.4: version 0, options of a multiple of four bytes."""
    if len(payload) < 8:
        raise too_short("Geneve")
    if payload[0] >> 6:
        return None
    options = (payload[0] & 0x3F) * 4
    if len(payload) < 8 + options:
        raise too_short("Geneve")
    return "geneve", _open_inner(int.from_bytes(payload[2:4]), payload[8 + options :])


def _open_inner(ethertype: int, payload: bytes) -> bytes:
    if ethertype == TRANSPARENT_ETHERNET:
        return open_ethernet(payload)
    if ethertype < 0x0600:
        raise UndecodableError(NOT_IP)
    return open_ethertype(ethertype, payload)


def _open_gre(payload: bytes) -> tuple[str, bytes]:
    """RFC 2784 and 2890; version 1 is PPTP's (RFC 2637), NVGRE is RFC 7637."""
    header = parse_header(GreHeader, payload, "GRE")
    _, fields = header.opt_fields_fmts()
    start = 4 + sum({"H": 2, "I": 4}[field] for field in fields)
    if header.flags & GRE_ROUTING:
        start = _pass_routing(payload, start)
    if len(payload) < start:
        raise too_short("GRE")
    inner = payload[start:]
    if header.p in (ERSPAN_1_2, ERSPAN_3):
        return "erspan", _open_erspan(header, inner)
    if header.p == TRANSPARENT_ETHERNET:
        return ("nvgre" if header.flags & GRE_KEY else "gre"), open_ethernet(inner)
    return "gre", _open_inner(header.p, inner)


def _pass_routing(payload: bytes, start: int) -> int:
    """RFC 1701's source route entries, the last of which has length 0."""
    while len(payload) >= start + 4:
        length = payload[start + 3]
        start += 4 + length
        if length == 0:
            return start
    raise too_short("GRE")


def _open_erspan(header: GreHeader, payload: bytes) -> bytes:
    """draft-foschiano-erspan: type I has no header of its own, II has 8 bytes, III 12 or 20."""
    if header.p == ERSPAN_1_2 and not header.flags & GRE_SEQUENCE:
        return open_ethernet(payload)
    if header.p == ERSPAN_1_2:
        return open_ethernet(payload[8:])
    if len(payload) < 12:
        raise too_short("ERSPAN")
    return open_ethernet(payload[20 if payload[11] & 1 else 12 :])

"""Tunnel headers in their plainest form: of the same kind, without identifiers and options."""

from otterize_pcap.anonymise.link_headers import ethertype_of
from otterize_pcap.packets.ethertypes import TRANSPARENT_ETHERNET
from otterize_pcap.packets.ports import VXLAN_GPE_PORT, TunnelPorts
from otterize_pcap.packets.tunnels import ERSPAN_1_2, GRE_KEY

GPE_ETHERNET = (0, 3)
"""What VXLAN-GPE's fourth byte says where an Ethernet frame follows."""
NOBODY = bytes(12)


def udp_tunnel_kind(tunnels: TunnelPorts, source_port: int, target_port: int) -> str:
    """The kind of tunnel that a datagram's ports tell, the destination's first."""
    for port in (target_port, source_port):
        if port in tunnels.vxlan:
            return "vxlan"
        if port in tunnels.geneve:
            return "geneve"
        if port == VXLAN_GPE_PORT:
            break
    return "vxlan-gpe"


def udp_tunnel_header(kind: str, content: bytes) -> bytes:
    """The header of a tunnel in UDP (RFC 7348, RFC 8926, draft-ietf-nvo3-vxlan-gpe)."""
    if kind == "geneve":
        return bytes(2) + content[2:4] + bytes(4)
    following = content[3:4] if kind == "vxlan-gpe" else b"\0"
    return b"\x08\0\0" + following + bytes(4)


def broken_udp_tunnel(kind: str) -> bytes:
    """The content of a tunnel's datagram that ends within the frame inside."""
    ethernet = TRANSPARENT_ETHERNET.to_bytes(2) if kind == "geneve" else bytes(2)
    return udp_tunnel_header(kind, bytes(2) + ethernet) + b"\0"


def ethernet_in(kind: str, content: bytes) -> bytes | None:
    """The Ethernet frame in a tunnel in UDP, None where an IP packet follows at once."""
    if kind == "geneve":
        is_ethernet = int.from_bytes(content[2:4]) == TRANSPARENT_ETHERNET
        return content[8 + (content[0] & 0x3F) * 4 :] if is_ethernet else None
    if kind == "vxlan-gpe" and content[3] not in GPE_ETHERNET:
        return None
    return content[8:]


def gre_header(kind: str, packet: bytes) -> bytes:
    """The header of GRE (RFC 2784, 2890, 7637; ERSPAN type I); IP in IP has none."""
    frame = NOBODY + ethertype_of(packet)
    transparent = TRANSPARENT_ETHERNET.to_bytes(2)
    headers = {
        "gre": bytes(2) + ethertype_of(packet),
        "nvgre": GRE_KEY.to_bytes(2) + transparent + bytes(4) + frame,
        "erspan": bytes(2) + ERSPAN_1_2.to_bytes(2) + frame,
    }
    return headers.get(kind, b"")

"""Link headers, made anew: hardware addresses are replaced, tags and labels left out."""

from otterize_pcap.anonymise.address_map import AddressMap
from otterize_pcap.packets.ethertypes import IPV4, IPV6
from otterize_pcap.packets.headers import too_short
from otterize_pcap.packets.link_layer import NETLINK_HARDWARE, open_ethertype, open_link

ETHERNET, RAW_IP, COOKED, COOKED_2 = 1, 101, 113, 276
KEPT_LINKS = frozenset({ETHERNET, COOKED, COOKED_2})
"""Link types that stay; of others only the IP packet is left."""

NOTHING = b"\x88\xb5"
"""An EtherType for experiments (IEEE 802), which nothing follows."""
NOT_IP_FRAMES = {
    ETHERNET: bytes(12) + NOTHING,
    COOKED: bytes(14) + NOTHING,
    COOKED_2: NOTHING + bytes(18),
}


def link_type_of(link_type: int) -> int:
    """The link type of a rewritten frame."""
    return link_type if link_type in KEPT_LINKS else RAW_IP


def packet_in(link_type: int, data: bytes) -> bytes:
    """The IP packet in a frame, as `packets.link_layer` finds it.

    Raises:
        UndecodableError: There is none.
    """
    # The usual ones without dpkt, which would take most of the time.
    if link_type == ETHERNET:
        return packet_in_ethernet(data)
    if link_type == COOKED and len(data) >= 16 and _announces_ip(data[14:16], data[2:4]):
        return data[16:]
    if link_type == COOKED_2 and len(data) >= 20 and _announces_ip(data[:2], data[8:10]):
        return data[20:]
    return open_link(link_type, data)[0]


def packet_in_ethernet(data: bytes) -> bytes:
    """The IP packet in an Ethernet frame; raises UndecodableError where there is none."""
    if len(data) < 14:
        raise too_short("Ethernet")
    return open_ethertype(int.from_bytes(data[12:14]), data[14:])


def _announces_ip(protocol: bytes, hardware: bytes) -> bool:
    is_ip = int.from_bytes(protocol) in (IPV4, IPV6)
    return is_ip and int.from_bytes(hardware) != NETLINK_HARDWARE


def link_header(addresses: AddressMap, link_type: int, data: bytes, packet: bytes) -> bytes:
    """The link header of a frame with this packet in it, of a kind that is kept; else nothing."""
    if link_type == ETHERNET:
        return ethernet_header(addresses, data, packet)
    if link_type == COOKED:
        hardware = _cooked_address(addresses, data[6:14], int.from_bytes(data[4:6]))
        return data[:4] + b"\0" + hardware + ethertype_of(packet)
    if link_type == COOKED_2:
        return (
            ethertype_of(packet)
            + bytes(2)
            + data[4:11]
            + _cooked_address(addresses, data[12:20], data[11])
        )
    return b""


def not_ip(link_type: int) -> bytes:
    """What is left of a frame without an IP packet, whatever it was: that it has none."""
    return NOT_IP_FRAMES.get(link_type, b"\0")


def ethernet_header(addresses: AddressMap, data: bytes, packet: bytes) -> bytes:
    """An Ethernet header for an IP packet."""
    return addresses.mac(data[:6]) + addresses.mac(data[6:12]) + ethertype_of(packet)


def ethertype_of(packet: bytes) -> bytes:
    """The EtherType of an IP packet, by its version."""
    return (IPV6 if packet[:1] >= b"\x60" else IPV4).to_bytes(2)


def _cooked_address(addresses: AddressMap, address: bytes, length: int) -> bytes:
    """A byte of length and eight of address, of Ethernet's kind only."""
    return b"\6" + addresses.mac(address[:6]) + bytes(2) if length == 6 else bytes(9)

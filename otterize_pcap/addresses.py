"""IP addresses as every stage holds them: 16 bytes, IPv4 as IPv4-mapped IPv6 (RFC 4291 2.5.5.2).

One form for both families makes an IPv4-mapped IPv6 address equal to the IPv4 one (S15).
"""

from ipaddress import IPv4Network, ip_network
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

MAPPED = bytes(10) + b"\xff\xff"

Network = tuple[int, int]


class AddressError(ValueError):
    """A text that is no IP address or range of them."""


METADATA_SERVICE = MAPPED + bytes((169, 254, 169, 254))
NODE_LOCAL_DNS = MAPPED + bytes((169, 254, 20, 10))


def parse_address(text: str) -> bytes:
    """The 16 bytes of an address as Kubernetes writes it; raises AddressError on anything else."""
    try:
        if ":" in text:
            return inet_pton(AF_INET6, text)
        return MAPPED + inet_pton(AF_INET, text)
    except (OSError, ValueError) as error:
        message = f"not an IP address: {text!r}"
        raise AddressError(message) from error


def format_address(address: bytes) -> str:
    """An address as people write it; IPv4 dotted, IPv6 compressed (RFC 5952)."""
    if address.startswith(MAPPED):
        return inet_ntop(AF_INET, address[12:])
    return inet_ntop(AF_INET6, address)


def format_endpoint(endpoint: tuple[bytes, int]) -> str:
    """`address:port`, an IPv6 address in brackets (RFC 3986)."""
    address, port = endpoint
    text = format_address(address)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def parse_network(text: str) -> Network:
    """A CIDR range as (value, mask) over the 128-bit form; raises AddressError on anything else."""
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        message = f"not a range of IP addresses: {text!r}"
        raise AddressError(message) from error
    prefix = network.prefixlen
    address = int(network.network_address)
    if isinstance(network, IPv4Network):
        prefix += 96
        address |= 0xFFFF << 32
    mask = ((1 << prefix) - 1) << (128 - prefix)
    return address & mask, mask


def in_network(address: bytes, network: Network) -> bool:
    """Whether an address lies in a range."""
    value, mask = network
    return int.from_bytes(address) & mask == value


def is_not_a_call(address: bytes) -> bool:
    """Loopback, link-local, multicast, broadcast and unspecified addresses are no calls (S15).

    The metadata service and a node-local DNS cache have link-local addresses and are calls.
    """
    if address in (METADATA_SERVICE, NODE_LOCAL_DNS):
        return False
    if address.startswith(MAPPED):
        first = address[12]
        return (
            first in (0, 127)
            or 224 <= first <= 239
            or address[12:14] == b"\xa9\xfe"
            or address[12:] == b"\xff\xff\xff\xff"
        )
    return (
        address[0] == 0xFF
        or (address[0] == 0xFE and address[1] & 0xC0 == 0x80)
        or address[:15] == bytes(15)
    )


PRIVATE = tuple(
    parse_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


def is_private(address: bytes) -> bool:
    """Whether an address is for use within one network (RFC 1918, RFC 4193, RFC 6598)."""
    return any(in_network(address, network) for network in PRIVATE)

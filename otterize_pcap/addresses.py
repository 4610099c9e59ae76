"""IP addresses as every stage holds them: 16 bytes, IPv4 as IPv4-mapped IPv6 (RFC 4291 2.5.5.2).

One form for both families makes an IPv4-mapped IPv6 address equal to the IPv4 one (S15).
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, ip_network
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

MAPPED = bytes(10) + b"\xff\xff"

ALL = (1 << 128) - 1

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


def is_address(text: str) -> bool:
    """Whether a text is an address."""
    try:
        parse_address(text)
    except AddressError:
        return False
    return True


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


def format_network(network: Network) -> str:
    """A range in CIDR notation (RFC 4632), as `parse_network` reads it."""
    value, mask = network
    prefix = mask.bit_count()
    address = value.to_bytes(16)
    is_ipv4 = address.startswith(MAPPED) and prefix >= 96
    return f"{format_address(address)}/{prefix - 96 if is_ipv4 else prefix}"


def in_network(address: bytes, network: Network) -> bool:
    """Whether an address lies in a range."""
    value, mask = network
    return int.from_bytes(address) & mask == value


def borders_of(networks: Iterable[Network]) -> list[bytes]:
    """Where ranges begin and end, in order; what no border lies between is in the same ranges."""
    found = {end for value, mask in networks for end in (value, value + (mask ^ ALL) + 1)}
    return [border.to_bytes(16) for border in sorted(found) if border <= ALL]


LINK_LOCAL = parse_network("169.254.0.0/16")
"""Clouds have services for pods there, such as credentials (169.254.170.2)."""

CALLED_ALL_THE_SAME = (METADATA_SERVICE, NODE_LOCAL_DNS)
"""The metadata service and a node-local DNS cache have link-local addresses and are calls."""
NOT_CALLED = tuple(
    parse_network(text)
    for text in (
        *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32"),
        *("::/120", "fe80::/10", "ff00::/8"),
    )
)
"""Loopback, link-local, multicast, broadcast and unspecified addresses."""


def is_not_a_call(address: bytes) -> bool:
    """Whether nobody calls from or to an address (S15)."""
    if address in CALLED_ALL_THE_SAME:
        return False
    number = int.from_bytes(address)
    return any(number & mask == value for value, mask in NOT_CALLED)


PRIVATE = tuple(
    parse_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


KINDS = (*NOT_CALLED, *PRIVATE, *((int.from_bytes(one), ALL) for one in CALLED_ALL_THE_SAME))
"""The ranges by which `is_not_a_call` and `is_private` go."""


def is_private(address: bytes) -> bool:
    """Whether an address is for use within one network (RFC 1918, RFC 4193, RFC 6598)."""
    number = int.from_bytes(address)
    return any(number & mask == value for value, mask in PRIVATE)

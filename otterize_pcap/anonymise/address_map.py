"""Addresses → others, in binary and as text: prefix-preserving, and of the same kind as before.

What kind of address it is decides what the mapper makes of it (S15, S50): private ranges,
link-local ones, multicast and loopback are mapped onto themselves. An IPv4 address in IPv6's
clothes (::ffff:192.0.2.1) stands for the IPv4 one here as everywhere.
"""

from ipaddress import ip_network

from otterize_pcap.addresses import MAPPED, format_address, parse_address, parse_network
from otterize_pcap.anonymise.crypto_pan import CryptoPan
from otterize_pcap.anonymise.keyed import Keyed

PINNED = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/4",
    "fc00::/7",
    "fe80::/64",
    "ff00::/16",
    "ff02::/16",
)
"""Private (RFC 1918, 4193, 6598), link-local and multicast ranges: permuted within themselves."""
FIXED = (
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.20.10/32",
    "169.254.169.254/32",
    "255.255.255.255/32",
    "::/120",
)
"""Loopback, unspecified and broadcast, the node-local DNS cache, the cloud's metadata service."""
BROADCAST_MAC = b"\xff" * 6


class AddressMap:
    """The addresses of one anonymised capture; the same key gives the same ones."""

    def __init__(self, key: bytes) -> None:
        prf, pads = Keyed(key, "addresses"), Keyed(key, "pads")
        self._v4 = CryptoPan(
            prf.digest, pads.digest(b"4"), 32, _ranges(PINNED, 4), _ranges(FIXED, 4)
        )
        self._v6 = CryptoPan(
            prf.digest, pads.digest(b"6"), 128, _ranges(PINNED, 6), _ranges(FIXED, 6)
        )
        self._macs = Keyed(key, "MAC addresses")
        self._known: dict[bytes, bytes] = {}
        self._known_macs: dict[bytes, bytes] = {}

    def packed(self, address: bytes) -> bytes:
        """4 bytes for 4 bytes, 16 for 16."""
        found = self._known.get(address)
        if found is None:
            found = self._known[address] = self._permuted(address)
        return found

    def _permuted(self, address: bytes) -> bytes:
        if address.startswith(MAPPED) and len(address) == 16:
            return MAPPED + self.packed(address[12:])
        permutation = self._v4 if len(address) == 4 else self._v6
        return permutation.permute(int.from_bytes(address)).to_bytes(len(address))

    def text(self, text: str) -> str:
        """An address as text; raises AddressError where it is none."""
        return format_address(self.packed(parse_address(text)))

    def network(self, text: str) -> str:
        """A range in CIDR notation; raises AddressError where it is none."""
        parse_network(text)
        network = ip_network(text, strict=False)
        permuted = self.packed(network.network_address.packed)
        return str(ip_network((permuted, network.prefixlen), strict=False))

    def mac(self, address: bytes) -> bytes:
        """Six bytes for six, locally administered; one for many stays one for many."""
        found = self._known_macs.get(address)
        if found is None:
            found = self._known_macs[address] = self._replaced(address)
        return found

    def _replaced(self, address: bytes) -> bytes:
        if address in (BROADCAST_MAC, bytes(6)) or len(address) < 6:
            return address
        drawn = self._macs.digest(address)[:6]
        return bytes((drawn[0] & 0xFC | 0x02 | address[0] & 0x01,)) + drawn[1:]


def _ranges(texts: tuple[str, ...], version: int) -> list[tuple[int, int]]:
    networks = (ip_network(text) for text in texts)
    return [
        (int(network.network_address), network.prefixlen)
        for network in networks
        if network.version == version
    ]

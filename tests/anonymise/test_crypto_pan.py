"""The permutation of addresses: as published, prefix-preserving, and each range onto itself."""

import shutil
import subprocess
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.addresses import AddressError, is_private, parse_address
from otterize_pcap.anonymise.address_map import FIXED, PINNED, AddressMap
from otterize_pcap.anonymise.crypto_pan import CryptoPan
from tests.strategies import laws

KEY = bytes(range(32))
MAP = AddressMap(KEY)

# The sample of Crypto-PAn 1.0: its key, and addresses of its trace with what they become.
SAMPLE_KEY = bytes.fromhex("1522178d33a4cf80130a5b1649907d10d8988f83797965276257 4c2d2a842202")
SAMPLE = {
    "128.11.68.132": "135.242.180.132",
    "129.118.74.4": "134.136.186.123",
    "130.132.252.244": "133.68.164.234",
    "141.223.7.43": "141.167.8.160",
    "141.233.145.108": "141.129.237.235",
    "152.163.225.39": "151.140.114.167",
    "156.29.3.236": "147.225.12.42",
    "165.247.96.84": "162.9.99.234",
    "166.107.77.190": "160.132.178.185",
    "192.102.249.13": "252.138.62.131",
    "192.215.32.125": "252.43.47.189",
    "192.233.80.103": "252.25.108.8",
}


class Aes:
    """AES-128 of single blocks, by openssl; what is asked for first is collected, then computed."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.wanted: dict[bytes, bytes] = {}

    def encrypt(self, blocks: bytes) -> bytes:
        """Whole blocks, each by itself."""
        command = ["openssl", "enc", "-aes-128-ecb", "-nopad", "-K", self._key.hex()]
        return subprocess.run(command, input=blocks, capture_output=True, check=True).stdout

    def __call__(self, block: bytes) -> bytes:
        """The block's ciphertext, once it was computed."""
        return self.wanted.setdefault(block, bytes(16))

    def compute(self) -> None:
        """All blocks that were asked for, in one call."""
        blocks = list(self.wanted)
        found = self.encrypt(b"".join(blocks))
        for number, block in enumerate(blocks):
            self.wanted[block] = found[16 * number : 16 * number + 16]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_published_vectors() -> None:
    """With AES, addresses become what the published program makes of them."""
    aes = Aes(SAMPLE_KEY[:16])
    permutation = CryptoPan(aes, aes.encrypt(SAMPLE_KEY[16:]), 32)
    addresses = {text: int(ip_address(text)) for text in SAMPLE}
    # Blocks are made of an address's own bits alone, never of what became of those before.
    for address in addresses.values():
        permutation.permute(address)
    aes.compute()
    found = {text: str(ip_address(permutation.permute(each))) for text, each in addresses.items()}
    assert found == SAMPLE


def shared(one: bytes, other: bytes) -> int:
    """How many leading bits two addresses share."""
    difference = int.from_bytes(one) ^ int.from_bytes(other)
    return len(one) * 8 - difference.bit_length()


ADDRESSES = st.sampled_from((4, 16)).flatmap(
    lambda size: st.tuples(st.binary(min_size=size, max_size=size), st.integers(0, size * 8 - 1))
)


@given(ADDRESSES)
@laws
def test_prefixes_are_preserved(drawn: tuple[bytes, int]) -> None:
    """Two addresses share as many leading bits afterwards as before."""
    address, bit = drawn
    other = (int.from_bytes(address) ^ 1 << bit).to_bytes(len(address))
    assert shared(MAP.packed(address), MAP.packed(other)) == shared(address, other)


@pytest.mark.parametrize("text", [*PINNED, *FIXED])
def test_ranges_are_mapped_onto_themselves(text: str) -> None:
    """What an address is for stays as it is: private, link-local, multicast, loopback."""
    assert MAP.network(text) == text
    inside = str(ip_network(text)[-1])
    assert ip_address(MAP.text(inside)) in ip_network(text)
    if text in FIXED:
        assert MAP.text(inside) == inside


def test_public_addresses_stay_public() -> None:
    """A public address becomes another public one, by key."""
    for text in ("8.8.8.8", "203.0.113.70", "11.0.0.1", "2001:db8::1"):
        assert MAP.text(text) != text
        assert not is_private(parse_address(MAP.text(text)))
        assert AddressMap(KEY).text(text) == MAP.text(text)
        assert AddressMap(bytes(32)).text(text) != MAP.text(text)


def test_an_ipv4_address_in_ipv6_is_the_same() -> None:
    """::ffff:10.0.0.1 becomes what 10.0.0.1 becomes, in text and in binary (S15)."""
    assert MAP.text("::ffff:10.0.0.1") == MAP.text("10.0.0.1")


def test_networks_hold_what_they_held() -> None:
    """An address of a range is one of what the range became."""
    network = ip_network(MAP.network("10.244.1.7/24"))
    assert network.prefixlen == 24
    assert ip_address(MAP.text("10.244.1.200")) in network


def test_what_is_no_address_is_refused() -> None:
    """Text that is neither address nor range is an error, not copied."""
    with pytest.raises(AddressError):
        MAP.text("db.example")
    with pytest.raises(AddressError):
        MAP.network("everything")


def test_hardware_addresses() -> None:
    """They become locally administered ones; one for all, and for many, stays what it is."""
    host = MAP.mac(bytes.fromhex("00163e112233"))
    assert host[0] & 3 == 2
    assert b"\x16\x3e\x11" not in host
    assert MAP.mac(bytes.fromhex("00163e112233")) == host
    assert MAP.mac(b"\xff" * 6) == b"\xff" * 6
    assert MAP.mac(bytes.fromhex("333300000001"))[0] & 1

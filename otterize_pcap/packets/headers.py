"""One header at a time, with everything that parsing can throw turned into a reason.

`decode` walks the layers, to a bounded depth. The classes here say which fields of a header are
used, by the names that dpkt gives them; values of them are made by `parse_header` alone.
"""

from functools import cache
from types import ModuleType
from typing import TypeVar

from otterize_pcap.packets.packet import Skipped

_Header = TypeVar("_Header")


class EthernetHeader:
    """IEEE 802.3: the EtherType, below 0x0600 a length."""

    type: int


class VlanTag:
    """IEEE 802.1Q: the EtherType of what follows."""

    type: int


class MplsLabel:
    """RFC 3032: whether it is the bottom of the stack."""

    s: int


class PppoeHeader:
    """RFC 2516: 0 in the session stage."""

    code: int


class SllHeader:
    """LINKTYPE_LINUX_SLL: packet type (4: outgoing), ARPHRD_ type, protocol."""

    type: int
    hrd: int
    ethtype: int


class Sll2Header:
    """LINKTYPE_LINUX_SLL2: ARPHRD_ type, protocol, and the interface's index."""

    hrd: int
    ethtype: int
    intindex: int


class WirelessHeader:
    """IEEE 802.11 frame control."""

    type: int
    subtype: int
    to_ds: int
    from_ds: int
    wep: int
    order: int


class Ipv4Header:
    """RFC 791: header length in words, total length, offset in 8 bytes."""

    hl: int
    len: int
    id: int
    mf: int
    offset: int
    p: int
    src: bytes
    dst: bytes


class Ipv6Header:
    """RFC 8200: payload length and next header."""

    plen: int
    nxt: int
    src: bytes
    dst: bytes


class Ipv6Fragment:
    """RFC 8200, 4.5: offset in 8 bytes."""

    nxt: int
    frag_off: int
    m_flag: int
    id: int


class IcmpHeader:
    """RFC 792, RFC 4443."""

    type: int
    code: int


class GreHeader:
    """RFC 2784 and 2890: flags and the EtherType of what follows."""

    flags: int
    p: int

    def opt_fields_fmts(self) -> tuple[list[str], list[str]]:
        """Names and `struct` formats of the fields that the flags announce."""
        raise NotImplementedError


class TcpHeader:
    """RFC 9293: data offset in words; `data` is what was captured of the payload."""

    sport: int
    dport: int
    seq: int
    ack: int
    off: int
    flags: int
    opts: bytes
    data: bytes


class UdpHeader:
    """RFC 768."""

    sport: int
    dport: int
    data: bytes


class SctpHeader:
    """RFC 9260, 3.1: `data` are the chunks."""

    sport: int
    dport: int
    vtag: int
    data: bytes


class DnsQuestion:
    """RFC 1035, 4.1.2."""

    name: str
    type: int


class DnsRecord:
    """RFC 1035, 4.1.3; `cname` is there in a CNAME record only."""

    name: str
    type: int
    cname: str
    rdata: bytes


class DnsMessage:
    """RFC 1035, 4.1: identification, 1 where a response, response code, questions, answers."""

    id: int
    qr: int
    rcode: int
    qd: list[DnsQuestion]
    an: list[DnsRecord]


class ClientHello:
    """RFC 8446, 4.1.2: type and body of each extension; missing where there is none."""

    extensions: list[tuple[int, bytes]]


class UndecodableError(Exception):
    """A frame that is not followed any further; never leaves `decode`.

    `short_of` names the layer whose header is not all there, if that is the reason.
    """

    def __init__(self, skipped: Skipped, short_of: str | None = None) -> None:
        super().__init__(skipped.reason)
        self.skipped = skipped
        self.short_of = short_of


def malformed(layer: str) -> UndecodableError:
    """The header of this layer contradicts itself or its surroundings."""
    return UndecodableError(Skipped(f"malformed {layer}"))


def too_short(layer: str) -> UndecodableError:
    """The header of this layer is not all there: malformed, unless the capture cut it off."""
    return UndecodableError(Skipped(f"malformed {layer}"), layer)


@cache
def _dpkt_headers() -> ModuleType:
    from otterize_pcap.packets import dpkt_headers  # noqa: PLC0415 - it says why

    return dpkt_headers


def parse_header(header: type[_Header], packet: bytes, layer: str) -> _Header:
    """Parse the header at the start of `packet`.

    Raises:
        UndecodableError: It is cut short or invalid.
    """
    parsers = _dpkt_headers()
    try:
        parsed: _Header = parsers.PARSERS[header.__name__](packet)
    except parsers.NeedData as error:
        raise too_short(layer) from error
    except parsers.LEAKED as error:
        raise malformed(layer) from error
    return parsed

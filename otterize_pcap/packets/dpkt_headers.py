"""The only user of dpkt: its classes, each cut down to parse one header and nothing behind it.

dpkt decodes all the layers of a frame at once, recursively, and leaks IndexError, AttributeError
and more on hostile ones. `headers.parse_header` is how they are used; it imports this module when
the first header is parsed, since importing dpkt takes 30 ms and few captures need it.
"""

from typing import Any

import dpkt

NeedData = dpkt.NeedData
LEAKED = (dpkt.Error, IndexError, AttributeError, KeyError, TypeError, ValueError)
"""What parsing hostile bytes was seen to raise."""


def _alone(parsed: type) -> type:
    """The class without what it would decode behind its header."""

    def unpack(self: Any, buf: bytes) -> None:  # noqa: ANN401 - dpkt is untyped
        dpkt.Packet.unpack(self, buf)

    return type(parsed.__name__, (parsed,), {"unpack": unpack})


class _Ethernet(dpkt.ethernet.Ethernet):  # type: ignore[misc]  # dpkt is untyped
    def unpack(self, buf: bytes) -> None:
        dpkt.Packet.unpack(self, buf)

    def _unpack_data(self, buf: bytes) -> None:
        """Leave the rest alone: dpkt's own __init__ would decode all of it."""


class _Sll(dpkt.sll.SLL):  # type: ignore[misc]
    _typesw: dict[int, type] = {}  # noqa: RUF012 - dpkt's own attribute, here emptied


class _Sll2(dpkt.sll2.SLL2):  # type: ignore[misc]
    _typesw: dict[int, type] = {}  # noqa: RUF012


class _Ipv4(dpkt.ip.IP):  # type: ignore[misc]
    _protosw: dict[int, type] = {}  # noqa: RUF012


PARSERS: dict[str, Any] = {
    "EthernetHeader": _Ethernet,
    "VlanTag": dpkt.ethernet.VLANtag8021Q,
    "MplsLabel": dpkt.ethernet.MPLSlabel,
    "PppoeHeader": _alone(dpkt.pppoe.PPPoE),
    "SllHeader": _Sll,
    "Sll2Header": _Sll2,
    "WirelessHeader": _alone(dpkt.ieee80211.IEEE80211),
    "Ipv4Header": _Ipv4,
    "Ipv6Header": _alone(dpkt.ip6.IP6),
    "Ipv6Fragment": dpkt.ip6.IP6FragmentHeader,
    "IcmpHeader": _alone(dpkt.icmp.ICMP),
    "GreHeader": _alone(dpkt.gre.GRE),
    "TcpHeader": dpkt.tcp.TCP,
    "UdpHeader": dpkt.udp.UDP,
    "SctpHeader": _alone(dpkt.sctp.SCTP),
    "DnsMessage": dpkt.dns.DNS,
    "ClientHello": dpkt.ssl.TLSClientHello,
}
"""By the name of the class in `headers` that says what is used of it."""

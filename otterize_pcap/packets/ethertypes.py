"""What a frame says that it carries: EtherTypes, by IEEE 802 Numbers."""

IPV4, IPV6 = 0x0800, 0x86DD
ARP = 0x0806
VLAN, QINQ = 0x8100, 0x88A8
VLAN_TYPES = frozenset({VLAN, QINQ, 0x9100, 0x9200})
MPLS_TYPES = frozenset({0x8847, 0x8848})
PPPOE_DISCOVERY, PPPOE_SESSION = 0x8863, 0x8864
PPP_ETHERTYPE = 0x880B
MACSEC = 0x88E5
"""IEEE 802.1AE."""
BACKBONE_BRIDGE = 0x88E7
"""IEEE 802.1ah: an Ethernet frame behind a 4-byte service tag."""
CISCO_METADATA = 0x8909
"""Cisco TrustSec: 6 bytes, then the EtherType."""
TRANSPARENT_ETHERNET = 0x6558

ETHERTYPES = {
    0x0842: "Wake-on-LAN",
    0x8035: "RARP",
    0x809B: "AppleTalk",
    0x8137: "IPX",
    0x8809: "LACP",
    0x8863: "PPPoE discovery",
    0x888E: "802.1X",
    0x8892: "PROFINET",
    0x88CC: "LLDP",
    0x88F7: "PTP",
    0x8902: "CFM",
    0x8906: "FCoE",
    0x8915: "RoCE",
    0x9000: "loopback test",
}
"""What is no IP, by IEEE 802 Numbers (iana.org/assignments/ieee-802-numbers)."""

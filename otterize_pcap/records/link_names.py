"""Names of link types that are not decoded, for messages (tcpdump.org/linktypes.html)."""

NAMES = {
    3: "AX25",
    6: "IEEE802_5",
    7: "ARCNET_BSD",
    8: "SLIP",
    10: "FDDI",
    100: "ATM_RFC1483",
    104: "C_HDLC",
    107: "FRELAY",
    114: "LTALK",
    117: "PFLOG",
    119: "IEEE802_11_PRISM",
    122: "IP_OVER_FC",
    123: "SUNATM",
    129: "ARCNET_LINUX",
    138: "APPLE_IP_OVER_IEEE1394",
    139: "MTP2_WITH_PHDR",
    140: "MTP2",
    141: "MTP3",
    142: "SCCP",
    143: "DOCSIS",
    144: "LINUX_IRDA",
    163: "IEEE802_11_AVS",
    165: "BACNET_MS_TP",
    166: "PPP_PPPD",
    169: "GPRS_LLC",
    187: "BLUETOOTH_HCI_H4",
    189: "USB_LINUX",
    192: "PPI",
    195: "IEEE802_15_4_WITHFCS",
    201: "BLUETOOTH_HCI_H4_WITH_PHDR",
    203: "LAPD",
    204: "PPP_WITH_DIR",
    205: "C_HDLC_WITH_DIR",
    206: "FRELAY_WITH_DIR",
    215: "IEEE802_15_4_NONASK_PHY",
    220: "USB_LINUX_MMAPPED",
    224: "FC_2",
    226: "IPNET",
    227: "CAN_SOCKETCAN",
    230: "IEEE802_15_4_NOFCS",
    231: "DBUS",
    240: "NETANALYZER",
    247: "INFINIBAND",
    248: "SCTP",
    249: "USBPCAP",
    251: "BLUETOOTH_LE_LL",
    252: "WIRESHARK_UPPER_PDU",
    253: "NETLINK",
    254: "BLUETOOTH_LINUX_MONITOR",
    256: "BLUETOOTH_LE_LL_WITH_PHDR",
    258: "PKTAP",
    266: "USB_DARWIN",
    271: "VSOCK",
    274: "ETHERNET_MPACKET",
    279: "USB_2_0",
}


def link_type_name(link_type: int) -> str:
    """Number and, where it has one, name: `119 (IEEE802_11_PRISM)`."""
    if 147 <= link_type <= 162:
        return f"{link_type} (USER{link_type - 147})"
    name = NAMES.get(link_type)
    return f"{link_type} ({name})" if name else str(link_type)


def link_type_advice(link_type: int) -> str:
    """How to get packets of another link type.

    macOS writes PKTAP, or USER2 before it had a number, for `-i any` and where no interface is
    named (tcpdump(1) of macOS, "-i").
    """
    if link_type in (258, 149):
        return "name an interface to macOS' tcpdump, such as -i en0: of several it writes PKTAP"
    if 147 <= link_type <= 162:
        return (
            "its meaning is private to whoever wrote it: say what it is, with editcap -T ether "
            "where it is Ethernet, or capture again with tcpdump -i any"
        )
    return "capture again with tcpdump -i any, or on an Ethernet interface"

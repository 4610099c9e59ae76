# Numbers that the compiler must know. Each has its home in a module of Python; `_fastpath` compares
# them at import, so that a copy which drifted is never used.

from libc.stdint cimport int64_t

cdef enum:
    # packets.protocols
    ICMP_V4 = 1
    IPIP = 4
    TCP = 6
    UDP = 17
    IP6IP = 41
    ICMP_V6 = 58
    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    # table.rows
    MOST_COUNTED = 0xFFFF
    MOST_PARTS = 1 << 20
    # packets.packet
    CLIENT = 1
    SERVER = 2
    # packets.ports
    DNS_PORT = 53
    # packets.link_layer
    IPV4 = 0x0800
    IPV6 = 0x86DD
    ARP = 0x0806
    VLAN = 0x8100
    QINQ = 0x88A8
    TRANSPARENT_ETHERNET = 0x6558
    NETLINK_HARDWARE = 824
    # packets.transport
    UDP_HEADER = 8
    TCP_TIMESTAMP = 8
    # table.name_payloads
    HANDSHAKE_RECORD = 22
    # records.stream
    MAX_CAPTURED = 262144
    # records.pcap
    ZERO_RUN = 16
    # records.pcapng
    ENHANCED_PACKET = 6
    EPB_DROPCOUNT = 4
    MAX_BLOCK = 16777216
    # table.file_times
    ERA_BITS = 50

cdef extern from *:
    """
    #define OTTERIZE_SLOT_NS INT64_C(30000000000)
    """
    # table.rows
    const int64_t SLOT_NS "OTTERIZE_SLOT_NS"

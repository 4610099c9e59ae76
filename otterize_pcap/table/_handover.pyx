# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""What Python and the compiled path hand to each other: definitions in, rows out."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from otterize_pcap.table cimport _numbers
from otterize_pcap.table._frames cimport set_key
from otterize_pcap.table._links cimport (
    COOKED_2_LINK, COOKED_LINK, ETHERNET_LINK, LOOPBACK_LINK, Link, OTHER_LINK, RAW_IP_LINK
)
from otterize_pcap.table._naming cimport stream_number
from otterize_pcap.table._row cimport (
    CPacket, CRow, CSide, HAS_ACK, HAS_SEQ, HAS_TIMES, HAS_TIMESTAMP, NO_CLIENT, address,
    be64
)
from otterize_pcap.table._segments cimport (
    MAX_LABELS, MAX_NETWORKS, Label, Network, PORT_DECLINED, PORT_DNS, PORT_GENEVE, PORT_VXLAN,
    PORT_WIREGUARD, Places
)
from otterize_pcap.table._tunnels cimport Ends

from otterize_pcap.addresses import PRIVATE
from otterize_pcap.packets import ethertypes, link_layer, packet, ports, protocols, transport
from otterize_pcap.records import pcap, pcapng, stream
from otterize_pcap.table import file_times, name_payloads, rows
from otterize_pcap.table.capture_counts import Payload
from otterize_pcap.table.rows import Row, Side

_LINKS = {
    link_layer.open_ethernet_frame: ETHERNET_LINK,
    link_layer.open_cooked: COOKED_LINK,
    link_layer.open_cooked_2: COOKED_2_LINK,
    link_layer.open_loopback: LOOPBACK_LINK,
    link_layer.open_raw_ip: RAW_IP_LINK,
}
"""What opens a link type in the reference → the same here."""

COPIES = {
    protocols: {
        "ICMP_V4": _numbers.ICMP_V4, "IPIP": _numbers.IPIP, "TCP": _numbers.TCP,
        "UDP": _numbers.UDP, "IP6IP": _numbers.IP6IP, "ICMP_V6": _numbers.ICMP_V6,
        "FIN": _numbers.FIN, "SYN": _numbers.SYN, "RST": _numbers.RST, "PSH": _numbers.PSH,
        "ACK": _numbers.ACK,
    },
    packet: {"CLIENT": _numbers.CLIENT, "SERVER": _numbers.SERVER},
    ports: {"DNS_PORT": _numbers.DNS_PORT},
    link_layer: {"NETLINK_HARDWARE": _numbers.NETLINK_HARDWARE},
    ethertypes: {
        "IPV4": _numbers.IPV4, "IPV6": _numbers.IPV6, "ARP": _numbers.ARP, "VLAN": _numbers.VLAN,
        "QINQ": _numbers.QINQ, "TRANSPARENT_ETHERNET": _numbers.TRANSPARENT_ETHERNET,
    },
    transport: {
        "TCP_TIMESTAMP": _numbers.TCP_TIMESTAMP, "UDP_HEADER": _numbers.UDP_HEADER,
    },
    name_payloads: {"HANDSHAKE_RECORD": _numbers.HANDSHAKE_RECORD},
    stream: {"MAX_CAPTURED": _numbers.MAX_CAPTURED},
    pcap: {"ZERO_RUN": _numbers.ZERO_RUN},
    pcapng: {
        "ENHANCED_PACKET": _numbers.ENHANCED_PACKET, "EPB_DROPCOUNT": _numbers.EPB_DROPCOUNT,
        "MAX_BLOCK": _numbers.MAX_BLOCK,
    },
    file_times: {"ERA_BITS": _numbers.ERA_BITS},
    rows: {
        "SLOT_NS": _numbers.SLOT_NS, "MOST_COUNTED": _numbers.MOST_COUNTED,
        "MOST_PARTS": _numbers.MOST_PARTS,
    },
}

for _module, _numbers_of in COPIES.items():
    for _name, _number in _numbers_of.items():
        if getattr(_module, _name) != _number:
            raise ImportError(f"_numbers.pxd has another {_name} than {_module.__name__}")


cdef know_places(Places *places, vxlan_ports, geneve_ports):
    """Hand over the ports of each use, and the networks whose servers need no name (S50)."""
    cdef Network *network
    for use, numbers in (
        (PORT_VXLAN, vxlan_ports), (PORT_GENEVE, geneve_ports),
        (PORT_WIREGUARD, ports.WIREGUARD_PORTS),
        (PORT_DECLINED, ports.GUESSED_PORTS - ports.WIREGUARD_PORTS),
        (PORT_DNS, ports.DNS_PORTS),
    ):
        for port in numbers:
            places.use[<uint16_t>port] |= <uint8_t>use
    if len(PRIVATE) > MAX_NETWORKS:
        raise ValueError(f"more than {MAX_NETWORKS} networks")
    for value, mask in PRIVATE:
        network = &places.private_network[places.private_networks]
        network.high, network.low = value >> 64, value & <uint64_t>-1
        network.high_mask, network.low_mask = mask >> 64, mask & <uint64_t>-1
        places.private_networks += 1


cdef know_labels(Places *places, tuple labels):
    """Hand over the labels of names that alone are wanted; where there are many, all names are."""
    cdef bytes text
    cdef Label *label
    for text in labels if len(labels) <= MAX_LABELS else ():
        label = &places.label[places.labels]
        memcpy(label.text, <const uint8_t *>text, len(text))
        label.length = <uint32_t>len(text)
        places.labels += 1


cdef Link link_of(link_type):
    """How frames of a LINKTYPE_ number begin."""
    return _LINKS.get(link_layer.LINK_TYPES.get(link_type), OTHER_LINK)


cdef as_row(const CRow *row, list path_tunnels, const uint64_t *stations):
    """The `rows.Row` of a row, with its table's tunnel paths and stations by number."""
    cdef uint64_t word = row.key.word[4]
    cdef bint has_client = row.client != NO_CLIENT
    return Row(
        word & 0xFF,
        path_tunnels[(word >> 8) & 0xFFFFFF],
        row.key.word[5],
        (address(row.key.word[0], row.key.word[1]), word >> 48),
        (address(row.key.word[2], row.key.word[3]), (word >> 32) & 0xFFFF),
        row.number,
        row.first_sender,
        row.first_ns,
        row.last_ns,
        row.client if has_client else None,
        row.client_isn if has_client else None,
        row.server_isn if row.has_server_isn else None,
        row.part,
        (side(&row.sides[0], stations), side(&row.sides[1], stations)),
    )


cdef fill_packet(
    CPacket *taken, packet, int64_t time_ns, uint64_t number, uint64_t interface, uint32_t part,
    uint64_t path
):
    """What the reference decoded, but for the key's hash; `path` is its tunnels' number."""
    cdef Ends ends
    cdef bytes source = packet.source, destination = packet.destination
    cdef const uint8_t *sender = source
    cdef const uint8_t *receiver = destination
    if len(source) != 16 or len(destination) != 16:
        raise ValueError("addresses are 16 bytes")
    taken.key.word[5] = interface
    ends.source_high, ends.source_low = be64(sender), be64(sender + 8)
    ends.target_high, ends.target_low = be64(receiver), be64(receiver + 8)
    set_key(taken, &ends, packet.source_port, packet.destination_port, path, packet.protocol)
    taken.time_ns, taken.number, taken.part = time_ns, number, part
    taken.length = packet.length
    taken.flags = packet.flags
    taken.seq, taken.ack = packet.seq, packet.ack
    taken.hint = packet.hint
    taken.unreachable = packet.unreachable
    taken.fragment = packet.fragment
    taken.has_timestamp = packet.timestamp is not None
    taken.timestamp = packet.timestamp or 0
    taken.station = packet.station


cdef fill_row(CRow *made, row):
    """Make a `Row` that shows no packet one in C."""
    cdef bytes low = row.low[0], high = row.high[0]
    memset(made, 0, sizeof(CRow))
    made.key.word[0], made.key.word[1] = be64(low), be64(<const uint8_t *>low + 8)
    made.key.word[2], made.key.word[3] = be64(high), be64(<const uint8_t *>high + 8)
    made.key.word[4] = (<uint64_t>row.low[1] << 48 | <uint64_t>row.high[1] << 32
                        | <uint64_t>row.protocol)
    made.client = NO_CLIENT
    made.first_ns, made.last_ns = row.first_ns, row.last_ns
    made.number, made.part = row.number, row.part
    made.first_sender = row.first_sender


cdef uint64_t number_of_stream(tuple stream) except? 0xFFFFFFFF:
    """`stream_number` of (source, its port, destination, its port)."""
    cdef bytes source = stream[0], target = stream[2]
    return stream_number(
        be64(<const uint8_t *>source), be64(<const uint8_t *>source + 8),
        be64(<const uint8_t *>target), be64(<const uint8_t *>target + 8),
        <uint32_t>stream[1] << 16 | <uint32_t>stream[3])


cdef as_payload(const CPacket *packet):
    """The `capture_counts.Payload` of a packet that has one."""
    cdef const uint64_t *word = packet.key.word
    low = (address(word[0], word[1]), word[4] >> 48)
    high = (address(word[2], word[3]), (word[4] >> 32) & 0xFFFF)
    return Payload(
        word[4] & 0xFF,
        high if packet.sender else low,
        low if packet.sender else high,
        packet.seq,
        packet.time_ns,
        packet.number,
        packet.payload[:packet.payload_length],
        packet.part,
    )


cdef side(const CSide *side, const uint64_t *stations):
    return Side(
        side.packets,
        side.bytes,
        side.flags,
        side.syns,
        side.syn_acks,
        side.ack_first if side.has & HAS_ACK else None,
        side.seq_first if side.has & HAS_SEQ else None,
        side.seq_last if side.has & HAS_SEQ else None,
        side.timestamp if side.has & HAS_TIMESTAMP else None,
        side.hints,
        side.unreachable,
        side.first_ns if side.has & HAS_TIMES else None,
        side.last_ns if side.has & HAS_TIMES else None,
        stations[side.station] if side.has & HAS_TIMES else 0,
    )

# cython: cdivision=True
# TCP and UDP headers → the transport part of a packet.

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp

from otterize_pcap.table._links cimport ACCEPTED, DECLINED, Verdict
from otterize_pcap.table._naming cimport Expected, is_expected, is_not_a_call, stream_number
from otterize_pcap.table._numbers cimport (
    CLIENT, HANDSHAKE_RECORD, SERVER, SYN, TCP_TIMESTAMP, UDP_HEADER
)
from otterize_pcap.table._row cimport CPacket, be16, be32
from otterize_pcap.table._tunnels cimport Ends

cdef enum:
    PORT_VXLAN = 1
    PORT_GENEVE = 2
    PORT_DNS = 4
    PORT_DECLINED = 8
    PORT_WIREGUARD = 16
    MAX_NETWORKS = 8

# A range of addresses: `addresses.Network` in halves.
cdef struct Network:
    uint64_t high
    uint64_t low
    uint64_t high_mask
    uint64_t low_mask

cdef enum:
    MAX_LABELS = 8

# One label of a domain name as DNS writes it, its length first, in lower case.
cdef struct Label:
    uint8_t text[64]
    uint32_t length

# What is known of ports and addresses before a segment is looked at. `use` is by port.
cdef struct Places:
    Network private_network[MAX_NETWORKS]
    int private_networks
    bint collect_names
    # Where there are any, of all names only those in DNS that have one of them are collected.
    Label label[MAX_LABELS]
    int labels
    # NULL until there is one.
    Expected *expected
    uint8_t use[65536]


cdef inline uint32_t tcp_timestamp(
    const uint8_t *options, const uint8_t *end, uint8_t *found
) noexcept nogil:
    """`transport._timestamp`."""
    cdef uint32_t length
    found[0] = 0
    while end - options > 1:
        if options[0] == 0:
            return 0
        if options[0] == 1:
            options += 1
            continue
        length = options[1]
        if options[0] == TCP_TIMESTAMP and length == 10 and end - options >= 6:
            found[0] = 1
            return be32(options + 2)
        if length < 2 or end - options < <ptrdiff_t>length:
            return 0
        options += length
    return 0


cdef inline uint8_t tcp_hint(const uint8_t *payload, ptrdiff_t length) noexcept nogil:
    """`transport.tcp_hint`."""
    if length < 4:
        return 0
    if payload[0] == 0x16:
        if length >= 6 and payload[1] == 3 and (payload[5] == 1 or payload[5] == 2):
            return CLIENT if payload[5] == 1 else SERVER
        return 0
    if payload[0] < 67 or payload[0] > 84:
        return 0
    if length >= 7 and memcmp(payload, b"HTTP/1.", 7) == 0:
        return SERVER
    if memcmp(payload, b"GET ", 4) == 0 or memcmp(payload, b"PUT ", 4) == 0:
        return CLIENT
    if length >= 5 and (memcmp(payload, b"POST ", 5) == 0 or memcmp(payload, b"HEAD ", 5) == 0):
        return CLIENT
    if length >= 6 and (memcmp(payload, b"PATCH ", 6) == 0 or memcmp(payload, b"TRACE ", 6) == 0):
        return CLIENT
    if length >= 7 and memcmp(payload, b"DELETE ", 7) == 0:
        return CLIENT
    if length >= 8 and (
        memcmp(payload, b"OPTIONS ", 8) == 0 or memcmp(payload, b"CONNECT ", 8) == 0
    ):
        return CLIENT
    return 0


cdef inline bint is_private(const Places *places, uint64_t high, uint64_t low) noexcept nogil:
    """`addresses.is_private`."""
    cdef const Network *network
    cdef int i
    for i in range(places.private_networks):
        network = &places.private_network[i]
        if (high & network.high_mask) == network.high and (low & network.low_mask) == network.low:
            return True
    return False


cdef inline bint may_name(
    const Places *places, const uint8_t *data, const uint8_t *payload, const uint8_t *end,
    const Ends *ends, const CPacket *packet
) noexcept nogil:
    """Whether a TCP segment's payload may hold a name: `NamePayloads.wants` decides."""
    cdef bint is_dns = (places.use[be16(data)] | places.use[be16(data + 2)]) & PORT_DNS
    if end <= payload or is_not_a_call(ends.source_high, ends.source_low):
        return False
    if is_not_a_call(ends.target_high, ends.target_low):
        return False
    if is_dns or places.labels:
        return is_dns
    if is_private(places, ends.target_high, ends.target_low):
        return False
    if packet.hint == CLIENT and payload[0] == HANDSHAKE_RECORD:
        return True
    return places.expected != NULL and is_expected(
        places.expected,
        stream_number(ends.source_high, ends.source_low, ends.target_high, ends.target_low,
                      be32(data)),
        packet.seq)


cdef inline Verdict decode_tcp(
    const Places *places, const uint8_t *data, const uint8_t *end, uint32_t length,
    const Ends *ends, CPacket *packet
) noexcept nogil:
    cdef uint32_t header
    if end - data < 20:
        return DECLINED
    header = (data[12] >> 4) * 4
    if header < 20 or header > length or end - data < <ptrdiff_t>header:
        return DECLINED
    packet.flags = (data[12] & 1) << 8 | data[13]
    packet.seq = be32(data + 4)
    packet.ack = be32(data + 8)
    packet.payload_length = 0
    packet.has_timestamp = 0
    if packet.flags & SYN:
        packet.timestamp = tcp_timestamp(data + 20, data + header, &packet.has_timestamp)
    packet.hint = tcp_hint(data + header, end - data - header)
    if places.collect_names and may_name(places, data, data + header, end, ends, packet):
        return DECLINED
    return ACCEPTED


cdef inline bint is_label(const uint8_t *at, const Label *label) noexcept nogil:
    """Whether what begins with a label's length is that label, in any case (RFC 4343, 3)."""
    cdef uint8_t one
    cdef uint32_t i
    for i in range(1, label.length):
        one = at[i]
        if 65 <= one <= 90:
            one += 32
        if one != label.text[i]:
            return False
    return True


cdef inline bint has_label(
    const Places *places, const uint8_t *data, const uint8_t *end
) noexcept nogil:
    """Whether one of the labels is in a message, however its names are compressed."""
    cdef const Label *label
    cdef const uint8_t *at
    cdef int number
    for number in range(places.labels):
        label = &places.label[number]
        at = data
        while end - at >= <ptrdiff_t>label.length:
            at = <const uint8_t *>memchr(at, label.text[0], end - at - label.length + 1)
            if at == NULL:
                break
            if is_label(at, label):
                return True
            at += 1
    return False


cdef inline bint may_be_wireguard(const uint8_t *payload, const uint8_t *end) noexcept nogil:
    """What `tunnels.refuse_encrypted` asks: a client's port may be one of WireGuard's by chance."""
    return end - payload >= 4 and 1 <= payload[0] <= 4 and (
        payload[1] | payload[2] | payload[3]) == 0


cdef inline Verdict decode_udp(
    const Places *places, const uint8_t *data, const uint8_t *end, const Ends *ends,
    CPacket *packet
) noexcept nogil:
    if be16(data + 4) < UDP_HEADER:
        return DECLINED
    packet.flags = 0
    packet.seq = packet.ack = 0
    packet.has_timestamp = 0
    packet.hint = 0
    packet.payload_length = 0
    if (places.use[be16(data)] | places.use[be16(data + 2)]) & PORT_DNS:
        if end - data >= 11:
            packet.hint = SERVER if data[10] & 0x80 else CLIENT
        if (places.collect_names and (places.labels == 0 or has_label(places, data + 8, end))
                and not is_not_a_call(ends.source_high, ends.source_low)
                and not is_not_a_call(ends.target_high, ends.target_low)):
            packet.payload, packet.payload_length = data + 8, <uint32_t>(end - data - 8)
    return ACCEPTED

# cython: cdivision=True
# Frame → packet in C, for the frames that nearly all captures consist of.
#
# `decode_frame` accepts a frame only where all of this holds, and otherwise declines it:
# - link type Ethernet, Linux cooked v1 or v2, raw IP, NULL or LOOP; at most two VLAN tags;
# - IPv4 (no fragment) or IPv6 without extension headers, with a length that is not zero and not
#   shorter than the header;
# - TCP with a whole header, options included, or UDP, within captured and stated length;
# - no more than two tunnels, each VXLAN, Geneve or IP in IP, of a path met before (the caller
#   learns a new one, and tries again);
# - no UDP port that means encryption, by the payload too, VXLAN-GPE, or a tunnel's answer.
# ARP and ICMP messages that refuse nothing are recognised and counted too.
# Every read is of bytes below `end`, which is never behind the captured frame.


from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from otterize_pcap.table._links cimport (
    ACCEPTED,
    DECLINED,
    ICMP_MESSAGE,
    Link,
    Verdict,
    find_ip,
    station_of,
)
from otterize_pcap.table._numbers cimport ICMP_V4, ICMP_V6, IP6IP, IPIP, TCP, UDP
from otterize_pcap.table._row cimport CPacket, Key, be16, be32, be64
from otterize_pcap.table._rows cimport Table
from otterize_pcap.table._segments cimport (
    PORT_DNS,
    PORT_GENEVE,
    PORT_VXLAN,
    PORT_WIREGUARD,
    Places,
    decode_tcp,
    decode_udp,
    may_be_wireguard,
)
from otterize_pcap.table._tunnels cimport (
    Ends,
    KIND_GENEVE,
    KIND_IP6IP,
    KIND_IPIP,
    KIND_VXLAN,
    Paths,
    enter,
    open_geneve,
    open_vxlan,
)

cdef enum:
    # Of a destination or of a source port.
    EITHER_WIREGUARD = PORT_WIREGUARD | PORT_WIREGUARD << 8

cdef struct Decoding:
    Table table
    Paths paths
    Places places

# An IP header: its length and the packet's by itself.
cdef struct IpHeader:
    Ends ends
    uint32_t header
    uint32_t length
    uint32_t protocol


cdef inline bint parse_ip(const uint8_t *data, const uint8_t *end, IpHeader *ip) noexcept nogil:
    """`network.parse_ip`; False where the packet is declined."""
    if end - data < 20:
        return False
    if data[0] >> 4 == 4:
        ip.header = (data[0] & 0x0F) * 4
        ip.length = be16(data + 2)
        # More fragments, or an offset.
        if ip.header < 20 or ip.length < ip.header or be16(data + 6) & 0x3FFF:
            return False
        ip.protocol = data[9]
        ip.ends.source_high = ip.ends.target_high = 0
        ip.ends.source_low = <uint64_t>0xFFFF << 32 | be32(data + 12)
        ip.ends.target_low = <uint64_t>0xFFFF << 32 | be32(data + 16)
        return True
    if data[0] >> 4 == 6:
        ip.header = 40
        ip.length = be16(data + 4) + 40
        if ip.length == 40 or end - data < 40:
            return False
        ip.protocol = data[6]
        ip.ends.source_high, ip.ends.source_low = be64(data + 8), be64(data + 16)
        ip.ends.target_high, ip.ends.target_low = be64(data + 24), be64(data + 32)
        return True
    return False


cdef inline Verdict open_udp(
    const Decoding *decoding, const uint8_t **data, const uint8_t *end, const Ends *ends,
    uint64_t *path, int *tunnels, bint *is_tunnel
) noexcept nogil:
    """Step into a tunnel in UDP, or leave `data` where it is and `is_tunnel` False."""
    cdef const uint8_t *use = decoding.places.use
    cdef uint32_t used
    cdef uint64_t kind
    cdef Verdict verdict
    is_tunnel[0] = False
    if end - data[0] < 8:
        return DECLINED
    used = use[be16(data[0] + 2)] | (use[be16(data[0])] & ~<uint32_t>PORT_DNS) << 8
    if used & EITHER_WIREGUARD and not may_be_wireguard(data[0] + 8, end):
        used &= ~<uint32_t>EITHER_WIREGUARD
    if not used & ~<uint32_t>PORT_DNS:
        return ACCEPTED
    # Only a tunnel's destination port is dealt with here.
    is_tunnel[0] = True
    if used == PORT_VXLAN:
        kind, verdict = KIND_VXLAN, open_vxlan(data, end)
    elif used == PORT_GENEVE:
        kind, verdict = KIND_GENEVE, open_geneve(data, end)
    else:
        return DECLINED
    if verdict != ACCEPTED:
        # Whether what holds no IP packet is a tunnel at all, its ends tell (S25): the caller's.
        return DECLINED
    return enter(&decoding.table, &decoding.paths, path, tunnels, kind, ends)


cdef inline Verdict decode_frame(
    const Decoding *decoding, Link link, const uint8_t *data, const uint8_t *end,
    CPacket *packet
) noexcept nogil:
    """Fill in what `decode.Decoder.decode` would say of a frame, except time and number."""
    cdef uint64_t interface, path = 0
    cdef const uint8_t *frame = data
    cdef Verdict verdict = find_ip(link, &data, end, &interface)
    cdef IpHeader ip
    cdef int tunnels = 0
    cdef bint is_tunnel = False
    packet.key.word[5] = interface
    while verdict == ACCEPTED:
        if not parse_ip(data, end, &ip):
            return DECLINED
        if end - data > <ptrdiff_t>ip.length:
            end = data + ip.length
        if end - data < <ptrdiff_t>ip.header:
            return DECLINED
        data += ip.header
        if ip.protocol == UDP:
            verdict = open_udp(decoding, &data, end, &ip.ends, &path, &tunnels, &is_tunnel)
            if is_tunnel or verdict != ACCEPTED:
                continue
            verdict = decode_udp(&decoding.places, data, end, &ip.ends, packet)
        elif ip.protocol == TCP:
            verdict = decode_tcp(&decoding.places, data, end, ip.length - ip.header,
                                 &ip.ends, packet)
        elif ip.protocol == IPIP or ip.protocol == IP6IP:
            verdict = enter(&decoding.table, &decoding.paths, &path, &tunnels,
                            KIND_IPIP if ip.protocol == IPIP else KIND_IP6IP, &ip.ends)
            continue
        else:
            return no_segment(ip.protocol, data, end)
        if verdict == ACCEPTED:
            packet.length = ip.length
            packet.station = 0 if path else station_of(link, frame)
            set_key(packet, &ip.ends, be16(data), be16(data + 2), path, ip.protocol)
        return verdict
    return verdict


cdef inline Verdict no_segment(
    uint32_t protocol, const uint8_t *data, const uint8_t *end
) noexcept nogil:
    """ICMP messages are counted, save destination unreachable: 3 in version 4, 1 in version 6."""
    if (protocol == ICMP_V4 or protocol == ICMP_V6) and end - data >= 4:
        if data[0] != (3 if protocol == ICMP_V4 else 1):
            return ICMP_MESSAGE
    return DECLINED


cdef inline void set_key(
    CPacket *packet, const Ends *ends, uint64_t source_port, uint64_t target_port, uint64_t path,
    uint64_t protocol
) noexcept nogil:
    """Endpoints in order, lower one first; `sender` says which of them sent the packet."""
    cdef Key *key = &packet.key
    cdef bint swapped
    if ends.source_high != ends.target_high:
        swapped = ends.source_high > ends.target_high
    elif ends.source_low != ends.target_low:
        swapped = ends.source_low > ends.target_low
    else:
        swapped = source_port > target_port
    packet.sender = swapped
    if swapped:
        key.word[0], key.word[1] = ends.target_high, ends.target_low
        key.word[2], key.word[3] = ends.source_high, ends.source_low
        key.word[4] = target_port << 48 | source_port << 32 | path << 8 | protocol
    else:
        key.word[0], key.word[1] = ends.source_high, ends.source_low
        key.word[2], key.word[3] = ends.target_high, ends.target_low
        key.word[4] = source_port << 48 | target_port << 32 | path << 8 | protocol

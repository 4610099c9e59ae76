# cython: cdivision=True
# Link layer → IP, for the link types that `link_layer.LINK_TYPES` opens as one of these.

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from otterize_pcap.table._numbers cimport ARP, IPV4, IPV6, NETLINK_HARDWARE, QINQ, VLAN
from otterize_pcap.table._row cimport be16, be32

cdef enum Verdict:
    ACCEPTED = 0
    NOT_IP = 1
    ICMP_MESSAGE = 2
    DECLINED = 3

# How a frame begins; a link type that is none of these is declined.
cdef enum Link:
    OTHER_LINK = 0
    ETHERNET_LINK = 1
    COOKED_LINK = 2
    COOKED_2_LINK = 3
    LOOPBACK_LINK = 4
    RAW_IP_LINK = 5

cdef enum:
    MAX_TAGS = 2
    OUTGOING = 4
    MAC_BYTES = 6


cdef enum:
    # `link_layer.OUTGOING`, `ON_SEGMENT` and `CAME_IN`.
    STATION_OUT = 1
    STATION_ON_SEGMENT = 2
    STATION_IN = 3


cdef inline uint64_t be48(const uint8_t *at) noexcept nogil:
    return <uint64_t>be32(at) << 16 | be16(at + 4)


cdef inline uint64_t station_of(Link link, const uint8_t *frame) noexcept nogil:
    """`link_layer.station_of`, of a frame that `find_ip` accepts."""
    if link == ETHERNET_LINK:
        return <uint64_t>STATION_ON_SEGMENT << 48 | be48(frame + 6)
    if link == COOKED_2_LINK:
        return (<uint64_t>(STATION_OUT if frame[10] == OUTGOING else STATION_IN) << 48
                | (be48(frame + 12) if frame[11] == MAC_BYTES else 0))
    if link == COOKED_LINK:
        return (<uint64_t>(STATION_OUT if be16(frame) == OUTGOING else STATION_IN) << 48
                | (be48(frame + 6) if be16(frame + 4) == MAC_BYTES else 0))
    return 0


cdef inline Verdict find_ip(
    Link link, const uint8_t **data, const uint8_t *end, uint64_t *interface
) noexcept nogil:
    """`link_layer.open_link`: moves `data` on to the IP header."""
    cdef const uint8_t *at = data[0]
    interface[0] = 0
    if link == ETHERNET_LINK:
        return open_ethernet(data, end)
    if link == COOKED_2_LINK:
        if end - at < 20 or be16(at + 8) == NETLINK_HARDWARE:
            return DECLINED
        interface[0] = be32(at + 4)
        data[0] = at + 20
        return open_ethertype(be16(at), data, end)
    if link == COOKED_LINK:
        if end - at < 16 or be16(at + 2) == NETLINK_HARDWARE:
            return DECLINED
        interface[0] = be16(at) == OUTGOING
        data[0] = at + 16
        return open_ethertype(be16(at + 14), data, end)
    if link == LOOPBACK_LINK:
        # AF_INET in either byte order; other families and half-words are declined.
        if end - at < 4 or (be32(at) != 2 and be32(at) != 0x02000000):
            return DECLINED
        data[0] = at + 4
        return ACCEPTED
    return ACCEPTED if link == RAW_IP_LINK else DECLINED


cdef inline Verdict open_ethernet(const uint8_t **data, const uint8_t *end) noexcept nogil:
    cdef const uint8_t *at = data[0]
    if end - at < 14:
        return DECLINED
    data[0] = at + 14
    return open_ethertype(be16(at + 12), data, end)


cdef inline Verdict open_ethertype(
    uint32_t ethertype, const uint8_t **data, const uint8_t *end
) noexcept nogil:
    cdef int tags = 0
    while ethertype == VLAN or ethertype == QINQ:
        if tags == MAX_TAGS or end - data[0] < 4:
            return DECLINED
        ethertype = be16(data[0] + 2)
        data[0] += 4
        tags += 1
    if ethertype == IPV4 or ethertype == IPV6:
        return ACCEPTED
    return NOT_IP if ethertype == ARP else DECLINED

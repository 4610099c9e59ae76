# Frame → packet in C, for the frames that nearly all captures consist of.
#
# `decode_frame` accepts a frame only where all of this holds, and otherwise declines it:
# - link type Ethernet, Linux cooked v1 or v2, raw IP, NULL or LOOP; at most two VLAN tags;
# - IPv4 (no fragment) or IPv6 without extension headers, with a length that is not zero and not
#   shorter than the header;
# - TCP with a whole header, options included, or UDP, within captured and stated length;
# - no more than two tunnels, each VXLAN, Geneve or IP in IP, of a path met before;
# - no UDP port that may mean encryption, VXLAN-GPE, or a tunnel's answer.
# ARP and ICMP messages that refuse nothing are recognised and counted too.
# Every read is of bytes below `end`, which is never behind the captured frame.

cdef enum Verdict:
    ACCEPTED = 0
    NOT_IP = 1
    ICMP_MESSAGE = 2
    DECLINED = 3

cdef enum:
    KIND_VXLAN = 0
    KIND_GENEVE = 1
    KIND_IPIP = 2
    KIND_IP6IP = 3
    PORT_VXLAN = 1
    PORT_GENEVE = 2
    PORT_DNS = 4
    PORT_DECLINED = 8
    FAST_TUNNELS = 2

# One tunnel path: the path it is inside of, its kind, its addresses; found by `Key` with the
# parent and kind in word 4 and nothing in word 5.
cdef struct Paths:
    Slot *slots
    Key *keys
    uint64_t count
    uint64_t room
    int slot_bits

cdef struct Decoding:
    Table table
    Paths paths
    uint8_t port_use[65536]
    bint collect_names


cdef inline uint32_t be16(const uint8_t *at) noexcept nogil:
    return <uint32_t>at[0] << 8 | at[1]


cdef inline uint32_t be32(const uint8_t *at) noexcept nogil:
    return <uint32_t>at[0] << 24 | <uint32_t>at[1] << 16 | <uint32_t>at[2] << 8 | at[3]


cdef inline uint64_t be64(const uint8_t *at) noexcept nogil:
    return <uint64_t>be32(at) << 32 | be32(at + 4)


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
        if options[0] == 8 and length == 10 and end - options >= 6:
            found[0] = 1
            return be32(options + 2)
        if length < 2 or end - options < <ptrdiff_t>length:
            return 0
        options += length
    return 0


cdef inline uint8_t tcp_hint(const uint8_t *payload, ptrdiff_t length) noexcept nogil:
    """`transport._tcp_hint`."""
    if length < 4:
        return 0
    if payload[0] == 0x16:
        if length >= 6 and payload[1] == 3 and (payload[5] == 1 or payload[5] == 2):
            return payload[5]
        return 0
    if payload[0] < 67 or payload[0] > 84:
        return 0
    if length >= 7 and memcmp(payload, b"HTTP/1.", 7) == 0:
        return 2
    if memcmp(payload, b"GET ", 4) == 0 or memcmp(payload, b"PUT ", 4) == 0:
        return 1
    if length >= 5 and (memcmp(payload, b"POST ", 5) == 0 or memcmp(payload, b"HEAD ", 5) == 0):
        return 1
    if length >= 6 and (memcmp(payload, b"PATCH ", 6) == 0 or memcmp(payload, b"TRACE ", 6) == 0):
        return 1
    if length >= 7 and memcmp(payload, b"DELETE ", 7) == 0:
        return 1
    if length >= 8 and (
        memcmp(payload, b"OPTIONS ", 8) == 0 or memcmp(payload, b"CONNECT ", 8) == 0
    ):
        return 1
    return 0


cdef Verdict find_ip(
    uint32_t link_type, const uint8_t **data, const uint8_t *end, uint64_t *interface
) noexcept nogil:
    """`link_layer.open_link`: moves `data` on to the IP header."""
    cdef const uint8_t *at = data[0]
    cdef uint32_t protocol
    interface[0] = 0
    if link_type == 1:
        return open_ethernet(data, end)
    if link_type == 276:
        if end - at < 20:
            return DECLINED
        interface[0] = be32(at + 4)
        protocol = be16(at)
        if be16(at + 8) == 824:
            return DECLINED
        data[0] = at + 20
        return open_ethertype(protocol, data, end)
    if link_type == 113:
        if end - at < 16:
            return DECLINED
        interface[0] = be16(at) == 4
        protocol = be16(at + 14)
        if be16(at + 2) == 824:
            return DECLINED
        data[0] = at + 16
        return open_ethertype(protocol, data, end)
    if link_type == 0 or link_type == 108:
        # AF_INET in either byte order; other families and half-words are declined.
        if end - at < 4 or (be32(at) != 2 and be32(at) != 0x02000000):
            return DECLINED
        data[0] = at + 4
        return ACCEPTED
    if link_type == 101 or link_type == 12 or link_type == 14 or link_type == 228 or link_type == 229:
        return ACCEPTED
    return DECLINED


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
    while ethertype == 0x8100 or ethertype == 0x88A8:
        if tags == 2 or end - data[0] < 4:
            return DECLINED
        ethertype = be16(data[0] + 2)
        data[0] += 4
        tags += 1
    if ethertype == 0x0800 or ethertype == 0x86DD:
        return ACCEPTED
    return NOT_IP if ethertype == 0x0806 else DECLINED


cdef Verdict decode_frame(
    const Decoding *decoding, uint32_t link_type, const uint8_t *data, const uint8_t *end,
    CPacket *packet
) noexcept nogil:
    """Fill in what `decode.Decoder.decode` would say of a frame, except time and number."""
    cdef uint64_t interface
    cdef Verdict verdict = find_ip(link_type, &data, end, &interface)
    cdef uint64_t source_high, source_low, target_high, target_low
    cdef uint32_t length, header, protocol, use
    cdef uint64_t path = 0
    cdef int tunnels = 0
    packet.key.word[5] = interface
    while verdict == ACCEPTED:
        if end - data < 20:
            return DECLINED
        if data[0] >> 4 == 4:
            header = (data[0] & 0x0F) * 4
            length = be16(data + 2)
            # More fragments, or an offset.
            if header < 20 or length < header or be16(data + 6) & 0x3FFF:
                return DECLINED
            protocol = data[9]
            source_high = target_high = 0
            source_low = <uint64_t>0xFFFF << 32 | be32(data + 12)
            target_low = <uint64_t>0xFFFF << 32 | be32(data + 16)
        elif data[0] >> 4 == 6:
            header = 40
            length = be16(data + 4) + 40
            if length == 40 or end - data < 40:
                return DECLINED
            protocol = data[6]
            source_high, source_low = be64(data + 8), be64(data + 16)
            target_high, target_low = be64(data + 24), be64(data + 32)
        else:
            return DECLINED
        if end - data > <ptrdiff_t>length:
            end = data + length
        if end - data < <ptrdiff_t>header:
            return DECLINED
        data += header
        if protocol == TCP or protocol == UDP:
            use = 0
            if protocol == UDP:
                if end - data < 8:
                    return DECLINED
                use = decoding.port_use[be16(data + 2)] | (
                    decoding.port_use[be16(data)] & ~<uint32_t>PORT_DNS) << 4
                if use & ~<uint32_t>PORT_DNS:
                    # Only a tunnel's destination port is dealt with here.
                    if use == PORT_VXLAN:
                        verdict = open_vxlan(&data, end)
                        if verdict == ACCEPTED:
                            verdict = enter(decoding, &path, &tunnels, KIND_VXLAN, source_high,
                                            source_low, target_high, target_low)
                        continue
                    if use == PORT_GENEVE:
                        verdict = open_geneve(&data, end)
                        if verdict == ACCEPTED:
                            verdict = enter(decoding, &path, &tunnels, KIND_GENEVE, source_high,
                                            source_low, target_high, target_low)
                        continue
                    return DECLINED
            packet.length = length
            verdict = (decode_tcp(decoding, data, end, length - header,
                                  not is_private(target_high, target_low), packet)
                       if protocol == TCP else decode_udp(decoding, data, end, packet))
            if verdict != ACCEPTED:
                return verdict
            set_key(packet, source_high, source_low, target_high, target_low,
                    be16(data), be16(data + 2), path, protocol)
            return ACCEPTED
        if protocol == 4 or protocol == 41:
            verdict = enter(decoding, &path, &tunnels,
                            KIND_IPIP if protocol == 4 else KIND_IP6IP,
                            source_high, source_low, target_high, target_low)
            continue
        if (protocol == 1 or protocol == 58) and end - data >= 4:
            if data[0] != (3 if protocol == 1 else 1):
                return ICMP_MESSAGE
        return DECLINED
    return verdict


cdef inline Verdict open_vxlan(const uint8_t **data, const uint8_t *end) noexcept nogil:
    """`tunnels._open_vxlan`; `data` is at the UDP header."""
    if end - data[0] < 16 or not data[0][8] & 0x08:
        return DECLINED
    data[0] += 16
    return open_ethernet(data, end)


cdef inline Verdict open_geneve(const uint8_t **data, const uint8_t *end) noexcept nogil:
    """`tunnels._open_geneve`; `data` is at the UDP header."""
    cdef ptrdiff_t header
    cdef uint32_t protocol
    if end - data[0] < 16 or data[0][8] >> 6:
        return DECLINED
    header = 16 + (data[0][8] & 0x3F) * 4
    protocol = be16(data[0] + 10)
    if end - data[0] < header:
        return DECLINED
    data[0] += header
    if protocol == 0x6558:
        return open_ethernet(data, end)
    return ACCEPTED if protocol == 0x0800 or protocol == 0x86DD else DECLINED


cdef inline Verdict enter(
    const Decoding *decoding, uint64_t *path, int *tunnels, uint64_t kind,
    uint64_t source_high, uint64_t source_low, uint64_t target_high, uint64_t target_low
) noexcept nogil:
    """Step into a tunnel whose path is known already."""
    cdef Key key
    cdef uint64_t hash_, place, mask
    cdef uint32_t tag
    tunnels[0] += 1
    if tunnels[0] > FAST_TUNNELS:
        return DECLINED
    if source_high < target_high or (source_high == target_high and source_low <= target_low):
        key.word[0], key.word[1] = source_high, source_low
        key.word[2], key.word[3] = target_high, target_low
    else:
        key.word[0], key.word[1] = target_high, target_low
        key.word[2], key.word[3] = source_high, source_low
    key.word[4] = path[0] << 8 | kind
    key.word[5] = 0
    hash_ = hash_key(&decoding.table, &key)
    tag = <uint32_t>(hash_ >> 32)
    mask = (<uint64_t>1 << decoding.paths.slot_bits) - 1
    place = hash_ >> (64 - decoding.paths.slot_bits)
    while decoding.paths.slots[place].row:
        if decoding.paths.slots[place].tag == tag and same_key(
                &decoding.paths.keys[decoding.paths.slots[place].row - 1], &key):
            path[0] = decoding.paths.slots[place].row
            return ACCEPTED
        place = (place + 1) & mask
    return DECLINED


cdef inline Verdict decode_tcp(
    const Decoding *decoding, const uint8_t *data, const uint8_t *end, uint32_t length,
    bint to_outside, CPacket *packet
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
    packet.has_timestamp = 0
    if packet.flags & SYN:
        packet.timestamp = tcp_timestamp(data + 20, data + header, &packet.has_timestamp)
    packet.hint = tcp_hint(data + header, end - data - header)
    if decoding.collect_names and end - data > <ptrdiff_t>header:
        if (to_outside or packet.hint == 1
                or (decoding.port_use[be16(data)] | decoding.port_use[be16(data + 2)]) & PORT_DNS):
            return DECLINED
    return ACCEPTED


cdef inline bint is_private(uint64_t high, uint64_t low) noexcept nogil:
    """`addresses.is_private`."""
    cdef uint32_t ipv4 = <uint32_t>low
    if high == 0 and low >> 32 == 0xFFFF:
        return (ipv4 >> 24 == 10 or ipv4 >> 20 == 0xAC1 or ipv4 >> 16 == 0xC0A8
                or ipv4 >> 22 == 0x191)
    return high >> 57 == 0x7E


cdef inline Verdict decode_udp(
    const Decoding *decoding, const uint8_t *data, const uint8_t *end, CPacket *packet
) noexcept nogil:
    packet.flags = 0
    packet.seq = packet.ack = 0
    packet.has_timestamp = 0
    packet.hint = 0
    if (decoding.port_use[be16(data)] | decoding.port_use[be16(data + 2)]) & PORT_DNS:
        if decoding.collect_names:
            return DECLINED
        if end - data >= 11:
            packet.hint = 2 if data[10] & 0x80 else 1
    return ACCEPTED


cdef inline void set_key(
    CPacket *packet, uint64_t source_high, uint64_t source_low, uint64_t target_high,
    uint64_t target_low, uint64_t source_port, uint64_t target_port, uint64_t path,
    uint64_t protocol
) noexcept nogil:
    """Endpoints in order, lower one first; `sender` says which of them sent the packet."""
    cdef Key *key = &packet.key
    cdef bint swapped
    if source_high != target_high:
        swapped = source_high > target_high
    elif source_low != target_low:
        swapped = source_low > target_low
    else:
        swapped = source_port > target_port
    packet.sender = swapped
    if swapped:
        key.word[0], key.word[1] = target_high, target_low
        key.word[2], key.word[3] = source_high, source_low
        key.word[4] = target_port << 48 | source_port << 32 | path << 8 | protocol
    else:
        key.word[0], key.word[1] = source_high, source_low
        key.word[2], key.word[3] = target_high, target_low
        key.word[4] = source_port << 48 | target_port << 32 | path << 8 | protocol

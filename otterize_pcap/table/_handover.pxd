from libc.stdint cimport int64_t, uint32_t, uint64_t

from otterize_pcap.table._links cimport Link
from otterize_pcap.table._row cimport CPacket, CRow
from otterize_pcap.table._segments cimport Places


cdef know_places(Places *places, vxlan_ports, geneve_ports)
cdef know_labels(Places *places, tuple labels)
cdef Link link_of(link_type)
cdef fill_packet(
    CPacket *taken, packet, int64_t time_ns, uint64_t number, uint64_t interface, uint32_t part,
    uint64_t path
)
cdef fill_row(CRow *made, row)
cdef uint64_t number_of_stream(tuple stream) except? 0xFFFFFFFF
cdef as_payload(const CPacket *packet)
cdef as_row(const CRow *row, list path_tunnels, const uint64_t *stations)

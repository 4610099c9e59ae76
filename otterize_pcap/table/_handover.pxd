from libc.stdint cimport uint64_t

from otterize_pcap.table._links cimport Link
from otterize_pcap.table._row cimport CPacket, CRow
from otterize_pcap.table._segments cimport Places


cdef know_places(Places *places, vxlan_ports, geneve_ports)
cdef Link link_of(link_type)
cdef as_payload(const CPacket *packet)
cdef as_row(const CRow *row, list path_tunnels, const uint64_t *stations)

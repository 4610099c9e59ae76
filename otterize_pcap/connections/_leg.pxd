# One row as a leg, for all parts that look at legs. A header: it declares and defines no module.

from libc.stdint cimport int64_t, uint8_t, uint32_t

from otterize_pcap.table._row cimport CRow

# Its number, table, the rank of the file it began in, and times without the clock's offset. `place`
# is its flow's in the piece.
cdef struct CLeg:
    const CRow *row
    int64_t first_ns
    int64_t last_ns
    uint32_t number
    uint32_t table
    uint32_t rank
    uint32_t tuple_
    uint8_t place

from collections.abc import Container, Iterator

from otterize_pcap.table._fastpath import FastTable

def origins_in_table(
    table: FastTable, addresses: Container[bytes]
) -> Iterator[tuple[bytes, int, int, int, int]]: ...

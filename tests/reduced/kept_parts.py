"""What a reduced capture has beside its rows, as tests change it: parts by name, as bytes."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from otterize_pcap.reduced.parquet import places_of, put_part

Table = Any


def kept_parts(content: bytes) -> dict[str, bytes]:
    """The parts of a file."""
    metadata = pq.read_metadata(pa.BufferReader(content)).metadata
    return {
        name: content[begin : begin + length]
        for name, (begin, length) in places_of(metadata, len(content)).items()
    }


def with_parts(table: Table, groups: list[int], kept: dict[str, bytes], **how: Any) -> bytes:  # noqa: ANN401
    """A file of these parts, whose groups have so many rows; the last has all that are left."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, **how) as writer:
        for rows in groups:
            writer.write_table(table.slice(0, rows))
            table = table.slice(rows)
        if table.num_rows:
            writer.write_table(table)
        writer.add_key_value_metadata({name: put_part(sink, kept[name]) for name in kept})
    content: bytes = sink.getvalue().to_pybytes()
    return content

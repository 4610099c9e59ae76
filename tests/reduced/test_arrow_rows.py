"""Rows as Arrow tables: nothing is lost, and null is what was not known."""

import pyarrow as pa
import pytest
from hypothesis import given

from otterize_pcap.packets.closed_tunnels import FORGED
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.reduced.arrow_rows import (
    SCHEMA,
    TEXT,
    arrow_of,
    columns_of,
    parse_path,
    path_text,
)
from otterize_pcap.table import table_columns
from otterize_pcap.table.columns import rows_of
from tests.table.test_columns import Recording, filled
from tests.table.test_rows import ADDRESSES, recordings

FILES = ("a.pcap", "b.pcap", "c.pcap")


@given(recording=recordings)
def test_rows_come_back_as_they_were(recording: Recording) -> None:
    """Null comes back as what was not known."""
    table = filled(False, recording)
    arrow = arrow_of(table_columns.columns_of(table), "node-a", FILES)
    assert arrow.schema == SCHEMA
    assert list(rows_of(columns_of(arrow))) == list(table.rows())


def test_every_column_is_text_or_an_integer() -> None:
    """Spark reads no timestamp of nanoseconds, nor the file that has one."""
    for field in SCHEMA:
        assert field.type == TEXT or pa.types.is_integer(field.type), field.name


@pytest.mark.parametrize(
    "path",
    [
        (),
        (FORGED,),
        (Tunnel("vxlan", ADDRESSES[0], ADDRESSES[1]), Tunnel("ipip", bytes(15) + b"\1", bytes(16))),
    ],
)
def test_tunnels_as_text(path: tuple[Tunnel, ...]) -> None:
    """Each path has one text, from the outside in."""
    assert parse_path(path_text(path)) == path


@pytest.mark.parametrize("text", ["vxlan", "teredo 10.0.0.1 10.0.0.2", "vxlan a b", "; "])
def test_what_is_no_tunnel_is_refused(text: str) -> None:
    """A kind that nothing opens, or no addresses."""
    with pytest.raises(ValueError, match=r"."):
        parse_path(text)

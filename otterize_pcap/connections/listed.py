"""One connection for a listing, as `otterize connections` writes it."""

from typing import NamedTuple

from otterize_pcap.table.rows import Endpoint


class ListedConnection(NamedTuple):
    """A connection from where it began to where it ended, or one leg of one.

    Counts are (to the server, to the client), times ns since the epoch; `tunnels` are names from
    the outside in; `packet` is the number of its first packet in `file`. (A named tuple: a frozen
    dataclass takes seven times as long to make, and a capture can have millions.)
    """

    protocol: int
    client: Endpoint
    server: Endpoint
    rule: str
    outcome: str
    syns: int
    packets: tuple[int, int]
    bytes: tuple[int, int]
    first_ns: int
    last_ns: int
    tunnels: tuple[str, ...]
    file: str
    packet: int

"""What a reduced capture holds beside rows: counts, names' payloads, snapshot, what nodes saved.

These values are what is written, so that a change to one is a change of format: `VERSION` then
counts on. Bytes are as they were in the files that were read.
"""

from collections.abc import Mapping, Sequence

import msgspec

from otterize_pcap.errors import CaptureError, UsageError
from otterize_pcap.json_errors import BROKEN
from otterize_pcap.packets.closed_tunnels import ClosedTunnels
from otterize_pcap.reduced.saved_tunnels import known_tunnel
from otterize_pcap.table.capture_counts import CaptureCounts, Payload
from otterize_pcap.table.chunk import ReadOptions
from otterize_pcap.table.rows import Endpoint

VERSION = 2


class SavedClosed(msgspec.Struct, frozen=True, gc=False):
    """`ClosedTunnels`: packets of each tunnel, and the 5-tuples inside."""

    packets: list[tuple[str, bytes, bytes, int]]
    claims: list[tuple[int, Endpoint, Endpoint]]
    is_full: bool


class SavedCounts(msgspec.Struct, frozen=True, gc=False):
    """`CaptureCounts`, field by field."""

    packets: int
    bytes: int
    first_ns: int | None
    last_ns: int | None
    skipped: dict[str, int]
    declined: int
    truncated: int
    damage: tuple[str, ...]
    dropped: int | None
    payloads_left_out: int
    closed: SavedClosed


class SavedRecording(msgspec.Struct, frozen=True, gc=False):
    """One node's recording: what is known of it beside its rows, which are `rows` many."""

    node: str
    name: str
    files: tuple[str, ...]
    rows: int
    part_times: tuple[tuple[int, int] | None, ...]
    counts: SavedCounts


class SavedUnread(msgspec.Struct, frozen=True, gc=False):
    """A file that could not be read, and why."""

    path: str
    node: str
    reason: str


class SavedBroken(msgspec.Struct, frozen=True, gc=False):
    """A file that is not what its manifest says."""

    node: str
    file: str
    reason: str


class SavedDocument(msgspec.Struct, frozen=True, gc=False):
    """One document of the snapshot, or why it could not be read; see `parse_snapshot`."""

    name: str
    content: bytes
    error: str | None
    is_foreign: bool


class SavedFolder(msgspec.Struct, frozen=True, gc=False):
    """What a capture directory had of a node: where, and its files by name."""

    place: str
    contents: dict[str, bytes]


class SavedReading(msgspec.Struct, frozen=True, gc=False):
    """How packets were read: what changes which rows there are."""

    vxlan_ports: tuple[int, ...]
    geneve_ports: tuple[int, ...]
    tunnel_endpoints: tuple[tuple[int, int], ...]


class SavedCapture(msgspec.Struct, frozen=True, gc=False):
    """A capture without its rows.

    `place` is the capture directory's path, empty for files, and `folders` what it has of each
    node. `manifest` is that file.
    """

    version: int
    tool: str
    place: str
    reading: SavedReading
    recordings: tuple[SavedRecording, ...]
    documents: tuple[SavedDocument, ...]
    folders: dict[str, SavedFolder]
    manifest: bytes | None = None
    unread: tuple[SavedUnread, ...] = ()
    broken: tuple[SavedBroken, ...] = ()
    notes: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()


_PAYLOADS = msgspec.msgpack.Decoder(tuple[Payload, ...])


class _Version(msgspec.Struct, frozen=True, gc=False):
    version: int


def encode_saved(saved: SavedCapture) -> bytes:
    """A capture's part beside its rows, as MessagePack."""
    return msgspec.msgpack.encode(saved)


def decode_saved(data: bytes, where: str) -> SavedCapture:
    """The same again.

    Raises:
        CaptureError: It is none, or of a later version.
    """
    try:
        found = msgspec.msgpack.decode(data, type=_Version).version
        if found == VERSION:
            return msgspec.msgpack.decode(data, type=SavedCapture)
    except BROKEN as error:
        raise damaged(where) from error
    message = (
        f"{where}: a reduced capture of version {found}, and this otterize reads {VERSION}; "
        "reduce it again, or use the otterize that made it"
    )
    raise CaptureError(message)


def encode_payloads(payloads: Sequence[Payload]) -> bytes:
    """What names are read from, of one recording, as MessagePack."""
    return msgspec.msgpack.encode(payloads)


def decode_payloads(data: bytes, where: str) -> tuple[Payload, ...]:
    """The same again.

    Raises:
        CaptureError: They are none.
    """
    try:
        return _PAYLOADS.decode(data)
    except BROKEN as error:
        raise damaged(where) from error


def damaged(where: str) -> CaptureError:
    """The error for a file that is not as it was written."""
    return CaptureError(f"{where}: a damaged reduced capture; reduce the capture again")


def saved_reading(options: ReadOptions) -> SavedReading:
    """What of reading options changes which rows there are, as it is written."""
    return SavedReading(
        tuple(sorted(options.vxlan_ports)),
        tuple(sorted(options.geneve_ports)),
        options.tunnel_endpoints,
    )


def refuse_other_ports(saved: SavedReading, options: ReadOptions, where: str) -> None:
    """See that no port of tunnels is asked for whose packets were not read so.

    Raises:
        UsageError: One is.
    """
    for name, had, wanted in (
        ("--vxlan-port", frozenset(saved.vxlan_ports), options.vxlan_ports),
        ("--geneve-port", frozenset(saved.geneve_ports), options.geneve_ports),
    ):
        if more := sorted(wanted - had):
            message = (
                f"{where}: reduced without {name} {more[0]}, which cannot be asked for afterwards; "
                "give it to `otterize reduce`"
            )
            raise UsageError(message)


def save_counts(counts: CaptureCounts) -> SavedCounts:
    """Counts as they are written."""
    closed = counts.closed
    return SavedCounts(
        **{
            name: getattr(counts, name)
            for name in SavedCounts.__struct_fields__
            if name not in {"closed", "skipped"}
        },
        skipped=dict(counts.skipped),
        closed=SavedClosed(
            [(each.kind, each.low, each.high, count) for each, count in closed.packets.items()],
            sorted(closed.claims),
            closed.is_full,
        ),
    )


def counts_of(saved: SavedCounts) -> CaptureCounts:
    """Counts again.

    Raises:
        ValueError: They are of a tunnel that cannot be.
    """
    closed = ClosedTunnels(is_full=saved.closed.is_full)
    closed.claims.update(saved.closed.claims)
    for kind, low, high, count in saved.closed.packets:
        closed.packets[known_tunnel(kind, low, high)] = count
    fields: Mapping[str, object] = msgspec.structs.asdict(saved)
    return CaptureCounts(**{**fields, "closed": closed})  # type: ignore[arg-type]

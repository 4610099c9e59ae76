"""Reduced captures: a capture's parts, read again from the one file that `write_reduced` wrote.

Whatever the parts were read from, what is made of them is the same: that is why a reduced capture
gives the same answers as its pcap files, byte for byte.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.addresses import format_address
from otterize_pcap.capture_dir import decode_manifest
from otterize_pcap.connections.node_files import parse_node_addresses
from otterize_pcap.errors import CaptureError, InputError, UsageError
from otterize_pcap.extras import how_to_have
from otterize_pcap.files.capture_parts import CaptureParts
from otterize_pcap.files.joined_tables import joined_recordings
from otterize_pcap.files.manifest_files import BrokenPromise
from otterize_pcap.files.node_folders import ADDRESSES, NodeFolder
from otterize_pcap.files.opening import open_stream, path_text
from otterize_pcap.files.pcap_files import ReadFiles, UnreadFile
from otterize_pcap.files.plain_files import open_plain
from otterize_pcap.packets.closed_tunnels import FORGED
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.reduced.saved_capture import (
    SavedCapture,
    SavedDocument,
    SavedReading,
    SavedRecording,
    SavedUnread,
    counts_of,
    damaged,
    refuse_other_ports,
)
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.capture_counts import CaptureCounts, Payload
from otterize_pcap.table.chunk import ReadOptions
from otterize_pcap.table.columns import Columns
from otterize_pcap.table.name_payloads import wanted_payloads
from otterize_pcap.table.read import CaptureTable
from otterize_pcap.table.reading import Reading
from otterize_pcap.table.table_columns import restore

if TYPE_CHECKING:
    from otterize_pcap.reduced.parquet import ReducedFile

MAGIC = b"PAR1"


def is_reduced(path: Path) -> bool:
    """Whether a file is Parquet, by its first bytes."""
    if not path.is_file():
        return False
    try:
        with open_plain(path) as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


@contextmanager
def open_reduced(path: Path) -> Iterator["Reduced"]:
    """A reduced capture, open as long as the block lasts.

    Raises:
        CaptureError: It is damaged, of a later version, or pyarrow is not installed.
    """
    where = path_text(path)
    require_pyarrow(where)
    # pyarrow takes a tenth of a second to import.
    from otterize_pcap.reduced.parquet import ReducedFile  # noqa: PLC0415

    with ExitStack() as stack:
        yield Reduced(ReducedFile(open_stream(stack, path), where), where)


def require_pyarrow(where: str) -> None:
    """See that reduced captures can be read and written.

    Raises:
        CaptureError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415
    except ImportError as error:
        message = f"{where}: reduced captures need pyarrow; {how_to_have('pyarrow')}"
        raise CaptureError(message) from error


class Reduced(Struct, frozen=True):
    """An open reduced capture; `where` names its file."""

    file: "ReducedFile"
    where: str

    @property
    def saved(self) -> SavedCapture:
        """All of it but the rows."""
        return self.file.saved

    def snapshot(self) -> Snapshot:
        """The snapshot that it was made with.

        Raises:
            SnapshotError: It is none.
        """
        return snapshot_of(self.saved.documents)

    def local_addresses(self) -> frozenset[bytes]:
        """What the nodes said of their own addresses."""
        return frozenset(
            address
            for folder in self.saved.folders.values()
            for address in parse_node_addresses(
                folder.contents.get(ADDRESSES, b"").decode("utf-8", "replace")
            )
        )

    def parts(self, options: ReadOptions, *, apart: bool = False) -> CaptureParts:
        """The capture's parts, as reading its pcap files with these options would yield them.

        `apart` leaves each file its own table.

        Raises:
            CaptureError: It is damaged.
            UsageError: Another snapshot would have opened other tunnels.
        """
        saved = self.saved
        recordings = []
        for number, groups in enumerate(self.file.columns(options.max_connections)):
            node = saved.recordings[number].node
            recordings.append((node, self._table(number, groups, options)))
        place = Path(saved.place) if saved.place else None
        return CaptureParts(
            ReadFiles(
                tuple(recordings) if apart else joined_recordings(recordings, options),
                tuple(map(_unread, saved.unread)),
                saved.notes,
                saved.aside,
            ),
            place,
            None if saved.manifest is None else decode_manifest(saved.manifest, self.where),
            lambda: tuple(
                BrokenPromise(each.node, each.file, each.reason) for each in saved.broken
            ),
            {
                node: NodeFolder(Path(folder.place), folder.contents)
                for node, folder in saved.folders.items()
            },
            asks_kept=options.collect_names,
            threads=options.threads,
        )

    def _table(self, number: int, groups: Iterator[Columns], options: ReadOptions) -> CaptureTable:
        recording = self.saved.recordings[number]
        payloads = self._payloads(number, options)
        parts = {payload.part for payload in payloads}
        opened: set[Tunnel] = set()
        table = Reading(options, None).table
        try:
            for columns in groups:
                parts.update(memoryview(columns.values["part"]).cast("I"))
                opened.update(tunnel for path in columns.paths for tunnel in path)
                restore(table, columns)
        except ValueError as error:
            raise damaged(self.where) from error
        if parts and max(parts) >= len(recording.files):
            raise damaged(self.where)
        self._require_same_tunnels(recording, opened - {FORGED}, options)
        return CaptureTable(
            recording.name,
            recording.files,
            table,
            self._counts(recording),
            payloads,
            recording.part_times,
        )

    def _counts(self, recording: SavedRecording) -> CaptureCounts:
        try:
            return counts_of(recording.counts)
        except ValueError as error:
            raise damaged(self.where) from error

    def _payloads(self, number: int, options: ReadOptions) -> tuple[Payload, ...]:
        """What names are read from, as far as these options ask for it."""
        if not options.collect_names and not options.answers_about:
            return ()
        return wanted_payloads(
            self.file.payloads(number),
            everything=options.collect_names,
            labels=options.answers_about,
        )

    def _require_same_tunnels(
        self, recording: SavedRecording, opened: set[Tunnel], options: ReadOptions
    ) -> None:
        closed = self._counts(recording).closed.packets
        if options.opens is None:
            return
        for tunnels, were in ((opened, True), (closed, False)):
            for tunnel in sorted(tunnels, key=lambda each: (each.kind, each.low, each.high)):
                if options.opens(tunnel.low, tunnel.high) != were:
                    ends = f"{format_address(tunnel.low)} and {format_address(tunnel.high)}"
                    message = (
                        f"{self.where}: with this snapshot the {tunnel.kind} tunnel between {ends} "
                        f"is {'not trusted' if were else 'trusted'} (S25), and it was "
                        f"{'opened' if were else 'left closed'} when the capture was reduced; "
                        "reduce it again with this snapshot"
                    )
                    raise UsageError(message)


def snapshot_of(documents: Sequence[SavedDocument]) -> Snapshot:
    """The snapshot that saved documents are.

    Raises:
        SnapshotError: They are none.
    """
    return parse_snapshot(
        map(document_of, documents),
        {each.name for each in documents if each.is_foreign},
    )


def document_of(saved: SavedDocument) -> tuple[str, bytes | InputError]:
    """A saved document as `parse_snapshot` takes it: by name, or why it could not be read."""
    return saved.name, saved.content if saved.error is None else InputError(saved.error)


def reading_of(saved: SavedReading, options: ReadOptions, where: str) -> ReadOptions:
    """The options with what a capture was reduced with.

    Raises:
        UsageError: They ask for more than was read.
    """
    refuse_other_ports(saved, options, where)
    return replace(
        options,
        vxlan_ports=frozenset(saved.vxlan_ports),
        geneve_ports=frozenset(saved.geneve_ports),
        tunnel_endpoints=tuple(dict.fromkeys((*saved.tunnel_endpoints, *options.tunnel_endpoints))),
    )


def _unread(saved: SavedUnread) -> UnreadFile:
    return UnreadFile(Path(saved.path), saved.node, CaptureError(saved.reason))

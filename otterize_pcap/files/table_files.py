"""Tables that nodes made of their recordings → `CaptureTable`, as if their packets were read here.

Which tunnels are opened, the snapshot decides (S25): see `believed_rows`.
"""

from collections.abc import Sequence
from pathlib import Path

from otterize_pcap.errors import CaptureError
from otterize_pcap.files.believed_rows import believed_rows
from otterize_pcap.files.joined_tables import joined_counts
from otterize_pcap.files.opening import open_file
from otterize_pcap.packets.closed_tunnels import Claim, ClosedTunnels
from otterize_pcap.records.stream import ByteStream
from otterize_pcap.reduced.saved_capture import refuse_other_ports
from otterize_pcap.reduced.table_blocks import MAGIC, read_block, read_head
from otterize_pcap.table.capture_counts import CaptureCounts, Payload
from otterize_pcap.table.name_payloads import wanted_payloads
from otterize_pcap.table.read import CaptureTable, Progress, ReadOptions
from otterize_pcap.table.reading import Reading
from otterize_pcap.table.table_columns import restore

TABLE_SUFFIX = ".conntable"


def is_table_file(path: Path) -> bool:
    """Whether a file is a table that a node made, by its name and its first bytes."""
    if not path.name.endswith(TABLE_SUFFIX) or path.is_dir():
        return False
    try:
        with open_file(path) as file:
            return is_table(file.read(len(MAGIC)))
    except (OSError, CaptureError):
        return False


def is_table(head: bytes) -> bool:
    """Whether a file begins as such a table does."""
    return head.startswith(MAGIC)


def table_time(stream: ByteStream, where: str) -> int | None:
    """When the first packet was, in ns; None where its first block has none.

    Raises:
        CaptureError: It is damaged, or of another version.
    """
    head = read_head(stream, where)
    return None if head is None or head.span is None else head.span[0]


def read_table(
    stream: ByteStream, name: str, node: str, options: ReadOptions, progress: Progress | None
) -> CaptureTable:
    """Read a file of blocks as the table of one file.

    Args:
        stream: The file.
        name: Names it, in evidence and errors.
        node: The node that it is of.
        options: How its packets would be read.
        progress: Told the bytes and packets that it stands for, now and then.

    Raises:
        CaptureError: It is damaged, or of another version; or there is no room.
        UsageError: Other ports of tunnels are asked for than it was read with.
    """
    table = Reading(options, None).table
    counts: list[CaptureCounts] = []
    payloads: list[Payload] = []
    spans: list[tuple[int, int]] = []
    while (block := read_block(stream, name)) is not None:
        refuse_other_ports(block.reading, options, name)
        try:
            believed = believed_rows(block, options.opens)
            restore(table, believed.columns)
        except ValueError as error:
            message = f"{name}: a damaged table of a node; capture again"
            raise CaptureError(message) from error
        counts.append(believed.counts)
        payloads += _names(block.payloads, believed.counts.closed, options)
        spans += [block.span] if block.span is not None else []
        if progress:
            progress(sum(each.bytes for each in counts), sum(each.packets for each in counts))
    return CaptureTable(
        node, (name,), table, joined_counts(counts), tuple(payloads), (_whole(spans),)
    )


def _names(
    payloads: Sequence[Payload], closed: ClosedTunnels, options: ReadOptions
) -> tuple[Payload, ...]:
    """What names are read from, as far as these options ask for it, outside of closed tunnels."""
    if not options.collect_names and not options.answers_about:
        return ()
    wanted = wanted_payloads(
        payloads, everything=options.collect_names, labels=options.answers_about
    )
    return tuple(each for each in wanted if _claim_of(each) not in closed.claims)


def _claim_of(payload: Payload) -> Claim:
    ends = sorted((payload.source, payload.target))
    return payload.protocol, ends[0], ends[1]


def _whole(spans: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """From when to when all of these go."""
    if not spans:
        return None
    return min(first for first, _ in spans), max(last for _, last in spans)

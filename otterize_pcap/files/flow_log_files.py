"""Flow logs among the files of a capture: told by their first bytes, and read."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

from otterize_pcap.errors import CaptureError, TooManyConnections
from otterize_pcap.files.found_files import is_capture_directory
from otterize_pcap.files.opening import STDIN, open_stream, path_text, peek_stream
from otterize_pcap.flow_logs.documents import HEAD, read_flow_log, writer_of
from otterize_pcap.flow_logs.flow import LogRecords, Writer
from otterize_pcap.flow_logs.logged import LACKS
from otterize_pcap.graph.naming import printable
from otterize_pcap.graph.service_graph import FileCoverage, NodeCoverage
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.records.compression import Decompressed, compression_of, plain_window
from otterize_pcap.records.containers import is_container
from otterize_pcap.records.stream import Window

MOST_COMPRESSED = 1 << 20
"""Bytes of a compressed file that tell what is in it, as of captures."""


def flow_logs_among(paths: Iterable[Path]) -> dict[Path, Writer]:
    """Which of some files are flow logs, and whose."""
    found: dict[Path, Writer] = {}
    for path in paths:
        head = peek_stream(path, MOST_COMPRESSED, is_container)
        try:
            head = plain_window(BytesIO(head), "").peek(HEAD)
        except CaptureError:
            # What unpacks it is not installed: whoever reads it says so.
            continue
        writer = writer_of(head[:HEAD])
        if writer is not None:
            found[path] = writer
    return found


def flow_logs_named(paths: Iterable[Path]) -> dict[Path, Writer]:
    """The flow logs among files that were named, and in directories that hold no capture."""
    found: dict[Path, Writer] = {}
    for path in paths:
        if path == STDIN or not path.is_dir():
            found |= flow_logs_among([path])
        else:
            found |= flow_logs_inside(path)
    return found


def is_of_logs(path: Path, logs: Collection[Path]) -> bool:
    """Whether a path that was given is one of some flow logs, or the directory of one."""
    return path in logs or any(path == log.parent and path.is_dir() for log in logs)


def flow_logs_inside(directory: Path) -> dict[Path, Writer]:
    """The flow logs that lie in a directory which holds no capture of packets."""
    if is_capture_directory(directory):
        return {}
    files = (path for path in sorted(directory.iterdir()) if path.is_file())
    return flow_logs_among(path for path in files if not path.name.startswith("."))


def read_flow_logs(paths: Iterable[tuple[Path, Writer]], most: int) -> list[LogRecords]:
    """The records of flow logs, compressed or not.

    Raises:
        CaptureError: One is missing or unreadable, or holds no flow at all.
        TooManyConnections: They hold more than `most` flows together.
    """
    found: list[LogRecords] = []
    for path, writer in dict(paths).items():
        log = _read(path, writer, most - sum(len(each.flows) for each in found))
        if not log.records:
            message = f"{log.file}: a flow log without a whole record; export it again"
            raise CaptureError(message)
        found.append(log)
    return found


def _read(path: Path, writer: Writer, most: int) -> LogRecords:
    name = path_text(path)
    with ExitStack() as stack:
        window = Window(open_stream(stack, path))
        compression = compression_of(window.peek(4))
        plain = Decompressed(window, name, compression) if compression else None
        log = read_flow_log(window if plain is None else Window(plain), name, writer, most)
        if plain is not None and plain.damage is not None:
            log.damage = plain.damage.removeprefix(f"{name}: ")
    if len(log.flows) > most:
        message = (
            f"{name}: more flows than there is room for ({most:,} with those read before); "
            "export fewer, or raise --max-connections"
        )
        raise TooManyConnections(message)
    return log


def log_coverage(logs: Sequence[LogRecords]) -> tuple[FileCoverage, ...]:
    """What each log held, and why it does not show all."""
    return tuple(
        FileCoverage(
            file=log.file,
            node=None,
            packets=log.records,
            first_ns=log.first_ns,
            last_ns=log.last_ns,
            truncated=log.damage is not None,
            dropped=log.lost or None,
            reason=log.damage,
            sample=LACKS[log.writer],
        )
        for log in logs
    )


def unanswering_nodes(logs: Sequence[LogRecords]) -> tuple[NodeCoverage, ...]:
    """The nodes of which Hubble says that they did not answer."""
    said = {node: why for log in logs for node, why in log.unavailable.items()}
    return tuple(
        NodeCoverage(printable(node), NodeStatus.FAILED, f"Hubble had no answer: {printable(why)}")
        for node, why in sorted(said.items())
    )

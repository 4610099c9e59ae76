"""Tables that nodes make of their recordings, pulled while they are made.

What was pulled is kept, whatever becomes of the node: its pod may run out of memory or be evicted
hours later. A node's tables lie in one file, one block behind another; a block is appended when its
size and SHA-256 are those of the node's journal, and its head can be read.
"""

import hashlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, field

from otterize_pcap.capture_dir import CapturedFile, pcap_dir
from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.api.exec_stream import ExecFailedError, output_of, run_in_pod
from otterize_pcap.cluster.capture.follow import NodeJob, Phase
from otterize_pcap.cluster.capture.job import CAPTURE_DIRECTORY, REDUCER, JobPlan
from otterize_pcap.cluster.capture.pull import PodFile, PullAbandonedError, PullEnd, pull_file
from otterize_pcap.cluster.capture.room import Room
from otterize_pcap.crew import Crew
from otterize_pcap.errors import ClusterError, OtterizeError
from otterize_pcap.files.recorded_parts import START, parse_part_file
from otterize_pcap.files.table_files import TABLE_SUFFIX
from otterize_pcap.files.table_journal import JOURNAL, JournalEntry, parse_journal
from otterize_pcap.records.pcap import HEADER_LENGTH
from otterize_pcap.reduced.table_blocks import read_head

PERIOD_S = 15.0
"""How long after one pull the next begins."""
NOWHERE = 1 << 62
"""Behind the end of any file."""
JOURNAL_LIMIT = 16 << 20
SEND_TRIES = 3
PIECE = 1 << 18
AT_ONCE = 4


class NodeTables(Struct):
    """The tables of one node, as far as they are here; `span` is from when to when, in ns.

    `trouble` is why the program that makes them could not be sent.
    """

    path: Path
    entries: list[JournalEntry] = field(default_factory=list)
    size: int = 0
    span: tuple[int, int] | None = None
    trouble: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    running: Future[None] | None = None
    due: float = 0.0
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def packet_bytes(self) -> int:
        """Bytes of packets that they stand for."""
        return sum(entry.packet_bytes for entry in self.entries)

    @property
    def packets(self) -> int:
        """How many packets they stand for."""
        return sum(entry.packets for entry in self.entries)

    def files(self) -> tuple[CapturedFile, ...]:
        """The file as a manifest lists it, none without tables."""
        if not self.entries:
            return ()
        path = f"{self.path.parent.name}/{self.path.name}"
        return (CapturedFile(path, self.size, self._digest.hexdigest()),)

    def begin_of(self, name: str) -> int:
        """Where in a pcap file of the node begins what its tables do not have."""
        part, number = parse_part_file(name) or ("", 0)
        taken, offset = self.entries[-1].taken.get(part, START) if self.entries else START
        return offset if number == taken else HEADER_LENGTH if number > taken else NOWHERE

    def append(self, entry: JournalEntry, content: bytes) -> None:
        """Write a block behind the others.

        Raises:
            OSError: It cannot be written; what was there before is as it was.
            CaptureError: It is no block.
        """
        head = read_head(io.BytesIO(content), entry.name)
        try:
            with self.path.open("ab") as file:
                file.truncate(self.size)
                file.write(content)
        except OSError:
            self._take_back()
            raise
        self.size += len(content)
        self._digest.update(content)
        self.entries.append(entry)
        if head is not None and head.span is not None:
            first, last = self.span or head.span
            self.span = min(first, head.span[0]), max(last, head.span[1])

    def _take_back(self) -> None:
        """Leave nothing of a block that found no room: the manifest lists what was there before."""
        with suppress(OSError):
            if self.entries:
                os.truncate(self.path, self.size)
            else:
                self.path.unlink()


class Reducing:
    """Sends nodes the program that reduces, and pulls their tables; from several threads.

    Args:
        cluster: The API server.
        plan: How they reduce.
        directory: The capture directory.
        room: The room for what they make.
        program: What is sent, None where images have it.
        abandoned: Set where the user gave up.
    """

    def __init__(
        self,
        cluster: Cluster,
        plan: JobPlan,
        directory: Path,
        room: Room,
        program: Path | None,
        abandoned: threading.Event,
    ) -> None:
        self._cluster = cluster
        self._plan = plan
        self._directory = directory
        self._room = room
        self._program = program
        self._abandoned = abandoned
        self._nodes: dict[str, NodeTables] = {}
        self._crew = Crew(AT_ONCE, "tables")

    def look(self, jobs: list[NodeJob]) -> None:
        """Begin what is due on the nodes that record; called now and then."""
        now = time.monotonic()
        for job in jobs:
            if job.phase is not Phase.RECORDING:
                continue
            node = self.tables_of(job.node)
            if now >= node.due and (node.running is None or node.running.done()):
                node.due = now + PERIOD_S
                node.running = self._crew.submit(self._step, job, node)

    def tables_of(self, name: str) -> NodeTables:
        """The tables of a node, as far as they are here."""
        path = pcap_dir(self._directory) / f"{name}{TABLE_SUFFIX}"
        return self._nodes.setdefault(name, NodeTables(path))

    def end(self) -> None:
        """Begin nothing more, and wait for what has begun."""
        self._crew.end(leaving=True)

    def finish(self, job: NodeJob, end: PullEnd, progress: Callable[[int], None]) -> NodeTables:
        """Pull what is left of a node whose recording has ended.

        Raises:
            ClusterError: It does not come, or is not what the node says.
            ExecFailedError: Its journal cannot be read.
            PullAbandonedError: The user gave up.
            OSError: It cannot be written.
        """
        node = self.tables_of(job.node)
        with node.lock:
            self._pull(job, node, end, progress)
        return node

    def _step(self, job: NodeJob, node: NodeTables) -> None:
        with node.lock:
            try:
                if self._program is not None and not node.entries and not self._is_there(job):
                    self._send(job, node, self._program)
                self._pull(job, node, PullEnd(self._abandoned, PERIOD_S * 4), lambda _: None)
            except (OtterizeError, ExecFailedError, PullAbandonedError, OSError):
                # It is tried again; at the end, whoever collects the node says what is wrong.
                return

    def _pull(
        self, job: NodeJob, node: NodeTables, end: PullEnd, progress: Callable[[int], None]
    ) -> None:
        pod = (self._plan.namespace, job.pod)
        command = ["cat", f"{CAPTURE_DIRECTORY}/{JOURNAL}"]
        text = output_of(self._cluster, pod, command, JOURNAL_LIMIT).decode("ascii", "replace")
        offered = parse_journal(text)
        known = len(node.entries)
        if offered[:known] != node.entries:
            message = f"{job.node} tells of other tables than before"
            raise ClusterError(message)
        fresh = offered[known:]
        sizes = [entry.size for entry in fresh]
        self._room.claim_tables(job.node, node.size + sum(sizes), max(sizes, default=0))
        part = node.path.with_name(f"{job.node}.pulled-table")
        try:
            for entry in fresh:
                place = f"{CAPTURE_DIRECTORY}/{entry.name}"
                source = PodFile(*pod, place, entry.size, entry.sha256)
                pull_file(self._cluster, source, part, progress, end)
                node.append(entry, part.read_bytes())
        finally:
            part.unlink(missing_ok=True)

    def _is_there(self, job: NodeJob) -> bool:
        """Whether the program is in the pod, whole."""
        pod, command = (self._plan.namespace, job.pod), ["ls", f"{CAPTURE_DIRECTORY}/{REDUCER}"]
        return run_in_pod(self._cluster, pod, command, lambda _: None).exit_code == 0

    def _send(self, job: NodeJob, node: NodeTables, program: Path) -> None:
        """Copy the program into the pod, under its name once it is whole.

        Raises:
            ClusterError: It did not arrive.
        """
        target = f"{CAPTURE_DIRECTORY}/{REDUCER}"
        # `head` knows where stdin ends, which older protocols cannot tell.
        size = program.stat().st_size
        script = f"head -c {size} >{target}.part && mv {target}.part {target}"
        pod = (self._plan.namespace, job.pod)
        said = ""
        for _ in range(SEND_TRIES):
            command = ["/bin/sh", "-c", script]
            result = run_in_pod(self._cluster, pod, command, lambda _: None, _pieces(program))
            if result.exit_code == 0:
                node.trouble = ""
                return
            said = result.message
        node.trouble = f"{program} could not be copied there: {said}"
        raise ClusterError(node.trouble)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece

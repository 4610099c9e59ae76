"""One finished node: its state, its files and its line in the manifest."""

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import wait
from pathlib import Path
from typing import TypeVar

from otterize_pcap.capture_dir import (
    PacketCounters,
    node_dir,
    pcap_dir,
)
from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.api.exec_stream import ExecFailedError, output_of
from otterize_pcap.cluster.api.refusals import ApiRefusedError, ApiUnreachableError
from otterize_pcap.cluster.capture.arrange_files import RING, PulledRecording
from otterize_pcap.cluster.capture.follow import DETAIL_LENGTH, NodeJob, Phase
from otterize_pcap.cluster.capture.job import CAPTURE_DIRECTORY, JobPlan
from otterize_pcap.cluster.capture.manifest_entries import NodeResult
from otterize_pcap.cluster.capture.node_state import (
    REDUCER_FAILED,
    STATS_LIMIT,
    NodeState,
    StateFile,
    parse_counters,
    parse_state,
    total_counters,
)
from otterize_pcap.cluster.capture.nodes import condition_of
from otterize_pcap.cluster.capture.pull import (
    PodFile,
    PullAbandonedError,
    PullEnd,
    pull_file,
)
from otterize_pcap.cluster.capture.reducing import NodeTables, Reducing
from otterize_pcap.cluster.capture.room import Room
from otterize_pcap.crew import Crew
from otterize_pcap.errors import ClusterError
from otterize_pcap.graph.naming import printable
from otterize_pcap.packets.payload_cut import PayloadCut
from otterize_pcap.packets.ports import TunnelPorts
from otterize_pcap.system_errors import system_reason

STATE_LIMIT = 65536
STATE_PATIENCE_S = 60.0
NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")
CLOCK = re.compile(r"[0-9]{1,11}(\.[0-9]{1,9})?(?![0-9e])")
#: Streams at once from one node.
STREAMS = 4
HEADERS_ONLY = "calls"
"""The profile that promises to keep no payload; a snaplen alone cannot (`packets.payload_cut`)."""

Result = TypeVar("Result")


def _why_unreduced(said: Path, tables: NodeTables | None) -> str:
    """Why a node reduced no more, by its own words; empty where it did reduce all."""
    if tables is None or not said.exists():
        return ""
    words = printable(" ".join(said.read_bytes()[:DETAIL_LENGTH].decode(errors="replace").split()))
    return f"{words}; {tables.trouble}" if tables.trouble else words


class Collector:
    """Pulls finished nodes into a capture directory; one call a node, from several threads."""

    def __init__(
        self,
        cluster: Cluster,
        plan: JobPlan,
        directory: Path,
        abandoned: threading.Event,
        reducer: Path | None = None,
    ) -> None:
        self._cluster = cluster
        self._plan = plan
        self._directory = directory
        self._abandoned = abandoned
        self._room = Room(directory, plan)
        self._counting = threading.Lock()
        self.reducing = (
            None
            if plan.reduce is None
            else Reducing(cluster, plan, directory, self._room, reducer, abandoned)
        )
        self._cut = PayloadCut(TunnelPorts()) if plan.profile == HEADERS_ONLY else None

    def collect(self, job: NodeJob) -> NodeResult:
        """Pull all of one node; a failure is written into `job` and what came before it stays."""
        result = NodeResult()
        job.phase = Phase.PULLING
        try:
            self._collect(job, result, PullEnd(self._abandoned, self._plan.hold_seconds))
        except (ClusterError, ExecFailedError) as error:
            job.fail(f"{error}{condition_of(self._cluster, job.node)}")
        except PullAbandonedError:
            job.fail("abandoned while it was being pulled")
        except OSError as error:
            job.fail(f"{self._directory}: {system_reason(error)}; give another directory with -o")
        except Exception:  # noqa: BLE001 - a node's data must not cost the other nodes
            job.fail("what it offers has a form that this version does not understand")
        else:
            job.phase, job.detail = Phase.DONE, ""
        return result if result.state is not None else self.what_came(job)

    def _collect(self, job: NodeJob, result: NodeResult, end: PullEnd) -> None:
        if not NODE_NAME.match(job.node):
            message = f"node name {job.node!r} cannot be a file name"
            raise ClusterError(message)
        with Crew(STREAMS, "stream") as crew:
            # A stream takes longer to begin than a small file to come: several begin at once.
            clock = crew.submit(self._clock_ahead, job)
            state = parse_state(self._command(job, ["cat", f"{CAPTURE_DIRECTORY}/state"]), job.pod)
            self._room.claim(job.node, state)
            job.bytes = sum(file.size for file in state.pcaps)
            result.clock_ahead = clock.result()
            result.state = state
            tables = self._tables(job, result, end)
            directory = node_dir(self._directory, job.node)
            directory.mkdir(parents=True, exist_ok=True)
            files = [(file, directory / file.name) for file in state.node_files]
            parts = [
                (file, pcap_dir(self._directory) / f"{job.node}.pulled-{number}")
                for number, file in enumerate(state.pcaps)
            ]
            try:
                pulls = [crew.submit(self._pull, job, *each, end) for each in (*files, *parts)]
                for pull in pulls:
                    pull.result()
                self._count(job, result, directory / "tcpdump-stats")
                result.unreduced = _why_unreduced(directory / REDUCER_FAILED, tables)
                self._arrange(job, result, state, tables, [target for _, target in parts])
            finally:
                end.stop()
                wait(pulls)
                for _, target in parts:
                    target.unlink(missing_ok=True)

    def _tables(self, job: NodeJob, result: NodeResult, end: PullEnd) -> NodeTables | None:
        """The rest of a node's tables, where it made any."""
        if self.reducing is None:
            return None
        try:
            return self.reducing.finish(job, end, self._progress(job))
        finally:
            # What came before it went wrong is kept too.
            tables = self.reducing.tables_of(job.node)
            result.pulled, result.packet_bytes = tables.files(), tables.packet_bytes

    def what_came(self, job: NodeJob) -> NodeResult:
        """What there is of a node that failed before it said what it has."""
        result = NodeResult()
        if self.reducing is not None:
            tables = self.reducing.tables_of(job.node)
            result.pulled, result.span = tables.files(), tables.span
            result.packet_bytes = tables.packet_bytes
            result.counters = PacketCounters(captured=tables.packets or None, dropped=job.dropped)
        return result

    def _count(self, job: NodeJob, result: NodeResult, stats: Path) -> None:
        """Take tcpdump's counters, where they came; more than they can be is not read."""
        if stats.exists() and stats.stat().st_size <= STATS_LIMIT:
            counters = parse_counters(stats.read_text(errors="replace"))
            result.counters = total_counters(counters)
            job.packets = result.counters.captured or 0
            job.dropped = result.counters.dropped or 0

    def _arrange(
        self,
        job: NodeJob,
        result: NodeResult,
        state: NodeState,
        tables: NodeTables | None,
        targets: list[Path],
    ) -> None:
        """Give what was pulled its names."""
        recording = PulledRecording(job.node, pcap_dir(self._directory), self._cut)
        if tables is not None:
            begins = [tables.begin_of(file.name) for file in state.pcaps]
            result.pulled += recording.keep_rest(targets, begins)
        elif len(state.pcaps) > 1 and not state.pcaps[0].name.startswith(RING):
            job.detail = "merging its parts"
            result.pulled += recording.merge(targets)
        else:
            result.pulled += recording.keep_ring(state, targets)
            if recording.first is not None:
                result.first = recording.first
                captured = result.counters.captured or 0
                result.overwritten = max(0, captured - recording.held)

    def _pull(self, job: NodeJob, file: StateFile, target: Path, end: PullEnd) -> None:
        source = PodFile(
            self._plan.namespace,
            job.pod,
            f"{CAPTURE_DIRECTORY}/{file.name}",
            file.size,
            file.sha256,
        )

        pull_file(self._cluster, source, target, self._progress(job), end)

    def _progress(self, job: NodeJob) -> Callable[[int], None]:
        def progress(count: int) -> None:
            with self._counting:
                job.pulled += count

        return progress

    def _command(self, job: NodeJob, command: list[str]) -> str:
        pod = (self._plan.namespace, job.pod)
        return self._repeated(lambda: output_of(self._cluster, pod, command, STATE_LIMIT)).decode(
            errors="replace"
        )

    def _repeated(self, ask: Callable[[], Result]) -> Result:
        """Ask again while the stream breaks or the API server is away."""
        deadline = time.monotonic() + STATE_PATIENCE_S
        while True:
            try:
                return ask()
            except (ExecFailedError, ApiUnreachableError, ApiRefusedError) as error:
                final = isinstance(error, ApiRefusedError) and error.status in {401, 403, 404}
                if final or time.monotonic() > deadline or self._abandoned.is_set():
                    raise
            self._abandoned.wait(0.5)

    def _clock_ahead(self, job: NodeJob) -> float | None:
        """How far the node's clock is ahead of the API server's, in seconds."""
        before = self._cluster.clock.now()
        answer = self._command(job, ["date", "+%s.%N"])
        after = self._cluster.clock.now()
        found = CLOCK.match(answer)
        if found is None:
            return None
        # Without %N the fraction is cut off: half a second is the best guess.
        cut = 0.0 if found.group(1) else 0.5
        # Adding zero makes a plain zero of a negative one.
        return round(float(found.group()) + cut - (before + after) / 2, 1) + 0.0

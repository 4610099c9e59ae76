"""One finished node: its state, its files and its line in the manifest."""

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from otterize_pcap.capture_dir import (
    CapturedFile,
    NodeCapture,
    PacketCounters,
    node_dir,
    pcap_dir,
)
from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.api.exec_stream import ExecFailedError, output_of
from otterize_pcap.cluster.api.refusals import ApiRefusedError, ApiUnreachableError
from otterize_pcap.cluster.capture.follow import NodeJob, Phase
from otterize_pcap.cluster.capture.job import CAPTURE_DIRECTORY, JobPlan
from otterize_pcap.cluster.capture.merge_pcap_parts import can_merge, merge_parts
from otterize_pcap.cluster.capture.node_state import (
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
    stored_sha256,
)
from otterize_pcap.cluster.capture.ring_contents import read_contents
from otterize_pcap.cluster.capture.room import Room
from otterize_pcap.cluster.snapshot.address_history import stamp_of
from otterize_pcap.counted import counted
from otterize_pcap.errors import ClusterError
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.packets.payload_cut import PayloadCut
from otterize_pcap.packets.ports import TunnelPorts
from otterize_pcap.system_errors import system_reason

STATE_LIMIT = 65536
STATE_PATIENCE_S = 60.0
NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")
#: Clocks apart by more than this shift packets against the snapshot noticeably (rule S12).
CLOCK_NOTICE_S = 2.0
CLOCK = re.compile(r"[0-9]{1,11}(\.[0-9]{1,9})?(?![0-9e])")
#: Streams at once from one node.
STREAMS = 4
HEADERS_ONLY = "calls"
"""The profile that promises to keep no payload; a snaplen alone cannot (`packets.payload_cut`)."""

Result = TypeVar("Result")


@dataclass(slots=True)
class NodeResult:
    """What became of one node; `pulled` grows while its files come."""

    state: NodeState | None = None
    clock_ahead: float | None = None
    pulled: tuple[CapturedFile, ...] = ()
    first: float | None = None
    overwritten: int = 0
    counters: PacketCounters = PacketCounters()  # noqa: RUF009 - frozen


class Collector:
    """Pulls finished nodes into a capture directory; one call a node, from several threads."""

    def __init__(
        self, cluster: Cluster, plan: JobPlan, directory: Path, abandoned: threading.Event
    ) -> None:
        self._cluster = cluster
        self._plan = plan
        self._directory = directory
        self._abandoned = abandoned
        self._room = Room(directory, plan)
        self._counting = threading.Lock()
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
        return result

    def _collect(self, job: NodeJob, result: NodeResult, end: PullEnd) -> None:
        if not NODE_NAME.match(job.node):
            message = f"node name {job.node!r} cannot be a file name"
            raise ClusterError(message)
        with ThreadPoolExecutor(STREAMS, thread_name_prefix="stream") as pool:
            # A stream takes longer to begin than a small file to come: several begin at once.
            clock = pool.submit(self._clock_ahead, job)
            state = parse_state(self._command(job, ["cat", f"{CAPTURE_DIRECTORY}/state"]), job.pod)
            self._room.claim(job.node, state)
            job.bytes = sum(file.size for file in state.pcaps)
            result.clock_ahead = clock.result()
            result.state = state
            directory = node_dir(self._directory, job.node)
            directory.mkdir(parents=True, exist_ok=True)
            files = [(file, directory / file.name) for file in state.node_files]
            parts = [
                (file, pcap_dir(self._directory) / f"{job.node}.pulled-{number}")
                for number, file in enumerate(state.pcaps)
            ]
            try:
                pulls = [pool.submit(self._pull, job, *each, end) for each in (*files, *parts)]
                for pull in pulls:
                    pull.result()
                self._count(job, result, directory / "tcpdump-stats")
                self._arrange(job, result, state, [target for _, target in parts])
            finally:
                end.stop()
                wait(pulls)
                for _, target in parts:
                    target.unlink(missing_ok=True)

    def _count(self, job: NodeJob, result: NodeResult, stats: Path) -> None:
        """Take tcpdump's counters, where they came; more than they can be is not read."""
        if stats.exists() and stats.stat().st_size <= STATS_LIMIT:
            counters = parse_counters(stats.read_text(errors="replace"))
            result.counters = total_counters(counters)
            job.packets = result.counters.captured or 0
            job.dropped = result.counters.dropped or 0

    def _arrange(
        self, job: NodeJob, result: NodeResult, state: NodeState, targets: list[Path]
    ) -> None:
        """Give what was pulled its names: a ring's files in order, other parts merged to one."""
        folder = pcap_dir(self._directory)
        if len(state.pcaps) > 1 and not state.pcaps[0].name.startswith("full."):
            self._merge(job, result, targets)
            return
        arrived: list[tuple[float, Path, StateFile]] = []
        held = 0
        for number, (file, target) in enumerate(zip(state.pcaps, targets, strict=True)):
            contents = read_contents(target) if file.name.startswith("full.") else None
            # A ring's parts are ordered by their packets: their names wrap around.
            first = number if contents is None else contents.first or state.ended
            arrived.append((first, target, file))
            if contents is not None and contents.first is not None:
                held += contents.packets
                result.first = min(result.first or contents.first, contents.first)
        if result.first is not None:
            result.overwritten = max(0, (result.counters.captured or 0) - held)
        for number, (_, target, file) in enumerate(sorted(arrived, key=lambda part: part[0])):
            name = f"{job.node}.pcap" if number == 0 else f"{job.node}.{number}.pcap"
            left = self._without_payload(target, file)
            target.rename(folder / name)
            kept = CapturedFile(f"{folder.name}/{name}", left.bytes, left.sha256)
            result.pulled = (*result.pulled, kept)

    def _without_payload(self, target: Path, file: StateFile) -> CapturedFile:
        """Cut a pulled file where its profile keeps no payload."""
        if self._cut is None or not can_merge([target]):
            return CapturedFile(target.name, file.size, file.sha256)
        whole = target.rename(target.with_name(f"{target.name}.whole"))
        try:
            return merge_parts([whole], target, self._cut)
        finally:
            whole.unlink()

    def _merge(self, job: NodeJob, result: NodeResult, targets: list[Path]) -> None:
        """Make one file of parts that were recorded at the same time."""
        folder = pcap_dir(self._directory)
        if not can_merge(targets):
            message = f"the recording of {job.node} is no pcap that can be read"
            raise ClusterError(message)
        job.detail = "merging its parts"
        part = folder / f"{job.node}.pcap.part"
        try:
            merged = merge_parts(targets, part, self._cut)
            with part.open("r+b") as written:
                if stored_sha256(written) != merged.sha256:
                    message = f"{part}: the disk gives back something else than was written"
                    raise ClusterError(message)
            name = f"{job.node}.pcap"
            part.rename(folder / name)
        finally:
            part.unlink(missing_ok=True)
        kept = CapturedFile(f"{folder.name}/{name}", merged.bytes, merged.sha256)
        result.pulled = (kept,)

    def _pull(self, job: NodeJob, file: StateFile, target: Path, end: PullEnd) -> None:
        source = PodFile(
            self._plan.namespace,
            job.pod,
            f"{CAPTURE_DIRECTORY}/{file.name}",
            file.size,
            file.sha256,
        )

        def progress(count: int) -> None:
            with self._counting:
                job.pulled += count

        pull_file(self._cluster, source, target, progress, end)

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


def manifest_entry(job: NodeJob, result: NodeResult | None, plan: JobPlan) -> NodeCapture:
    """A node's line in the manifest."""
    if result is None or result.state is None:
        return NodeCapture(job.node, NodeStatus.FAILED, job.detail or "no recording came about")
    state = result.state
    failed = job.phase is not Phase.DONE
    reasons = [job.detail] if failed else coverage_notes(state, result, plan)
    return NodeCapture(
        job.node,
        NodeStatus.FAILED if failed else NodeStatus.CAPTURED,
        "; ".join(reasons) or None,
        stamp_of(max(state.started, result.first or 0.0)),
        stamp_of(state.ended),
        result.pulled,
        result.counters,
        result.clock_ahead,
    )


def coverage_notes(state: NodeState, result: NodeResult, plan: JobPlan) -> list[str]:
    """What the recording lacks, in words."""
    lasted = state.ended - state.started
    notes = []
    if state.stopped == "size-limit":
        notes.append(f"the size limit ended it after {lasted:.0f} of {plan.seconds} s")
    elif state.stopped == "asked":
        notes.append(f"stopped on request after {lasted:.0f} of {plan.seconds} s")
    elif state.stopped == "tcpdump-ended":
        broken = [part for part in state.parts if part.exit_code != 0]
        said = ", ".join(f"{part.name} exit {part.exit_code}" for part in broken)
        notes.append(f"tcpdump ended by itself after {lasted:.0f} of {plan.seconds} s ({said})")
    notes += [
        f"{part.name}: only for the first {part.ended - state.started:.0f} s (size limit)"
        for part in state.parts
        if part.name in {"acks", "dns"} and part.ended < state.ended
    ]
    if result.overwritten > 0:
        notes.append(f"the ring overwrote {counted(result.overwritten, 'packet')}")
    if result.clock_ahead is not None and abs(result.clock_ahead) > CLOCK_NOTICE_S:
        notes.append(f"the node's clock is {result.clock_ahead:+.1f} s from the API server's")
    return notes


def is_partial(capture: NodeCapture, state: NodeState | None) -> bool:
    """Whether a node makes a capture partial: nothing came, or tcpdump died on the way."""
    return capture.status is not NodeStatus.CAPTURED or (
        state is not None and state.stopped == "tcpdump-ended"
    )

"""One finished node: its state, its files and its line in the manifest."""

import os
import re
import threading
import time
from collections.abc import Callable
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
    NodeState,
    StateFile,
    parse_counters,
    parse_state,
    total_counters,
)
from otterize_pcap.cluster.capture.pull import PodFile, PullAbandonedError, pull_file
from otterize_pcap.cluster.capture.ring_contents import read_contents
from otterize_pcap.cluster.snapshot.address_history import stamp_of
from otterize_pcap.errors import ClusterError
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.system_errors import system_reason

STATE_LIMIT = 65536
STATE_PATIENCE_S = 60.0
NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")
#: Clocks apart by more than this shift packets against the snapshot noticeably (rule S12).
CLOCK_NOTICE_S = 2.0

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

    def collect(self, job: NodeJob) -> NodeResult:
        """Pull all of one node; a failure is written into `job` and what came before it stays."""
        result = NodeResult()
        job.phase = Phase.PULLING
        try:
            self._collect(job, result)
        except (ClusterError, ExecFailedError) as error:
            job.fail(str(error))
        except PullAbandonedError:
            job.fail("abandoned while it was being pulled")
        except OSError as error:
            job.fail(f"{self._directory}: {system_reason(error)}; give another directory with -o")
        else:
            job.phase, job.detail = Phase.DONE, ""
        return result

    def _collect(self, job: NodeJob, result: NodeResult) -> None:
        if not NODE_NAME.match(job.node):
            message = f"node name {job.node!r} cannot be a file name"
            raise ClusterError(message)
        state = parse_state(self._command(job, ["cat", f"{CAPTURE_DIRECTORY}/state"]), job.pod)
        result.state = state
        result.clock_ahead = self._clock_ahead(job)
        job.bytes = sum(file.size for file in state.pcaps)
        directory = node_dir(self._directory, job.node)
        directory.mkdir(parents=True, exist_ok=True)
        for file in state.node_files:
            self._pull(job, file, directory / file.name)
        stats = directory / "tcpdump-stats"
        if stats.exists():
            counters = parse_counters(stats.read_text(errors="replace"))
            result.counters = total_counters(counters)
            job.packets = result.counters.captured or 0
            job.dropped = result.counters.dropped or 0
        self._pull_pcaps(job, result, state)

    def _pull_pcaps(self, job: NodeJob, result: NodeResult, state: NodeState) -> None:
        folder = pcap_dir(self._directory)
        if len(state.pcaps) > 1 and not state.pcaps[0].name.startswith("full."):
            self._pull_merged(job, result, state)
            return
        arrived: list[tuple[float, Path, StateFile]] = []
        held = 0
        for number, file in enumerate(state.pcaps):
            target = folder / f"{job.node}.pulled-{number}"
            self._pull(job, file, target)
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
            target.rename(folder / name)
            kept = CapturedFile(f"{folder.name}/{name}", file.size, file.sha256)
            result.pulled = (*result.pulled, kept)

    def _pull_merged(self, job: NodeJob, result: NodeResult, state: NodeState) -> None:
        """Pull parts that were recorded at the same time, and make one file of them."""
        folder = pcap_dir(self._directory)
        targets = [folder / f"{job.node}.pulled-{n}" for n in range(len(state.pcaps))]
        try:
            for target, file in zip(targets, state.pcaps, strict=True):
                self._pull(job, file, target)
            if not can_merge(targets):
                message = f"the recording of {job.node} is no pcap that can be read"
                raise ClusterError(message)
            job.detail = "merging its parts"
            part = folder / f"{job.node}.pcap.part"
            merged = merge_parts(targets, part)
            name = f"{job.node}.pcap"
            part.rename(folder / name)
            kept = CapturedFile(f"{folder.name}/{name}", merged.bytes, merged.sha256)
            result.pulled = (kept,)
        finally:
            for target in targets:
                target.unlink(missing_ok=True)

    def _pull(self, job: NodeJob, file: StateFile, target: Path) -> None:
        source = PodFile(
            self._plan.namespace,
            job.pod,
            f"{CAPTURE_DIRECTORY}/{file.name}",
            file.size,
            file.sha256,
        )

        def progress(count: int) -> None:
            job.pulled += count

        pull_file(self._cluster, source, target, progress, self._abandoned)

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
        found = re.match(r"\d+(\.\d+)?", answer)
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
        f"{part.name} packets only for the first {part.ended - state.started:.0f} s (size limit)"
        for part in state.parts
        if part.name in {"acks", "dns"} and part.ended < state.ended
    ]
    if result.overwritten > 0:
        notes.append(f"the ring overwrote {result.overwritten} packets")
    if result.clock_ahead is not None and abs(result.clock_ahead) > CLOCK_NOTICE_S:
        notes.append(f"the node's clock is {result.clock_ahead:+.1f} s from the API server's")
    return notes


def is_partial(capture: NodeCapture, state: NodeState | None) -> bool:
    """Whether a node makes a capture partial: nothing came, or tcpdump died on the way."""
    return capture.status is not NodeStatus.CAPTURED or (
        state is not None and state.stopped == "tcpdump-ended"
    )


def sync_directory(directory: Path) -> None:
    """Make renames durable before anything on the cluster is deleted."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Each node's Job from creation to a finished recording, by polling the API server.

One request lists all pods of a capture; progress comes from their reports. Polling rather than
watching: it needs no resuming, and an API server that restarts is merely late. A node that goes
wrong is marked so, with the reason the cluster gives, and the others go on.
"""

import time
from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from otterize_pcap.cluster.api.client import Cluster, Json
from otterize_pcap.cluster.api.refusals import ApiRefusedError
from otterize_pcap.cluster.api.waiting import SAY_AFTER_S
from otterize_pcap.cluster.capture.job import JobPlan
from otterize_pcap.cluster.capture.node_reports import NodeReports, Question, Report
from otterize_pcap.cluster.capture.nodes import condition_of, list_all
from otterize_pcap.cluster.interrupts import Interrupts
from otterize_pcap.cluster.labels import ID_LABEL
from otterize_pcap.errors import ClusterError
from otterize_pcap.graph.naming import printable

OUTAGE_S = 300.0
EVENTS_AFTER_S = 1.5
#: How long after its time a recording may still be hashing before it counts as stuck.
LATE_S = 120.0
#: After its time a recording is asked for its state, where its log does not say.
LOGLESS_S = 2.0
POLL_S = 0.5
#: More of a cluster's or a node's words is not kept.
DETAIL_LENGTH = 600
FATAL_WAITING = frozenset(
    {"InvalidImageName", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)


class Phase(StrEnum):
    """Where a node's Job stands."""

    PENDING = "pending"
    RECORDING = "capturing"
    READY = "ready"
    PULLING = "pulling"
    DONE = "done"
    FAILED = "failed"


class NodeJob(Struct):
    """One node's Job as far as we know it; changed by the follower and by the node's pull.

    `since` is when the present phase began (time.monotonic()), 0 until the Job is created; `heard`
    when the recording last answered, and `trouble` why it does not.
    """

    node: str
    name: str
    phase: Phase = Phase.PENDING
    detail: str = "creating the Job"
    pod: str = ""
    bytes: int = 0
    packets: int = 0
    dropped: int = 0
    pulled: int = 0
    since: float = 0.0
    heard: float = 0.0
    trouble: str = ""
    last: str = ""
    stop_sent: bool = False

    def tell(self, detail: str) -> None:
        """Say how it stands; clusters' and nodes' own words are shown, never obeyed."""
        self.detail = printable(" ".join(detail.split()))[:DETAIL_LENGTH]

    def fail(self, reason: str) -> None:
        """Mark the node as failed; the first reason stands."""
        if self.phase not in {Phase.FAILED, Phase.DONE}:
            self.phase = Phase.FAILED
            self.tell(reason)

    @property
    def over(self) -> bool:
        """Whether nothing more will come of this node."""
        return self.phase in {Phase.DONE, Phase.FAILED}


class Follower:
    """Follows all Jobs of one capture.

    `ready` is called once for each node whose recording has ended and can be pulled; `show` after
    each look at the cluster.
    """

    def __init__(
        self,
        cluster: Cluster,
        plan: JobPlan,
        interrupts: Interrupts,
        ready: Callable[[NodeJob], None],
        show: Callable[[list[NodeJob]], None],
    ) -> None:
        self._cluster = cluster
        self._plan = plan
        self._interrupts = interrupts
        self._ready = ready
        self._show = show
        self._reached = time.monotonic()
        self._reports = NodeReports(cluster, plan, interrupts.wake)

    def follow(self, jobs: list[NodeJob]) -> None:
        """Look after all Jobs until each is done or failed, or the user abandons."""
        pause = min(max(POLL_S, len(jobs) / 40), 5.0)
        while True:
            self._look(jobs)
            self._show(jobs)
            if self._interrupts.abandon.is_set() or all(job.over for job in jobs):
                return
            self._interrupts.wait(pause)

    def _look(self, jobs: list[NodeJob]) -> None:
        selector = (("labelSelector", f"{ID_LABEL}={self._plan.capture_id}"),)
        try:
            pods = {
                pod["metadata"].get("labels", {}).get("job-name"): pod
                for pod in list_all(self._cluster, self._path("pods"), selector)
            }
        except ClusterError as error:
            away = time.monotonic() - self._reached
            if away > SAY_AFTER_S:
                self._cluster.waiting.tell(str(error), "the API server", OUTAGE_S - away)
            if away > OUTAGE_S:
                for job in jobs:
                    job.fail(f"the API server did not come back: {error}")
            return
        self._reached = time.monotonic()
        waiting = [
            job for job in jobs if job.phase in {Phase.PENDING, Phase.RECORDING} and job.since
        ]
        for job in waiting:
            self._judge(job, pods.get(job.name))
        if self._interrupts.stop.is_set():
            for job in jobs:
                if job.phase is Phase.PENDING:
                    job.fail(f"stopped before it began: {job.detail}")
        for job in jobs:
            if job.phase is Phase.RECORDING:
                self._hear(job)

    def _judge(self, job: NodeJob, pod: Json | None) -> None:
        if pod is None:
            self._judge_podless(job)
            return
        job.pod = pod["metadata"]["name"]
        status = pod.get("status") or {}
        state = _container_state(status)
        if pod["metadata"].get("deletionTimestamp"):
            job.fail("its pod is being deleted by someone else")
        elif status.get("phase") in {"Succeeded", "Failed"}:
            job.fail(_why_ended(status, state.get("terminated") or {}))
        elif "running" in state:
            if job.phase is Phase.PENDING:
                job.phase, job.detail = Phase.RECORDING, "starting tcpdump"
                job.since = job.heard = time.monotonic()
        else:
            waiting = state.get("waiting") or {}
            job.tell(_why_pending(status, waiting))
            if waiting.get("reason") in FATAL_WAITING:
                job.fail(job.detail)
            self._judge_patience(job)

    def _judge_podless(self, job: NodeJob) -> None:
        waited = time.monotonic() - job.since
        if job.pod or waited > EVENTS_AFTER_S:
            try:
                found = self._cluster.named(f"{self._batch_path()}/{job.name}")
            except ApiRefusedError as error:
                if error.status == 404:
                    job.fail("its Job was deleted by someone else")
                return
            except ClusterError:
                return
            for condition in (found.get("status") or {}).get("conditions") or ():
                if condition["type"] == "Failed" and condition["status"] == "True":
                    job.fail(f"{condition.get('reason')}: {condition.get('message')}")
            if job.pod:
                job.fail("its pod was deleted by someone else")
            self._read_events(job)
        self._judge_patience(job)

    def _read_events(self, job: NodeJob) -> None:
        """Why the Job has no pod: only its events say so."""
        query = (("fieldSelector", f"involvedObject.name={job.name}"),)
        try:
            events = self._cluster.get(self._path("events"), query).get("items") or ()
        except ClusterError:
            return
        refusals = [event for event in events if event.get("reason") == "FailedCreate"]
        if refusals:
            job.tell(str(refusals[-1].get("message", "its pod cannot be created")))
            if "forbidden" in job.detail:
                job.fail(job.detail)

    def _judge_patience(self, job: NodeJob) -> None:
        if time.monotonic() - job.since > self._plan.pending_seconds:
            job.fail(f"not started within {self._plan.pending_seconds} s: {job.detail}")

    def _hear(self, job: NodeJob) -> None:
        """Take a recording's report, if there is one, and ask for the next."""
        now = time.monotonic()
        elapsed = now - job.since
        report = self._reports.take(job.node)
        if report is not None:
            self._take(job, report, now)
        if job.phase is not Phase.RECORDING:
            return
        if elapsed > self._plan.seconds + LATE_S:
            job.fail(self._why_late(job, now))
            return
        stop = self._interrupts.stop.is_set() and not job.stop_sent
        late = elapsed > self._plan.seconds + LOGLESS_S
        self._reports.ask(job.node, Question(job.pod, stop, late))

    def _take(self, job: NodeJob, report: Report, now: float) -> None:
        job.stop_sent = job.stop_sent or report.stopped
        job.trouble = report.trouble
        if report.progress is not None:
            job.bytes, job.packets, job.dropped = report.progress
            job.detail = ""
        if report.ready:
            job.phase, job.detail = Phase.READY, ""
            self._ready(job)
        elif report.trouble:
            job.tell(f"no word from it for {now - job.heard:.0f} s: {report.trouble}")
        else:
            job.heard, job.last = now, report.last
            if job.stop_sent:
                job.detail = "stopping"

    def _why_late(self, job: NodeJob, now: float) -> str:
        """Why a recording whose time is over is not ready."""
        if not job.trouble and now - job.heard < LATE_S / 2:
            said = job.last or "nothing"
            return f"still not ready {LATE_S:.0f} s after its time; the last that it said: {said}"
        trouble = job.trouble or "its kubelet does not answer"
        node = condition_of(self._cluster, job.node)
        return f"no word from it for {now - job.heard:.0f} s: {trouble}{node}"

    def _path(self, plural: str) -> str:
        return f"/api/v1/namespaces/{self._plan.namespace}/{plural}"

    def _batch_path(self) -> str:
        return f"/apis/batch/v1/namespaces/{self._plan.namespace}/jobs"


def _container_state(status: Json) -> Json:
    statuses = status.get("containerStatuses") or ()
    state: Json = next((found.get("state") or {} for found in statuses), {})
    return state


def _why_pending(status: Json, waiting: Json) -> str:
    if waiting.get("reason"):
        return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason')}: {condition.get('message')}"
    return "the container is being created"


def _why_ended(status: Json, terminated: Json) -> str:
    """Why a pod ended before its recording was pulled."""
    if status.get("reason"):
        return f"{status['reason']}: {status.get('message', '')}".rstrip(": ")
    said = str(terminated.get("message", "")).strip().splitlines()
    complaint = next((line for line in reversed(said) if line.startswith("capture: ")), "")
    if complaint:
        return complaint.removeprefix("capture: ")
    reason = terminated.get("reason") or status.get("phase")
    return f"the pod ended early: {reason}, exit code {terminated.get('exitCode')}"

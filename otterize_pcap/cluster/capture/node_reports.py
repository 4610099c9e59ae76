"""What recordings say of themselves while they last: asked of each node, waited for by none.

A node that does not answer, because its kubelet died or its network is gone, holds up its own
reports only. Each report is made in a thread of its own and is picked up when it is there.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future

from msgspec import Struct

from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.api.exec_stream import CONTAINER, ExecFailedError, output_of
from otterize_pcap.cluster.api.refusals import ApiRefusedError
from otterize_pcap.cluster.capture.job import CAPTURE_DIRECTORY, JobPlan
from otterize_pcap.cluster.capture.node_state import parse_progress
from otterize_pcap.errors import ClusterError
from otterize_pcap.threads import begin_thread

AT_ONCE = 16
READY = "capture: ready"
FORBIDDEN = 403


class Question(Struct, frozen=True):
    """What to ask a recording: to stop, and whether it is ready where its log does not say."""

    pod: str
    stop: bool
    state: bool


class Report(Struct, frozen=True):
    """What a recording said.

    `progress` is bytes, packets and drops, None where there is no word of it. `trouble` is why it
    could not be asked, empty where it could. `last` is the last line of its log.
    """

    progress: tuple[int, int, int] | None
    ready: bool
    stopped: bool
    trouble: str
    last: str


class NodeReports:
    """Asks recordings; `heard` is called, in another thread, when one says that it is ready."""

    def __init__(self, cluster: Cluster, plan: JobPlan, heard: Callable[[], None]) -> None:
        self._cluster = cluster
        self._plan = plan
        self._heard = heard
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._asked: dict[str, Future[Report]] = {}

    def ask(self, node: str, question: Question) -> None:
        """Begin to ask, unless an answer is still awaited."""
        if node in self._asked:
            return
        answer: Future[Report] = Future()
        self._asked[node] = answer
        if begin_thread(self._answer, question, answer, name=f"ask-{node}") is None:
            self._answer(question, answer)

    def take(self, node: str) -> Report | None:
        """A node's answer, if it is there; it is given once."""
        answer = self._asked.get(node)
        if answer is None or not answer.done():
            return None
        del self._asked[node]
        return answer.result()

    def _answer(self, question: Question, answer: Future[Report]) -> None:
        with self._places:
            try:
                answer.set_result(self._report(question))
            except Exception as error:  # noqa: BLE001 - raised again where it is picked up
                answer.set_exception(error)
                return
        if answer.result().ready:
            self._heard()

    def _report(self, question: Question) -> Report:
        trouble, log = "", ""
        stopped = question.stop
        if question.stop:
            stop = ["/bin/sh", "-c", f": > {CAPTURE_DIRECTORY}/stop"]
            trouble, _ = self._run(question.pod, stop)
            stopped = not trouble
        path = f"/api/v1/namespaces/{self._plan.namespace}/pods/{question.pod}/log"
        query = (("container", CONTAINER), ("tailLines", "5"), ("limitBytes", "65536"))
        try:
            log = self._cluster.text(path, query)
        except ClusterError as error:
            # Not to be allowed to read logs says nothing of the node.
            forbidden = isinstance(error, ApiRefusedError) and error.status == FORBIDDEN
            trouble = trouble or ("" if forbidden else str(error))
        ready = READY in log
        if question.state and not ready:
            missing, reached = self._run(question.pod, ["ls", f"{CAPTURE_DIRECTORY}/state"])
            ready = not missing
            trouble = trouble or ("" if reached else missing)
        lines = log.strip().splitlines() or [""]
        return Report(parse_progress(log), ready, stopped, "" if ready else trouble, lines[-1])

    def _run(self, pod: str, command: list[str]) -> tuple[str, bool]:
        """Run a command in a recording's pod; returns what is wrong, and whether it ran at all."""
        try:
            output_of(self._cluster, (self._plan.namespace, pod), command, 1024)
        except ExecFailedError as error:
            return str(error), True
        except ClusterError as error:
            return str(error), False
        return "", True

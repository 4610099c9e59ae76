"""A stateful fake of the Kubernetes API that speaks HTTP and WebSocket for real.

Only what `otterize` calls is served; the shapes of answers are those of the recordings in
fixtures/k8s-recordings. Every request is kept in `calls` with the permission it needs, so that
tests can hold them against docs/rbac.yaml.
"""

import copy
import errno
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

from tests.cluster.fake_kubelet import Kubelet
from tests.cluster.fake_requests import Call, Handler
from tests.cluster.fake_store import Json, Store


@dataclass
class Faults:
    """What is to go wrong."""

    #: Bytes of stdout after which an exec stream is cut, one number a stream; empty: never.
    exec_cuts: list[int] = field(default_factory=list)
    #: End cut streams with a clean close frame instead of a reset, as #124571 has it.
    cut_cleanly: bool = False
    #: (method, pattern of the path) of requests to refuse, with status and message.
    refusals: list[tuple[str, str, int, str]] = field(default_factory=list)
    #: Watches answer 410 at once, so many times.
    expired_watches: int = 0
    #: Watches break off after so many events.
    watch_breaks_after: int | None = None
    #: What becomes of each request by verb and resource: an HTTP status, `hang` (until the server
    #: stops), `close` (the connection is cut) or `nonsense` (200, and a document of no form).
    failing: dict[tuple[str, str], int | str] = field(default_factory=dict)
    #: Called before each request is served.
    before: Callable[[str, str], None] = lambda _method, _path: None


GONE = (errno.ENOTCONN, errno.EBADF)
"""What calls on a socket say that was shut down or closed meanwhile."""


class _Server(ThreadingHTTPServer):
    """A server whose clients may hang up: that is no fault of its own, to be told on stderr.

    stderr is the command's, of which tests say that no traceback is there.
    """

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as its base
        """Tell of everything else: a socket that went away, at whichever call, is no fault."""
        error = sys.exc_info()[1]
        # Of one that is closed whatever is asked fails, not always with an error of the system's.
        is_closed = request.fileno() == -1
        went_away = is_closed or (isinstance(error, OSError) and error.errno in GONE)
        if not went_away and not isinstance(error, ConnectionError):
            super().handle_error(request, client_address)


class FakeApi(Store):
    """The API server with its store; `kubelet` runs the pods of Jobs."""

    def __init__(self, kubelet: Kubelet) -> None:
        super().__init__()
        self.kubelet = kubelet
        self.calls: list[Call] = []
        self.denied: set[tuple[str, str]] = set()
        #: Verb, group, resource and namespace ("": all) of all that is allowed; None: everything.
        self.grants: set[tuple[str, str, str, str]] | None = None
        self.refused: list[Call] = []
        self.faults = Faults()
        self.clock_ahead = 0.0
        self.subprotocol = "v5.channel.k8s.io"
        #: Requests being served at this moment, watches apart, and the most there ever were.
        self.serving = 0
        self.most_serving = 0
        self._sockets: set[socket.socket] = set()
        self._server: _Server | None = None
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        kubelet.api = self
        self.add("namespaces", {"metadata": {"name": "default"}})

    # --- life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen on loopback; on the same port again after a `stop`."""
        api = self

        class Bound(Handler):
            """The handler of this server."""

        Bound.api = api
        self._server = _Server(("127.0.0.1", self.port), Bound)
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Stop as a killed process does: every connection is cut."""
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        for open_socket in list(self._sockets):
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
        with self.changed:
            self.changed.notify_all()

    def restart(self, away: float) -> None:
        """Stop, stay away for so many seconds, and start on the same port."""
        self.stop()
        time.sleep(away)
        self.start()

    @property
    def url(self) -> str:
        """Where the server listens."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    # --- the job controller -------------------------------------------------------------------

    def create_job(self, job: Json) -> Json:
        """Create a Job and, soon, its pod."""
        job = self.add("jobs", job)
        threading.Thread(target=self._run_job, args=(job,), daemon=True).start()
        return job

    def pod_refusal(self, pod: Json) -> str | None:
        """What Pod Security says about a pod, in the API server's words."""
        namespace = pod["metadata"]["namespace"]
        labels = self.objects["namespaces", "", namespace]["metadata"].get("labels", {})
        level = labels.get("pod-security.kubernetes.io/enforce", "privileged")
        if level == "privileged":
            return None
        return (
            f'pods "{pod["metadata"]["generateName"]}2pg4z" is forbidden: violates PodSecurity '
            f'"{level}:latest": host namespaces (hostNetwork=true)'
        )

    def _run_job(self, job: Json) -> None:
        metadata = job["metadata"]
        pod = copy.deepcopy(job["spec"]["template"])
        pod["metadata"] |= {
            "generateName": metadata["name"] + "-",
            "namespace": metadata["namespace"],
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                }
            ],
        }
        pod["metadata"]["labels"]["job-name"] = metadata["name"]
        refusal = self.pod_refusal(pod)
        if refusal is not None:
            self.add_event(metadata, "FailedCreate", f"Error creating: {refusal}")
            return
        with self.changed:
            if ("jobs", metadata["namespace"], metadata["name"]) not in self.objects:
                return
            made = self.add("pods", pod | {"status": {"phase": "Pending", "qosClass": "Burstable"}})
        self.kubelet.run(made)

    def add_event(self, about: Json, reason: str, message: str) -> None:
        """Record an event about a Job."""
        self.add(
            "events",
            {
                "metadata": {
                    "generateName": about["name"] + ".",
                    "namespace": about["namespace"],
                },
                "involvedObject": {"kind": "Job", "name": about["name"]},
                "reason": reason,
                "message": message,
                "type": "Warning",
            },
        )

    def delete_job(self, namespace: str, name: str) -> None:
        """Delete a Job and, in the background, its pods."""
        self.remove("jobs", namespace, name)
        for pod in self.listed("pods", namespace):
            if pod["metadata"].get("labels", {}).get("job-name") == name:
                self.kubelet.delete(pod)

    def allows(self, call: Call) -> bool:
        """Whether RBAC allows a request: a rule of the namespace or of all namespaces."""
        if (call.verb, call.resource) in self.denied:
            return False
        return self.grants is None or any(
            (call.verb, call.group, call.resource, namespace) in self.grants
            for namespace in ("", call.namespace)
        )

    def track(self, connection: socket.socket) -> None:
        """Remember an open connection, to cut it."""
        self._sockets.add(connection)

    def forget(self, connection: socket.socket) -> None:
        """Forget a closed connection."""
        self._sockets.discard(connection)

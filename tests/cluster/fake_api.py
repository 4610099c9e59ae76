"""A stateful fake of the Kubernetes API that speaks HTTP and WebSocket for real.

Only what `otterize` calls is served; the shapes of answers are those of the recordings in
fixtures/k8s-recordings. Every request is kept in `calls` with the permission it needs, so that
tests can hold them against docs/rbac.yaml.
"""

import base64
import copy
import errno
import hashlib
import json
import re
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.cluster.fake_kubelet import Kubelet

Json = dict[str, Any]
WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KINDS = {
    "pods": ("Pod", "v1", True),
    "services": ("Service", "v1", True),
    "endpointslices": ("EndpointSlice", "discovery.k8s.io/v1", True),
    "nodes": ("Node", "v1", False),
    "namespaces": ("Namespace", "v1", False),
    "events": ("Event", "v1", True),
    "replicasets": ("ReplicaSet", "apps/v1", True),
    "deployments": ("Deployment", "apps/v1", True),
    "statefulsets": ("StatefulSet", "apps/v1", True),
    "daemonsets": ("DaemonSet", "apps/v1", True),
    "jobs": ("Job", "batch/v1", True),
    "cronjobs": ("CronJob", "batch/v1", True),
    "networkpolicies": ("NetworkPolicy", "networking.k8s.io/v1", True),
    "rollouts": ("Rollout", "argoproj.io/v1alpha1", True),
    # The real plural is that of the core kind too; here each has one of its own.
    "kservices": ("Service", "serving.knative.dev/v1", True),
}
PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?\Z"
)


def now() -> str:
    """The API server's time, to the second, as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Call:
    """One request, as RBAC sees it."""

    verb: str
    group: str
    resource: str
    namespace: str


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


class FakeApi:
    """The API server with its store; `kubelet` runs the pods of Jobs."""

    def __init__(self, kubelet: Kubelet) -> None:
        self.kubelet = kubelet
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.history: list[tuple[int, str, str, Json]] = []
        self.version = 6000
        self.oldest = 0
        self.changed = threading.Condition()
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

        class Bound(_Handler):
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

    # --- store ------------------------------------------------------------------------------

    def add(self, plural: str, found: Json) -> Json:
        """Create an object, filling in what a server fills in."""
        kind, api_version, _ = KINDS[plural]
        named: Json = {"apiVersion": api_version, "kind": kind}
        found = named | copy.deepcopy(found)
        metadata = found["metadata"]
        with self.changed:
            if "name" not in metadata:
                metadata["name"] = f"{metadata['generateName']}{self.version:05d}"
            key = (plural, metadata.get("namespace", ""), metadata["name"])
            metadata.setdefault("uid", f"uid-{plural}-{metadata['name']}-{self.version}")
            metadata.setdefault("creationTimestamp", now())
            self._record("ADDED", key, found)
        return found

    def update(self, plural: str, namespace: str, name: str, **fields: object) -> None:
        """Replace top-level fields of an object, if it is still there."""
        with self.changed:
            key = (plural, namespace, name)
            if key in self.objects:
                self._record("MODIFIED", key, copy.deepcopy(self.objects[key]) | fields)

    def remove(self, plural: str, namespace: str, name: str) -> None:
        """Delete an object, if it is there."""
        with self.changed:
            found = self.objects.get((plural, namespace, name))
            if found is not None:
                self._record("DELETED", (plural, namespace, name), copy.deepcopy(found))

    def compact(self) -> None:
        """Forget the history: watches from older versions get 410."""
        with self.changed:
            self.oldest = self.version + 1
            self.history.clear()

    def _record(self, event: str, key: tuple[str, str, str], found: Json) -> None:
        self.version += 1
        found["metadata"]["resourceVersion"] = str(self.version)
        if event == "DELETED":
            del self.objects[key]
        else:
            self.objects[key] = found
        self.history.append((self.version, event, key[0], found))
        self.changed.notify_all()

    def listed(self, plural: str, namespace: str = "") -> list[Json]:
        """Objects of a kind."""
        with self.changed:
            return [
                found
                for (kind, where, _), found in sorted(self.objects.items())
                if kind == plural and (not namespace or where == namespace)
            ]

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


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    api: FakeApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.api.track(self.connection)

    def finish(self) -> None:
        self.api.forget(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - the base's
        return super().date_time_string(time.time() + self.api.clock_ahead)

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        parsed = urlsplit(self.path)
        pairs = parse_qsl(parsed.query)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        with self.api.changed:
            self.api.serving += 1
            watching = dict(pairs).get("watch") == "true"
            self.api.most_serving = max(self.api.most_serving, self.api.serving - watching)
        try:
            self.api.faults.before(method, parsed.path)
            for wanted, pattern, status, message in self.api.faults.refusals:
                if wanted == method and re.search(pattern, parsed.path):
                    self._status(status, "Refused", message)
                    return
            if self._fails(method, parsed.path.rpartition("/")[2]):
                return
            self._route(method, parsed.path, pairs, body)
        except ConnectionError:
            self.close_connection = True
        finally:
            with self.api.changed:
                self.api.serving -= 1

    def _fails(self, verb: str, resource: str) -> bool:
        """Whether a request was made to fail, as `Faults.failing` says."""
        fault = self.api.faults.failing.get((verb, resource))
        if fault is None:
            return False
        if isinstance(fault, int):
            self._status(fault, "Refused", f"the fault {fault}")
        elif fault == "nonsense":
            self._json(200, {"kind": "Nonsense", "items": [7], "status": [], "metadata": "x"})
        else:
            server = self.api._server
            while fault == "hang" and self.api._server is server and self.api.faults.failing:
                time.sleep(0.02)
            raise ConnectionAbortedError
        return True

    def _route(self, method: str, path: str, pairs: list[tuple[str, str]], body: Json) -> None:
        if path == "/version":
            self._json(200, {"major": "1", "minor": "32", "gitVersion": "v1.32.13"})
            return
        if path.endswith("/selfsubjectaccessreviews"):
            self._review(body)
            return
        if path == "/apis/argoproj.io/v1alpha1":
            self._json(200, {"resources": [{"name": "rollouts", "kind": "Rollout"}]})
            return
        if path == "/apis/serving.knative.dev/v1":
            self._json(200, {"resources": [{"name": "kservices", "kind": "Service"}]})
            return
        found = PATH.match(path)
        if found is None or found["plural"] not in KINDS:
            self._status(404, "NotFound", "the server could not find the requested resource")
            return
        query = dict(pairs)
        where = {key: value or "" for key, value in found.groupdict().items()}
        verb = _verb(method, where, query)
        resource = where["plural"] + (f"/{where['sub']}" if where["sub"] else "")
        call = Call(verb, where["group"], resource, where["namespace"])
        self.api.calls.append(call)
        if self._fails(verb, resource) or self._is_forbidden(call):
            return
        handler = {
            ("GET", "exec"): self._exec,
            ("GET", "log"): self._log,
        }.get((method, where["sub"]))
        if handler is not None:
            handler(where, pairs)
        elif method == "GET" and where["name"]:
            self._get(where)
        elif method == "GET" and query.get("watch") == "true":
            self._watch(where, query)
        elif method == "GET":
            self._list(where, query)
        elif method == "POST":
            self._create(where, query, body)
        else:
            self._delete(where)

    def _is_forbidden(self, call: Call) -> bool:
        """Refuse a request that RBAC does not allow."""
        if self.api.allows(call):
            return False
        self.api.refused.append(call)
        said = f'User "nobody" cannot {call.verb} resource "{call.resource}"'
        self._status(403, "Forbidden", f"{call.resource} is forbidden: {said}")
        return True

    def _review(self, body: Json) -> None:
        attributes = body["spec"]["resourceAttributes"]
        resource = attributes["resource"]
        if attributes.get("subresource"):
            resource += "/" + attributes["subresource"]
        asked = Call(attributes["verb"], attributes["group"], resource, attributes["namespace"])
        allowed = self.api.allows(asked)
        self._json(201, body | {"status": {"allowed": allowed}})

    def _get(self, where: Json) -> None:
        found = self.api.objects.get((where["plural"], where["namespace"], where["name"]))
        if found is None:
            self._not_found(where)
        else:
            self._json(200, found)

    def _list(self, where: Json, query: Json) -> None:
        kind, api_version, _ = KINDS[where["plural"]]
        with self.api.changed:
            items = [
                {key: value for key, value in found.items() if key not in {"kind", "apiVersion"}}
                for found in self.api.listed(where["plural"], where["namespace"])
                if _selected(found, query)
            ]
            version = str(self.api.version)
        start = 0
        if "continue" in query:
            version, start = json.loads(base64.b64decode(query["continue"]))
            if int(version) < self.api.oldest:
                self._status(410, "Expired", "The provided continue parameter is too old")
                return
        limit = int(query.get("limit", len(items) or 1))
        metadata: Json = {"resourceVersion": version}
        if start + limit < len(items):
            token = json.dumps([version, start + limit]).encode()
            metadata["continue"] = base64.b64encode(token).decode()
        self._json(
            200,
            {
                "kind": f"{kind}List",
                "apiVersion": api_version,
                "metadata": metadata,
                "items": items[start : start + limit],
            },
        )

    def _watch(self, where: Json, query: Json) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = 0
        for event in self._events(where["plural"], int(query["resourceVersion"])):
            self._chunk(json.dumps(event).encode() + b"\n")
            sent += event["type"] != "BOOKMARK"
            if event["type"] == "ERROR" or sent == self.api.faults.watch_breaks_after:
                self.api.faults.watch_breaks_after = None
                break
        else:
            return
        self.close_connection = True
        if event["type"] == "ERROR":
            self._chunk(b"")

    def _events(self, plural: str, since: int) -> Iterator[Json]:
        server = self.api._server
        kind, api_version, _ = KINDS[plural]
        if self.api.faults.expired_watches > 0:
            self.api.faults.expired_watches -= 1
            yield _gone(since, self.api.version)
            return
        while self.api._server is server:
            with self.api.changed:
                if since + 1 < self.api.oldest:
                    yield _gone(since, self.api.version)
                    return
                news = [event for event in self.api.history if event[0] > since]
                bookmark = self.api.version
            for _version, event, of, found in news:
                if of == plural:
                    yield {"type": event, "object": found}
            if news:
                since = bookmark
                metadata = {"resourceVersion": str(bookmark)}
                named = {"kind": kind, "apiVersion": api_version, "metadata": metadata}
                yield {"type": "BOOKMARK", "object": named}
            with self.api.changed:
                if self.api.version == bookmark:
                    self.api.changed.wait(0.5)

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def _create(self, where: Json, query: Json, body: Json) -> None:
        body["metadata"].setdefault("namespace", where["namespace"])
        key = (where["plural"], where["namespace"], body["metadata"].get("name", ""))
        if key in self.api.objects:
            self._status(409, "AlreadyExists", f'{where["plural"]} "{key[2]}" already exists')
        elif where["plural"] == "jobs":
            self._json(201, self.api.create_job(body))
        elif query.get("dryRun") == "All":
            refusal = self.api.pod_refusal(body)
            if refusal is None:
                self._json(201, body)
            else:
                self._status(403, "Forbidden", refusal)
        else:
            self._status(405, "MethodNotAllowed", "the fake creates Jobs only")

    def _delete(self, where: Json) -> None:
        if (where["plural"], where["namespace"], where["name"]) not in self.api.objects:
            self._not_found(where)
            return
        self.api.delete_job(where["namespace"], where["name"])
        self._json(200, {"kind": "Status", "status": "Success"})

    def _log(self, where: Json, pairs: list[tuple[str, str]]) -> None:
        lines = self.api.kubelet.log(where["name"]).splitlines(keepends=True)
        tail = int(dict(pairs).get("tailLines", "1000"))
        self._send(200, "text/plain", "".join(lines[-tail:]).encode())

    def _exec(self, where: Json, pairs: list[tuple[str, str]]) -> None:
        command = [value for key, value in pairs if key == "command"]
        if ("pods", where["namespace"], where["name"]) not in self.api.objects:
            self._not_found(where)
            return
        if not self.api.kubelet.is_running(where["name"]):
            self._send(500, "text/plain; charset=utf-8", b'container not found ("tcpdump")')
            return
        key = self.headers["Sec-WebSocket-Key"] + WEBSOCKET_GUID
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest())  # noqa: S324 - RFC 6455
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept.decode())
        self.send_header("Sec-WebSocket-Protocol", self.api.subprotocol)
        self.end_headers()
        self.close_connection = True
        given = [self._pieces()] if ("stdin", "true") in pairs else []
        self._stream(where["name"], command, *given)

    def _pieces(self) -> Iterator[bytes]:
        """What a client sends on channel 0, frame by frame (RFC 6455, 5.2), until it hangs up."""
        while len(head := self.rfile.read(2)) == 2:
            size = head[1] & 0x7F
            if size > 125:
                size = int.from_bytes(self.rfile.read(2 if size == 126 else 8))
            mask = self.rfile.read(4)
            content = self.rfile.read(size)
            key = int.from_bytes((mask * (size // 4 + 1))[:size])
            plain = (int.from_bytes(content) ^ key).to_bytes(size)
            if head[0] & 0x0F == 8:
                return
            if plain[:1] == b"\0":
                yield plain[1:]

    def _stream(self, pod: str, command: list[str], *given: Iterator[bytes]) -> None:
        faults = self.api.faults
        budget = faults.exec_cuts.pop(0) if faults.exec_cuts and command[0] == "dd" else None
        self._frame(2, b"\x01")
        for channel, content in self.api.kubelet.execute(pod, command, *given):
            if budget is not None and channel == 1:
                self._frame(2, bytes([channel]) + content[:budget])
                budget -= len(content)
                if budget <= 0:
                    if faults.cut_cleanly:
                        self._frame(8, struct.pack("!H", 1000))
                    return
            else:
                self._frame(2, bytes([channel]) + content)
        self._frame(8, struct.pack("!H", 1000))

    def _frame(self, opcode: int, content: bytes) -> None:
        size = len(content)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([size])
        elif size < 65536:
            head += b"\x7e" + struct.pack("!H", size)
        else:
            head += b"\x7f" + struct.pack("!Q", size)
        self.wfile.write(head + content)
        self.wfile.flush()

    def _not_found(self, where: Json) -> None:
        self._status(404, "NotFound", f'{where["plural"]} "{where["name"]}" not found')

    def _status(self, code: int, reason: str, message: str) -> None:
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }
        self._json(code, status)

    def _json(self, code: int, document: Json) -> None:
        self._send(code, "application/json", json.dumps(document).encode())

    def _send(self, code: int, content_type: str, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


def _verb(method: str, where: Json, query: Json) -> str:
    if method == "GET" and not where["name"]:
        return "watch" if query.get("watch") == "true" else "list"
    return {"GET": "get", "POST": "create", "DELETE": "delete"}[method]


def _selected(found: Json, query: Json) -> bool:
    labels = found["metadata"].get("labels") or {}
    wanted = [part.split("=") for part in query.get("labelSelector", "").split(",") if part]
    path, _, value = query.get("fieldSelector", "").partition("=")
    field: Any = found
    for name in path.split(".") if path else ():
        field = field.get(name) or {}
    return all(labels.get(key) == wish for key, wish in wanted) and (not path or field == value)


def _gone(since: int, version: int) -> Json:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"too old resource version: {since} ({version})",
        "reason": "Expired",
        "code": 410,
    }
    return {"type": "ERROR", "object": status}

"""One API server: authentication by the official client, requests and JSON by ourselves.

The official client is used for what it is good at (kubeconfig, in-cluster accounts, exec
plugins, TLS, proxies). Requests go through its lowest layer, because its typed models cost
memory we do not need, and its own exec stream cannot be used for large files: every version keeps
a copy of all that passed, 37 is quadratic, and none tells a cut stream from a finished one.

Everything here may be called from several threads at once.
"""

import copy
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Self, TypeVar

import msgspec
from msgspec import Struct

from otterize_pcap.cluster.api.connection_errors import connection_reason
from otterize_pcap.cluster.api.line_stream import LineStream
from otterize_pcap.cluster.api.refusals import (
    ApiRefusedError,
    ApiUnreachableError,
    refusal,
    status_of,
)
from otterize_pcap.cluster.api.waiting import SAY_AFTER_S, SilenceError, Waiting
from otterize_pcap.cluster.api.websockets import open_websocket
from otterize_pcap.errors import ClusterError
from otterize_pcap.json_errors import BROKEN, json_reason

Json = dict[str, Any]
Query = tuple[tuple[str, str], ...]

#: More of a plain text than is ever asked for: a log's last lines.
TEXT_LIMIT = 1 << 20
PAGE = "500"
#: Sockets are given this much longer than their requests, whose end is told in better words.
MARGIN_S = 5.0


Answer = TypeVar("Answer")


class ServerClock(Struct):
    """How far the API server's clock is ahead of ours, in seconds, from its Date headers."""

    ahead: float = 0.0

    def now(self) -> float:
        """The API server's time, in seconds since the epoch."""
        return time.time() + self.ahead


class Cluster:
    """One API server with the account that speaks to it."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - untyped
        name: str,
        namespace: str,
        waiting: Waiting,
        kubectl: tuple[str, ...] = (),
    ) -> None:
        self._client = client
        self._deadline: float | None = None
        self.name = name
        self.namespace = namespace
        self.waiting = waiting
        #: What makes kubectl speak to this server by this account.
        self.kubectl = " ".join(map(shlex.quote, ("kubectl", *kubectl)))
        self.clock = ServerClock()

    @property
    def account(self) -> str:
        """Server and account for messages, and how to find out who that is."""
        return f"{self.host} ({self.name}): {self.kubectl} auth whoami"

    @property
    def host(self) -> str:
        """The API server's address."""
        return str(self._client.configuration.host)

    def until(self, deadline: float) -> Self:
        """The same server, with requests that are given up at a time (time.monotonic())."""
        hurried = copy.copy(self)
        hurried._deadline = deadline
        return hurried

    def get(self, path: str, query: Query = ()) -> Json:
        """Read one object or list.

        Raises:
            ApiRefusedError: The server answered with an error.
            ApiUnreachableError: It did not answer.
        """
        return _decoded(self._request("GET", path, query), path)

    def named(self, path: str) -> Json:
        """Read one object, which has metadata.

        Raises:
            ClusterError: As `get`; or it is no object.
        """
        found = self.get(path)
        if not _is_named(found.get("metadata")):
            message = f"{path}: the answer is no object with a name; is this an API server?"
            raise ClusterError(message)
        return found

    def pages(self, path: str, query: Query = ()) -> Iterator[Json]:
        """A list, page by page: `metadata` and `items` of each.

        Raises:
            ApiRefusedError: The server answered with an error; 410 where it took too long.
            ApiUnreachableError: It did not answer.
            ClusterError: It answered with something else than a list of objects.
        """
        token = ""
        while True:
            more = (("continue", token),) if token else ()
            page = self.get(path, (*query, ("limit", PAGE), *more))
            if not _is_list(page):
                message = f"{path}: the answer is no list of objects; is this an API server?"
                raise ClusterError(message)
            yield page
            token = page["metadata"].get("continue") or ""
            if not token:
                return

    def text(self, path: str, query: Query = ()) -> str:
        """Read a log or another plain text; what is beyond a bound is left unread."""
        return self._request("GET", path, query, limit=TEXT_LIMIT).decode(errors="replace")

    def post(self, path: str, body: Json, query: Query = ()) -> Json:
        """Create an object, or ask a review to be made."""
        return _decoded(self._request("POST", path, query, body), path)

    def delete(self, path: str, body: Json) -> None:
        """Delete one object."""
        self._request("DELETE", path, (), body)

    def lines(self, path: str, query: Query, idle_s: float) -> LineStream:
        """Open a watch: an endless answer of one JSON document a line.

        Raises:
            ApiRefusedError: The server answered with an error.
            ApiUnreachableError: It did not answer.
        """
        return LineStream(
            self._answer(lambda: self._open("GET", path, query, None, idle_s), f"GET {path}")
        )

    def websocket(self, path: str, query: Query) -> Any:  # noqa: ANN401 - websocket-client is untyped
        """Open a WebSocket, as `kubectl exec` does.

        Raises:
            ApiRefusedError: The server refused the handshake.
            ApiUnreachableError: It did not answer.
        """
        return self._answer(
            lambda: open_websocket(self._client, self.account, path, query), f"exec {path}"
        )

    def _answer(self, ask: Callable[[], Answer], what: str) -> Answer:
        try:
            return self.waiting.answer(
                ask, f"API server {self.host} to answer {what}", self._deadline
            )
        except SilenceError as error:
            message = (
                f"API server {self.host} does not answer {what}; check the network and "
                "--context, or give it longer with --request-timeout"
            )
            raise ApiUnreachableError(message) from error

    def _request(
        self,
        method: str,
        path: str,
        query: Query,
        body: Json | None = None,
        limit: int | None = None,
    ) -> bytes:
        def ask() -> bytes:
            response = self._open(method, path, query, body, self.waiting.limit_s + MARGIN_S)
            try:
                return bytes(response.data if limit is None else response.read(limit))
            except urllib3.exceptions.HTTPError as error:
                said = connection_reason(error)
                message = f"{self.host} stopped answering: {said}; check the connection"
                raise ApiUnreachableError(message) from error
            finally:
                if limit is not None:
                    # What was left unread must not reach the connection's next user.
                    response.close()

        import urllib3  # noqa: PLC0415

        return self._answer(ask, f"{method} {path}")

    def _open(self, method: str, path: str, query: Query, body: Json | None, idle_s: float) -> Any:  # noqa: ANN401 - the client's response is untyped
        import urllib3  # noqa: PLC0415
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415

        headers = {"Accept": "application/json, */*"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self._client.call_api(
                path,
                method,
                query_params=list(query),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
                # Without this, 35 answers with a tuple and 36 with the response.
                _return_http_data_only=True,
                _preload_content=False,
                _request_timeout=(self.waiting.limit_s + MARGIN_S, idle_s),
            )
        except ApiException as error:
            # Bytes from 35, text from 36.
            sent = error.body or b""
            request = f"{method} {path}"
            reason, message = status_of(sent.encode() if isinstance(sent, str) else sent)
            message = message or f"HTTP {error.status}"
            status = int(error.status or 0)
            self.waiting.answered()
            raise refusal(status, reason, f"{request}: {message}", self.account) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = (
                f"API server {self.host} cannot be reached: {connection_reason(error)}; "
                "check --context, --kubeconfig and the network"
            )
            raise ApiUnreachableError(message) from error
        self.waiting.answered()
        self._set_clock(response.headers)
        return response

    def _set_clock(self, headers: Mapping[str, str]) -> None:
        stamp = headers.get("date")
        if stamp is None:
            return
        try:
            # Cut to whole seconds: half a second is the best guess of what is missing.
            ahead = parsedate_to_datetime(stamp).timestamp() + 0.5 - time.time()
        except (ValueError, OverflowError):
            return
        if abs(ahead - self.clock.ahead) > 1.0:
            self.clock.ahead = ahead if abs(ahead) > 1.0 else 0.0


def retried(seconds: float, cluster: Cluster, call: Any, *arguments: Any) -> Any:  # noqa: ANN401 - passes through
    """Repeat `call(cluster, *arguments)` while it fails for a passing reason, so many seconds.

    Raises:
        ClusterError: What the call raised last.
    """
    began = time.monotonic()
    deadline = began + seconds
    pause = 0.1
    while True:
        try:
            return call(cluster.until(deadline), *arguments)
        except (ApiUnreachableError, ApiRefusedError) as error:
            passing = isinstance(error, ApiUnreachableError) or error.transient
            now = time.monotonic()
            if not passing or now + pause > deadline:
                raise
            if now - began > SAY_AFTER_S:
                cluster.waiting.tell(str(error), "the API server", deadline - now)
        time.sleep(pause)
        pause = min(pause * 2, 5.0)


def _is_list(page: Json) -> bool:
    metadata, items = page.get("metadata"), page.get("items") or []
    return (
        isinstance(metadata, dict)
        and isinstance(items, list)
        and all(isinstance(item, dict) and _is_named(item.get("metadata")) for item in items)
    )


def _is_named(metadata: object) -> bool:
    return isinstance(metadata, dict) and "name" in metadata


def _decoded(document: bytes, path: str) -> Json:
    try:
        return msgspec.json.decode(document, type=Json)
    except BROKEN as error:
        reason = json_reason(document, Json)
        message = f"{path}: the answer is no JSON ({reason}); is this an API server?"
        raise ClusterError(message) from error

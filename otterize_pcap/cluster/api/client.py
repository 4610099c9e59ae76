"""One API server: authentication by the official client, requests and JSON by ourselves.

The official client is used for what it is good at (kubeconfig, in-cluster accounts, exec
plugins, TLS, proxies). Requests go through its lowest layer, because its typed models cost
memory we do not need, and its own exec stream cannot be used for large files: every version keeps
a copy of all that passed, 37 is quadratic, and none tells a cut stream from a finished one.

Everything here may be called from several threads at once.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from otterize_pcap.cluster.api.connection_errors import connection_reason
from otterize_pcap.errors import ClusterError
from otterize_pcap.json_errors import json_reason

Json = dict[str, Any]
Query = tuple[tuple[str, str], ...]

REQUEST_TIMEOUT_S = 30.0
TRANSIENT_STATUS = frozenset({429, 500, 502, 503, 504})


class ApiRefusedError(ClusterError):
    """The API server answered with an error; `status` is the HTTP status, `reason` its word."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed soon."""
        return self.status in TRANSIENT_STATUS


class ApiUnreachableError(ClusterError):
    """The API server did not answer."""


@dataclass(frozen=True, slots=True)
class ServerClock:
    """How far the API server's clock is ahead of ours, in seconds, from its Date headers."""

    ahead: float = 0.0

    def now(self) -> float:
        """The API server's time, in seconds since the epoch."""
        return time.time() + self.ahead


class Cluster:
    """One API server with the account that speaks to it."""

    def __init__(self, client: Any, name: str, namespace: str) -> None:  # noqa: ANN401 - untyped
        self._client = client
        self.name = name
        self.namespace = namespace
        self.clock = ServerClock()

    @property
    def host(self) -> str:
        """The API server's address."""
        return str(self._client.configuration.host)

    def get(self, path: str, query: Query = ()) -> Json:
        """Read one object or list.

        Raises:
            ApiRefusedError: The server answered with an error.
            ApiUnreachableError: It did not answer.
        """
        return _decoded(self._request("GET", path, query), path)

    def text(self, path: str, query: Query = ()) -> str:
        """Read a log or another plain text."""
        return bytes(self._request("GET", path, query)).decode(errors="replace")

    def post(self, path: str, body: Json, query: Query = ()) -> Json:
        """Create an object, or ask a review to be made."""
        return _decoded(self._request("POST", path, query, body), path)

    def delete(self, path: str, body: Json) -> None:
        """Delete one object."""
        self._request("DELETE", path, (), body)

    def lines(self, path: str, query: Query, idle_s: float) -> "LineStream":
        """Open a watch: an endless answer of one JSON document a line.

        Raises:
            ApiRefusedError: The server answered with an error.
            ApiUnreachableError: It did not answer.
        """
        return LineStream(self._open("GET", path, query, None, (REQUEST_TIMEOUT_S, idle_s)))

    def websocket(self, path: str, query: Query) -> Any:  # noqa: ANN401 - websocket-client is untyped
        """Open a WebSocket, as `kubectl exec` does.

        Raises:
            ApiRefusedError: The server refused the handshake.
            ApiUnreachableError: It did not answer.
        """
        import websocket  # noqa: PLC0415 - only the commands that talk to a cluster pay for it

        configuration = self._client.configuration
        headers: dict[str, str] = {}
        self._client.update_params_for_auth(headers, [], ["BearerToken"])
        url = f"{configuration.host}{path}?{urlencode(query)}".replace("http", "ws", 1)
        try:
            return websocket.create_connection(
                url,
                timeout=REQUEST_TIMEOUT_S,
                header=[f"{name}: {value}" for name, value in headers.items()],
                subprotocols=["v5.channel.k8s.io", "v4.channel.k8s.io"],
                sslopt=_tls_options(configuration),
                **_proxy_options(configuration, url),
            )
        except websocket.WebSocketBadStatusException as error:
            body = error.resp_body or b""
            reason, message = _status_of(bytes(body))
            text = f"exec refused by the API server: {message or error.status_code}"
            raise ApiRefusedError(error.status_code, reason, text) from error
        except (websocket.WebSocketException, OSError) as error:
            message = f"exec over {self.host} failed: {connection_reason(error)}"
            raise ApiUnreachableError(message) from error

    def _request(self, method: str, path: str, query: Query, body: Json | None = None) -> bytes:
        import urllib3  # noqa: PLC0415

        response = self._open(method, path, query, body, REQUEST_TIMEOUT_S)
        try:
            return bytes(response.data)
        except urllib3.exceptions.HTTPError as error:
            message = (
                f"{self.host} stopped answering: {connection_reason(error)}; check the connection"
            )
            raise ApiUnreachableError(message) from error

    def _open(
        self,
        method: str,
        path: str,
        query: Query,
        body: Json | None,
        timeout: float | tuple[float, float],
    ) -> Any:  # noqa: ANN401 - the client's response is untyped
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
                _request_timeout=timeout,
            )
        except ApiException as error:
            # Bytes from 35, text from 36.
            sent = error.body or b""
            reason, message = _status_of(sent.encode() if isinstance(sent, str) else sent)
            message = message or f"HTTP {error.status}"
            text = f"{method} {path}: {message}"
            raise ApiRefusedError(int(error.status or 0), reason, text) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = (
                f"API server {self.host} cannot be reached: {connection_reason(error)}; "
                "check --context, --kubeconfig and the network"
            )
            raise ApiUnreachableError(message) from error
        self._set_clock(response.headers)
        return response

    def _set_clock(self, headers: Mapping[str, str]) -> None:
        stamp = headers.get("date")
        if stamp is None:
            return
        # The header is cut to whole seconds: half a second is the best guess of what is missing.
        ahead = parsedate_to_datetime(stamp).timestamp() + 0.5 - time.time()
        if abs(ahead - self.clock.ahead) > 1.0:
            self.clock = ServerClock(ahead if abs(ahead) > 1.0 else 0.0)


class LineStream:
    """The lines of an endless answer; `close` ends a read that waits in another thread."""

    def __init__(self, response: Any) -> None:  # noqa: ANN401 - urllib3's response is untyped here
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        """Yield each line as it comes.

        Raises:
            ApiUnreachableError: The connection broke.
        """
        import urllib3  # noqa: PLC0415

        rest = b""
        try:
            for chunk in self._response.stream(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (line for line in lines if line)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            message = f"watch broke off: {connection_reason(error)}"
            raise ApiUnreachableError(message) from error
        finally:
            self._response.close()

    def close(self) -> None:
        """End the stream."""
        try:
            self._response.shutdown()
        except (OSError, ValueError, AttributeError):
            # Already closed, or urllib3 before 2.3: the reader's own time limit ends it.
            return


def retried(seconds: float, call: Any, *arguments: Any) -> Any:  # noqa: ANN401 - passes through
    """Repeat a call while it fails for a passing reason, for at most so many seconds.

    Raises:
        ClusterError: What the call raised last.
    """
    deadline = time.monotonic() + seconds
    pause = 0.1
    while True:
        try:
            return call(*arguments)
        except (ApiUnreachableError, ApiRefusedError) as error:
            passing = isinstance(error, ApiUnreachableError) or error.transient
            if not passing or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 5.0)


def _decoded(document: bytes, path: str) -> Json:
    try:
        return msgspec.json.decode(document, type=Json)
    except msgspec.DecodeError as error:
        reason = json_reason(document, Json)
        message = f"{path}: the answer is no JSON ({reason}); is this an API server?"
        raise ClusterError(message) from error


def _status_of(body: bytes) -> tuple[str, str]:
    """Reason and message of a Kubernetes Status, or the text itself."""
    try:
        status = msgspec.json.decode(body, type=Json)
    except msgspec.DecodeError:
        return "", " ".join(body.decode(errors="replace").split())[:500]
    return str(status.get("reason", "")), str(status.get("message", ""))


def _tls_options(configuration: Any) -> Json:  # noqa: ANN401 - the client is untyped
    import ssl  # noqa: PLC0415

    options: Json = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    if configuration.verify_ssl:
        options = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": configuration.ssl_ca_cert}
        if configuration.assert_hostname is not None:
            options["check_hostname"] = configuration.assert_hostname
    for ours, theirs in (
        ("certfile", configuration.cert_file),
        ("keyfile", configuration.key_file),
        ("server_hostname", configuration.tls_server_name),
    ):
        if theirs:
            options[ours] = theirs
    return {name: value for name, value in options.items() if value is not None}


def _proxy_options(configuration: Any, url: str) -> Json:  # noqa: ANN401 - the client is untyped
    if not configuration.proxy:
        return {}
    from kubernetes.stream.ws_client import websocket_proxycare  # noqa: PLC0415

    return dict(websocket_proxycare({}, configuration, url, None))

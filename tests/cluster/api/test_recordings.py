"""What a real API server and kubelet said is accepted by the client, each recording of it."""

import base64
import hashlib
import json
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.api.exec_stream import ExecResult, run_in_pod
from otterize_pcap.cluster.api.kubeconfig import connect
from otterize_pcap.cluster.api.refusals import ApiRefusedError
from otterize_pcap.cluster.capture.cleanup import DELETE_OPTIONS
from otterize_pcap.errors import ClusterError, PartialCaptureError
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import RECORDINGS, Run, assert_clean, recording
from tests.cluster.fake_streams import WEBSOCKET_GUID

HTTP = sorted(
    path.name for path in RECORDINGS.glob("*.json") if "response" in json.loads(path.read_text())
)
EXEC = sorted(path.name for path in RECORDINGS.glob("exec-*.json"))


class _Replay(BaseHTTPRequestHandler):
    """Answers every request with one recording."""

    protocol_version = "HTTP/1.1"
    document: Any

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        response = self.document["response"]
        body = response["body"]
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(response["status"])
        self.send_header("Content-Type", response["contentType"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _exec(self) -> None:
        handshake = self.document["handshake"]
        self.close_connection = True
        self.send_response(handshake["status"])
        if handshake["status"] != 101:
            content = handshake["body"].encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        key = self.headers["Sec-WebSocket-Key"] + WEBSOCKET_GUID
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest())  # noqa: S324 - RFC 6455
        for name, value in handshake["headers"].items():
            self.send_header(name, accept.decode() if name == "sec-websocket-accept" else value)
        self.end_headers()
        for frame in self.document["frames"]:
            content = base64.b64decode(frame["base64"] or "")
            if frame["close"]:
                content = struct.pack("!H", frame["close"])
            size = len(content)
            length = bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size)
            self.wfile.write(bytes([0x80 | frame["opcode"]]) + length + content)

    def do_GET(self) -> None:
        if "response" in self.document:
            self._answer()
        else:
            self._exec()

    do_POST = do_DELETE = _answer  # noqa: N815 - the base's names


@pytest.fixture
def replay(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Cluster, Any]]:
    """A client of a server that gives the recorded answer, and the recording."""
    document = json.loads((RECORDINGS / request.param).read_text())

    class Bound(_Replay):
        """The handler of this recording."""

    Bound.document = document
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    config = {
        "current-context": "r",
        "contexts": [{"name": "r", "context": {"cluster": "r", "user": "r"}}],
        "clusters": [
            {"name": "r", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}
        ],
        "users": [{"name": "r", "user": {}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    yield connect(path, None), document
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("replay", HTTP, indirect=True)
def test_every_recorded_answer_is_accepted(replay: tuple[Cluster, Any]) -> None:
    """A recorded answer comes back as it is, a recorded refusal as an error with its message."""
    cluster, document = replay
    request, response = document["request"], document["response"]
    path = request["path"].partition("?")[0]

    def ask() -> object:
        if request["method"] == "POST":
            return cluster.post(path, request["body"])
        if request["method"] == "DELETE":
            assert request["body"]["propagationPolicy"] == DELETE_OPTIONS["propagationPolicy"]
            cluster.delete(path, DELETE_OPTIONS)
            return None
        if response["contentType"] == "text/plain":
            return cluster.text(path)
        return cluster.get(path)

    if response["status"] >= 400:
        with pytest.raises(ApiRefusedError) as caught:
            ask()
        assert caught.value.status == response["status"]
        assert response["body"]["message"] in str(caught.value)
        assert caught.value.reason == response["body"]["reason"]
    else:
        assert ask() in (None, response["body"])


EXEC_RESULTS = {
    "exec-all-bytes-v4.json": ExecResult(0, ""),
    "exec-binary-v4.json": ExecResult(0, ""),
    "exec-large-v4.json": ExecResult(0, ""),
    "exec-text-v4.json": ExecResult(0, ""),
    "exec-text-v5.json": ExecResult(0, ""),
    "exec-exit-3.json": 3,
    "exec-no-such-command.json": None,
    "exec-bad-subprotocol.json": 403,
    "exec-completed-pod.json": 500,
    "exec-no-such-pod.json": 404,
}


@pytest.mark.parametrize("replay", EXEC, indirect=True)
def test_every_recorded_exec_is_understood(
    replay: tuple[Cluster, Any], request: pytest.FixtureRequest
) -> None:
    """Output arrives byte by byte, exit codes and refusals as what they are."""
    cluster, document = replay
    expected = EXEC_RESULTS[request.node.callspec.params["replay"]]
    frames = [base64.b64decode(frame["base64"] or "") for frame in document["frames"]]
    received: list[bytes] = []

    def ask() -> ExecResult:
        return run_in_pod(cluster, ("cap", "pod"), ["true"], received.append)

    if document["handshake"]["status"] != 101:
        with pytest.raises(ApiRefusedError) as caught:
            ask()
        assert caught.value.status == expected
        return
    result = ask()

    assert expected in (result, result.exit_code)
    assert b"".join(received) == b"".join(f[1:] for f in frames if f[:1] == b"\x01")
    if expected is None:
        assert "failed to exec in container" in result.message


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nonode", "Unschedulable: 0/2 nodes are available"),
        ("noimage", 'ImagePullBackOff: Back-off pulling image "localhost/nosuch:1"'),
        ("nocmd", "the pod ended early: "),
        ("fail", "the pod ended early: Error, exit code 7"),
        ("oom", "the pod ended early: OOMKilled, exit code 0"),
        ("evict", 'Evicted: Usage of EmptyDir volume "capture" exceeds the limit "32Mi".'),
    ],
)
def test_recorded_troubles_are_explained(
    api: FakeApi, run: Run, tmp_path: Path, name: str, reason: str
) -> None:
    """Each recorded trouble fails its node with the cluster's own words, a Complete Job too."""
    (found,) = recording(f"trouble-{name}-pods.json")["items"]
    api.kubelet.recorded_status = found["status"]

    result = run(
        api, "capture", "--duration", "1s", "--pending-timeout", "1s", "-o", str(tmp_path / "out")
    )

    assert isinstance(result.exception, (ClusterError, PartialCaptureError))
    assert reason in str(result.exception)
    assert_clean(api)

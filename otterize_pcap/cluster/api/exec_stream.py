"""Commands in a pod: the WebSocket exec protocol, frame by frame.

A frame's first byte is its channel: 1 stdout, 2 stderr, 3 the final status, a JSON Status
(Kubernetes `v4.channel.k8s.io`; `v5` adds channel 255, which closes others). A stream that ends
without a status was cut, whatever its close code: that is told apart here from a finished one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from otterize_pcap.cluster.api.client import Cluster, Json
from otterize_pcap.cluster.api.connection_errors import connection_reason

STDOUT, STDERR, STATUS = 1, 2, 3
CONTAINER = "tcpdump"
STDERR_KEPT = 4096


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How a command ended; `exit_code` is None where the stream was cut or never began it."""

    exit_code: int | None
    message: str

    @property
    def complete(self) -> bool:
        """Whether everything the command wrote has arrived."""
        return self.exit_code is not None


def run_in_pod(
    cluster: Cluster,
    pod: tuple[str, str],
    command: list[str],
    receive: Callable[[bytes], None],
) -> ExecResult:
    """Run a command in the capture container and hand over its stdout as it arrives.

    Args:
        cluster: The API server.
        pod: Namespace and name.
        command: Program and arguments; no shell is involved.
        receive: Called with each piece of stdout; may raise to give up.

    Raises:
        ApiRefusedError: The handshake was refused (no such pod, container gone, no permission).
        ApiUnreachableError: No connection came about.
    """
    import websocket  # noqa: PLC0415 - only the commands that talk to a cluster pay for it

    namespace, name = pod
    query = (
        *(("command", word) for word in command),
        ("container", CONTAINER),
        ("stdout", "true"),
        ("stderr", "true"),
        ("stdin", "false"),
        ("tty", "false"),
    )
    socket = cluster.websocket(f"/api/v1/namespaces/{namespace}/pods/{name}/exec", query)
    complaints = b""
    try:
        while True:
            opcode, frame = socket.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return ExecResult(None, "the stream was closed before the command's status came")
            channel, content = (frame[0], frame[1:]) if frame else (0, b"")
            if channel == STDOUT and content:
                receive(content)
            elif channel == STDERR:
                complaints = (complaints + content)[-STDERR_KEPT:]
            elif channel == STATUS:
                return _result(content, complaints)
    except (websocket.WebSocketException, OSError) as error:
        return ExecResult(None, f"the stream broke: {connection_reason(error)}")
    finally:
        socket.shutdown()


def output_of(cluster: Cluster, pod: tuple[str, str], command: list[str], limit: int) -> bytes:
    """Run a short command and return its stdout.

    Raises:
        ExecFailedError: It was cut off, failed, or wrote more than `limit` bytes.
        ApiRefusedError: The handshake was refused.
        ApiUnreachableError: No connection came about.
    """
    pieces: list[bytes] = []
    received = 0

    def keep(piece: bytes) -> None:
        nonlocal received
        received += len(piece)
        if received > limit:
            message = f"{command[0]} in pod {pod[1]} wrote more than {limit} bytes"
            raise ExecFailedError(message)
        pieces.append(piece)

    result = run_in_pod(cluster, pod, command, keep)
    if result.exit_code != 0:
        message = f"{command[0]} in pod {pod[1]} failed: {result.message}"
        raise ExecFailedError(message)
    return b"".join(pieces)


class ExecFailedError(Exception):
    """A command in the pod failed or its stream was cut; the caller decides whether to retry."""


def _result(status: bytes, complaints: bytes) -> ExecResult:
    try:
        document = msgspec.json.decode(status, type=Json)
    except msgspec.DecodeError:
        return ExecResult(None, "the command's status could not be read")
    if document.get("status") == "Success":
        return ExecResult(0, "")
    said = complaints.decode(errors="replace").strip() or str(document.get("message", ""))
    causes = (document.get("details") or {}).get("causes") or []
    codes = [cause.get("message") for cause in causes if cause.get("reason") == "ExitCode"]
    if codes and str(codes[0]).isdigit():
        return ExecResult(int(codes[0]), " ".join(said.split()))
    return ExecResult(None, " ".join(said.split()))

"""Commands in a pod: the WebSocket exec protocol, frame by frame.

A frame's first byte is its channel: 0 stdin, 1 stdout, 2 stderr, 3 the final status, a JSON Status
(Kubernetes `v4.channel.k8s.io`; `v5` adds channel 255, which closes others). A stream that ends
without a status was cut, whatever its close code: that is told apart here from a finished one.
"""

import re
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Struct

from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.api.connection_errors import connection_reason
from otterize_pcap.counted import counted
from otterize_pcap.json_errors import BROKEN

STDIN, STDOUT, STDERR, STATUS = 0, 1, 2, 3
CONTAINER = "tcpdump"
STDERR_KEPT = 4096
STATUS_KEPT = 65536
#: How long a short command may take.
SHORT_S = 60.0
EXIT_CODE = re.compile(r"[0-9]{1,5}\Z")


class ExecResult(Struct, frozen=True):
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
    given: Iterable[bytes] = (),
) -> ExecResult:
    """Run a command in the capture container and hand over its stdout as it arrives.

    Args:
        cluster: The API server.
        pod: Namespace and name.
        command: Program and arguments; no shell is involved.
        receive: Called with each piece of stdout, and with nothing for whatever else comes; may
            raise to give up.
        given: Pieces of its stdin, if it has one. Older protocols cannot say where that ends: the
            command must know.

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
        ("stdin", str(bool(given)).lower()),
        ("tty", "false"),
    )
    socket = cluster.websocket(f"/api/v1/namespaces/{namespace}/pods/{name}/exec", query)
    try:
        for piece in given:
            socket.send_binary(bytes((STDIN,)) + piece)
        return _follow(socket, receive)
    except (websocket.WebSocketException, OSError) as error:
        return ExecResult(None, f"the stream broke: {connection_reason(error)}")
    finally:
        socket.shutdown()


def _follow(socket: Any, receive: Callable[[bytes], None]) -> ExecResult:  # noqa: ANN401 - websocket-client is untyped
    """Read frames until the command's status; frames in pieces are taken piece by piece."""
    import websocket  # noqa: PLC0415

    abnf = websocket.ABNF
    complaints = status = b""
    channel = 0
    while True:
        opcode, frame = socket.recv_data(control_frame=True)
        if opcode == abnf.OPCODE_CLOSE:
            return ExecResult(None, "the stream was closed before the command's status came")
        content = frame
        if opcode in {abnf.OPCODE_BINARY, abnf.OPCODE_TEXT}:
            channel, content = (frame[0], frame[1:]) if frame else (0, b"")
        elif opcode != abnf.OPCODE_CONT:
            content = b""
        receive(content if channel == STDOUT else b"")
        if channel == STDERR:
            complaints = (complaints + content)[-STDERR_KEPT:]
        elif channel == STATUS and content:
            status = (status + content)[:STATUS_KEPT]
            result = _result(status, complaints)
            if result is not None:
                return result


def output_of(cluster: Cluster, pod: tuple[str, str], command: list[str], limit: int) -> bytes:
    """Run a short command and return its stdout.

    Raises:
        ExecFailedError: It was cut off, failed, or wrote more than `limit` bytes.
        ApiRefusedError: The handshake was refused.
        ApiUnreachableError: No connection came about.
    """
    pieces: list[bytes] = []
    received = 0
    deadline = time.monotonic() + SHORT_S

    def keep(piece: bytes) -> None:
        nonlocal received
        received += len(piece)
        if time.monotonic() > deadline:
            message = f"{command[0]} in pod {pod[1]} did not end within {SHORT_S:.0f} s"
            raise ExecFailedError(message)
        if received > limit:
            message = f"{command[0]} in pod {pod[1]} wrote more than {counted(limit, 'byte')}"
            raise ExecFailedError(message)
        pieces.append(piece)

    result = run_in_pod(cluster, pod, command, keep)
    if result.exit_code != 0:
        message = f"{command[0]} in pod {pod[1]} failed: {result.message}"
        raise ExecFailedError(message)
    return b"".join(pieces)


class ExecFailedError(Exception):
    """A command in the pod failed or its stream was cut; the caller decides whether to retry."""


class _Cause(msgspec.Struct):
    reason: object = None
    message: object = None


class _Details(msgspec.Struct):
    causes: list[_Cause] | None = None


class _Status(msgspec.Struct):
    """A Kubernetes Status, as far as it says how a command ended."""

    status: object = None
    message: object = None
    details: _Details | None = None


def _result(status: bytes, complaints: bytes) -> ExecResult | None:
    """What a status says; None where it is not whole yet. A node can send anything."""
    try:
        found = msgspec.json.decode(status, type=_Status)
    except msgspec.ValidationError:
        return ExecResult(None, "the command's status has no form of one")
    except BROKEN:
        if len(status) < STATUS_KEPT:
            return None
        return ExecResult(None, "the command's status could not be read")
    if found.status == "Success":
        return ExecResult(0, "")
    text = complaints.decode(errors="replace").strip() or str(found.message or "")
    said = " ".join(text.split())[:STDERR_KEPT]
    causes = (found.details.causes if found.details else None) or ()
    codes = [str(cause.message) for cause in causes if cause.reason == "ExitCode"]
    if codes and EXIT_CODE.match(codes[0]):
        return ExecResult(int(codes[0]), said)
    return ExecResult(None, said)

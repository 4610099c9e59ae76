"""Exec streams that lie, babble or drip: they are left in time, and cost no memory."""

import hashlib
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from otterize_pcap.cluster.api import exec_stream
from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.api.exec_stream import ExecFailedError, ExecResult, output_of, run_in_pod
from otterize_pcap.cluster.capture import pull
from otterize_pcap.cluster.capture.pull import PullEnd
from otterize_pcap.errors import ClusterError
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_kubelet import ScriptedRuntime
from tests.cluster.fake_requests import Handler

DIGEST = hashlib.sha256(b"packets").hexdigest()


@pytest.fixture
def pod(api: FakeApi, scripted: ScriptedRuntime) -> tuple[str, str]:
    """A pod in which commands can run."""
    found = {"metadata": {"name": "p", "namespace": "default", "labels": {}}}
    api.add("pods", found)
    api.kubelet.containers["p"] = scripted.start(found)
    return "default", "p"


def answering(monkeypatch: pytest.MonkeyPatch, content: bytes, *, repeat: bool = False) -> None:
    """Make exec streams consist of raw bytes instead of frames; `repeat` for ever."""

    def stream(self: Any, _pod: str, _command: list[str]) -> None:  # noqa: ANN401 - any handler
        self.wfile.write(content)
        self.wfile.flush()
        while repeat:
            time.sleep(0.01)
            self.wfile.write(content)
            self.wfile.flush()

    monkeypatch.setattr(Handler, "_stream", stream)


def test_frame_without_measure_is_refused(
    cluster: Cluster, pod: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame of 2^62 bytes is refused by its head: no memory is taken for it."""
    answering(monkeypatch, b"\x82\x7f" + struct.pack("!Q", 1 << 62))

    result = run_in_pod(cluster, pod, ["cat"], lambda _piece: None)

    assert result == ExecResult(None, "the stream broke: it announces a frame without measure")


@pytest.mark.parametrize(
    "frame",
    [b"\x82\x02\x02e", b"\x89\x00", b"\x02\x02\x02e", b"\x82\x00", b"\x82\x01\x09"],
    ids=["stderr", "ping", "pieces", "empty", "channel-9"],
)
def test_babbling_without_an_end_is_left(
    cluster: Cluster, pod: tuple[str, str], monkeypatch: pytest.MonkeyPatch, frame: bytes
) -> None:
    """A stream that says something for ever, but never its end, is left in time."""
    monkeypatch.setattr(exec_stream, "SHORT_S", 0.3)
    answering(monkeypatch, frame, repeat=True)
    began = time.monotonic()

    with pytest.raises(ExecFailedError):
        output_of(cluster, pod, ["cat"], 100)

    assert time.monotonic() - began < 8


def test_message_in_pieces_is_taken_piece_by_piece(
    cluster: Cluster, pod: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A WebSocket message in several frames is one: the channel stands at its beginning only."""
    status = b'{"status":"Success"}'
    answering(
        monkeypatch,
        b"\x02\x03\x01ab" + b"\x00\x02cd" + b"\x80\x01e" + bytes([2, 11, 3]) + status[:10]
        + bytes([0x80, len(status) - 10]) + status[10:],
    )  # fmt: skip
    pieces: list[bytes] = []

    result = run_in_pod(cluster, pod, ["cat"], pieces.append)

    assert (result.exit_code, b"".join(pieces)) == (0, b"abcde")


def test_pull_by_drops_ends_with_the_pods_time(
    api: FakeApi, cluster: Cluster, pod: tuple[str, str], tmp_path: Path
) -> None:
    """A file that comes by a byte a stream is given up when the pod's time is over."""
    api.faults.exec_cuts = [1] * 10_000
    source = pull.PodFile(*pod, "/capture/calls.pcap", 7_000_000, DIGEST)
    began = time.monotonic()

    with pytest.raises(ClusterError, match="its files did not come within 0 s"):
        pull.pull_file(
            cluster, source, tmp_path / "f", lambda _n: None, PullEnd(threading.Event(), 0.4)
        )

    assert time.monotonic() - began < 8
    assert list(tmp_path.glob("f*")) == []

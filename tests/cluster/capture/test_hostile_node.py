"""Nodes that lie, babble or break: they fail with a reason, and cost the other nodes nothing."""

import hashlib
import json
import shutil
import struct
import threading
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.cluster.api import exec_stream
from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.api.exec_stream import ExecFailedError, ExecResult, output_of, run_in_pod
from otterize_pcap.cluster.capture import collect, directory, follow, pull
from otterize_pcap.cluster.capture.node_state import parse_counters, parse_progress, parse_state
from otterize_pcap.cluster.capture.pull import PullEnd, stored_sha256
from otterize_pcap.cluster.snapshot.address_history import stamp_of
from otterize_pcap.errors import ClusterError, PartialCaptureError
from otterize_pcap.files.writing import write_whole
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, assert_clean, capture_pods, nodes_of, read_manifest
from tests.cluster.fake_kubelet import ScriptedRuntime
from tests.cluster.script_runs import plan

DIGEST = hashlib.sha256(b"packets").hexdigest()
GOOD = f"started 1.5\nended 2.5\nstopped duration\nfile calls.pcap 7 {DIGEST}\n"
NUMBERS = st.sampled_from(
    ["0", "7", "1e308", "-1", "9" * 11, "9" * 12, "9" * 15, "9" * 5000, "²", "٣", "nan", "inf", ""]
)
WORDS = st.one_of(
    NUMBERS,
    st.sampled_from(["part", "calls", "exit", "ended", "file", "node-file", "started", "stopped"]),
    st.sampled_from(["calls.pcap", "full.pcap999", "addresses", "../x", DIGEST, "0" * 64]),
    st.text(max_size=5),
)
LINES = st.lists(WORDS, max_size=7).map(" ".join)


@given(st.lists(LINES, max_size=8), st.booleans())
def test_no_state_raises_anything_else(lines: list[str], after_good: bool) -> None:
    """Whatever a pod calls its state: it is one whose times are dates, or an error of ours."""
    text = (GOOD if after_good else "") + "\n".join(lines)

    try:
        state = parse_state(text, "pod")
    except ClusterError:
        return
    stamp_of(state.started)
    stamp_of(state.ended)
    for part in state.parts:
        stamp_of(part.ended)
    assert all(file.size < 10**15 for file in (*state.pcaps, *state.node_files))


@given(st.lists(LINES, max_size=6), NUMBERS)
def test_no_log_raises(lines: list[str], number: str) -> None:
    """Whatever a pod logs, its progress and counters are numbers or unknown."""
    lines.append(f"capture: recording 2s bytes={number} packets={number} dropped={number}")
    lines.append(f"part calls\n{number} packets captured")

    parse_progress("\n".join(lines))
    parse_counters("\n".join(lines))


JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.floats()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["status", "details", "causes", "reason", "message", "x"]), inner
        ),
    ),
    max_leaves=10,
)
CODES = st.sampled_from(["1", "²", "9" * 5000, "-1", "", "0x1", 3, None, [1]])


@given(
    st.one_of(
        st.binary(max_size=40),
        JSON.map(lambda document: json.dumps(document).encode()),
        CODES.map(
            lambda code: json.dumps(
                {"details": {"causes": [{"reason": "ExitCode", "message": code}]}}
            ).encode()
        ),
    ),
    st.binary(max_size=20),
)
def test_no_exec_status_raises(status: bytes, complaints: bytes) -> None:
    """Whatever ends an exec stream: how the command ended is known, or not."""
    found = exec_stream._result(status, complaints)

    assert found is None or isinstance(found, ExecResult)
    if found is not None and found.exit_code == 0:
        assert b"Success" in status or b'"0"' in status


# --- whole captures -------------------------------------------------------------------------------


@pytest.fixture
def mixed(api: FakeApi, scripted: ScriptedRuntime) -> ScriptedRuntime:
    """One node whose state each test sets, beside one that is as it should be."""
    laid_out = scripted.start

    def start(pod: dict[str, Any]) -> Any:  # noqa: ANN401 - the fake's own container
        bad = pod["metadata"]["annotations"]["capture.otterize.com/node"] == "node2"
        container = laid_out(pod)
        if bad:
            lying = ScriptedRuntime(scripted.directory, state=scripted.state)
            lying.done.set()
            lying.lines = scripted.lines
            container._runtime = lying
        return container

    scripted.start = start  # type: ignore[method-assign]  # two kinds of nodes
    api.kubelet.runtime = scripted
    return scripted


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (f"{GOOD}file acks.pcap {10**14} {DIGEST}\n", "with this --max-size it can have no more"),
        (f"{GOOD}node-file addresses {10**14} {DIGEST}\n", "it can have no more than"),
        (f"{GOOD}file calls.pcap 7 {DIGEST}\n", "its state file is broken (a file is there twice)"),
        (f"{GOOD}file acks.pcap {'9' * 5000} {DIGEST}\n", "its state file is broken"),
        (GOOD.replace("2.5", "999999999999"), "its state file is broken"),
        (GOOD.replace("2.5", "1e308"), "its state file is broken"),
        ("x" * 70_000, "wrote more than 65,536 bytes"),
        (f"{GOOD}file acks.pcap 7 {DIGEST}\n", "is no pcap that can be read"),
    ],
    ids=["huge", "huge-node-file", "twice", "digits", "date", "exponent", "endless", "no-pcap"],
)
def test_lying_node_costs_itself_alone(
    api: FakeApi,
    mixed: ScriptedRuntime,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    reason: str,
) -> None:
    """A node that lies fails by its reason; the other is kept, and the manifest tells of both."""
    monkeypatch.setattr(collect, "STATE_PATIENCE_S", 0.3)
    mixed.state = state
    if reason.startswith("is no pcap"):
        mixed.files["acks.pcap"] = b"packets"

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    found = nodes_of(tmp_path / "out")
    assert isinstance(result.exception, (PartialCaptureError, ClusterError)), result.output
    assert found["node2"].status == "failed"
    assert found["node2"].reason is not None
    assert reason in found["node2"].reason
    assert len(found["node2"].reason) <= 600
    left = sorted(path.name for path in (tmp_path / "out" / "pcap").iterdir())
    assert not [name for name in left if name.startswith("node2")]
    assert_clean(api)


@pytest.mark.parametrize("start", ["0", "99999999999"])
def test_odd_times_are_written(
    api: FakeApi, scripted: ScriptedRuntime, run: Run, tmp_path: Path, start: str
) -> None:
    """A node whose clock stands at its beginning or in the year 5138 still has its manifest."""
    scripted.state = GOOD.replace("1.5", start).replace("2.5", start)

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    assert read_manifest(tmp_path / "out").start[:4] in {"1970", "5138"}


@pytest.mark.parametrize("answer", ["", "x", "9" * 400, "1e308", "²", "1795415700.", "-5"])
def test_odd_clocks_are_not_measured(
    api: FakeApi,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    """A node that gives no time has none."""
    execute = api.kubelet.execute

    def odd(name: str, words: list[str]) -> Any:  # noqa: ANN401 - the fake's own frames
        if words[0] != "date":
            yield from execute(name, words)
            return
        yield 1, answer.encode()
        yield 3, b'{"status":"Success"}'

    monkeypatch.setattr(api.kubelet, "execute", odd)

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    clocks = {found.clock_ahead for found in nodes_of(tmp_path / "out").values()}
    assert clocks == {None} or answer == "1795415700."


def test_full_disk_is_told_before_it_is_full(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit on the disk with what other nodes have claimed is not begun."""
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil has it
    stats = len(
        "part calls\n3 packets captured\n5 packets received by filter\n1 packet dropped by kernel\n"
    )
    free = 7 + stats + 3
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(0, 0, free))

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, PartialCaptureError)
    found = nodes_of(tmp_path / "out")
    failed = [node for node in found.values() if node.status == "failed"]
    assert len(failed) == 1
    assert failed[0].reason == (
        f"{failed[0].name} has {free - 3} bytes, and 3 are left on the disk of "
        f"{tmp_path / 'out'}; give another directory with -o, or lower --max-size"
    )


def test_honest_overshoot_is_taken() -> None:
    """What tcpdump writes between two looks at its size is not held against a node."""
    assert plan(max_bytes=100 << 20).volume_bytes > (100 << 20) * 1.25 + (32 << 20)


def test_no_room_for_the_snapshot_leaves_a_manifest(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up while the directory is closed: one line, and the manifest is there."""

    def full(path: Path, content: bytes, mode: int) -> None:
        if path.name.startswith("snapshot"):
            raise OSError(28, "")
        write_whole(path, content, mode)

    monkeypatch.setattr(directory, "write_whole", full)

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    out = tmp_path / "out"
    assert str(result.exception) == (
        f"{out / 'snapshot.json'}: the disk is full; what was recorded is in {out / 'pcap'}"
    )
    assert [found.status for found in nodes_of(out).values()] == ["captured"] * 2
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "node", "pcap"]
    assert_clean(api)


def test_hashes_are_of_what_is_on_disk(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that loses what was written is noticed, although the right bytes arrived."""

    def losing(file: Any) -> str:  # noqa: ANN401 - as the real one
        file.flush()
        file.truncate(3)
        return stored_sha256(file)

    monkeypatch.setattr(pull, "stored_sha256", losing)

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, PartialCaptureError | ClusterError)
    assert "the SHA-256 of what arrived differs twice" in str(result.exception)
    assert list((tmp_path / "out" / "pcap").iterdir()) == []


def test_nodes_words_are_shown_not_obeyed(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """Escapes in what nodes and clusters say reach neither the terminal nor the manifest raw."""
    api.kubelet.recorded_status = {
        "phase": "Failed",
        "reason": "Evicted\x1b]0;owned\x07",
        "message": "\x1b[31mred\n::error::forged",
    }

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, ClusterError)
    for text in (str(result.exception), result.stderr):
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "\n::error::" not in text
    assert "Evicted\\x1b]0;owned\\x07: \\x1b[31mred ::error::forged" in str(result.exception)


# --- streams --------------------------------------------------------------------------------------


@pytest.fixture
def pod(api: FakeApi, scripted: ScriptedRuntime) -> tuple[str, str]:
    """A pod in which commands can run."""
    found = {"metadata": {"name": "p", "namespace": "default", "labels": {}}}
    api.add("pods", found)
    api.kubelet.containers["p"] = scripted.start(found)
    return "default", "p"


def answering(monkeypatch: pytest.MonkeyPatch, content: bytes, *, repeat: bool = False) -> None:
    """Make exec streams consist of raw bytes instead of frames; `repeat` for ever."""
    from tests.cluster import fake_api  # noqa: PLC0415 - its private handler

    def stream(self: Any, _pod: str, _command: list[str]) -> None:  # noqa: ANN401
        self.wfile.write(content)
        self.wfile.flush()
        while repeat:
            time.sleep(0.01)
            self.wfile.write(content)
            self.wfile.flush()

    monkeypatch.setattr(fake_api._Handler, "_stream", stream)


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


# --- kubelets that die ----------------------------------------------------------------------------


def dead_kubelet(api: FakeApi) -> None:
    """From now on neither logs nor exec reach node2, and the API server says why."""
    sick = next(n for n in api.listed("nodes") if n["metadata"]["name"] == "node2")
    condition = {"type": "Ready", "status": "Unknown", "message": "no word from it since 10:00"}
    api.update("nodes", "", "node2", status=sick["status"] | {"conditions": [condition]})
    (dead,) = pods_on(api, "node2")
    dial = 'Get "https://10.0.0.2:10250/": dial tcp 10.0.0.2:10250: connect: connection refused'
    api.faults.refusals += [("GET", f"{dead}/(log|exec)", 500, dial)]


def pods_on(api: FakeApi, node: str) -> list[str]:
    """A node's capture pods."""
    return [
        pod["metadata"]["name"]
        for pod in api.listed("pods")
        if pod["metadata"].get("annotations", {}).get("capture.otterize.com/node") == node
    ]


def when_pulled(api: FakeApi, node: str, then: Callable[[], object]) -> None:
    """Do something once a node's files are asked for: till then its own time is not short."""
    execute, seen = api.kubelet.execute, threading.Event()

    def told(name: str, words: list[str], *given: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
        if words[0] == "dd" and name in pods_on(api, node) and not seen.is_set():
            seen.set()
            then()
        return execute(name, words, *given)

    api.kubelet.execute = told  # type: ignore[method-assign]


@pytest.mark.parametrize("moment", ["recording", "pulling"])
def test_dead_kubelet_is_the_reason(
    api: FakeApi,
    scripted: ScriptedRuntime,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    """A kubelet that dies meanwhile fails its node with what the API server says of it."""
    monkeypatch.setattr(collect, "STATE_PATIENCE_S", 0.3)
    when_pulled(api, "node1", lambda: monkeypatch.setattr(follow, "LATE_S", 0.5))
    scripted.done.clear()
    killed = threading.Event()

    def before(method: str, path: str) -> None:
        ready = moment == "recording" or (path.endswith("/exec") and scripted.done.is_set())
        if method == "GET" and len(capture_pods(api)) == 2 and ready and not killed.is_set():
            killed.set()
            dead_kubelet(api)
            scripted.done.set()

    api.faults.before = before
    if moment == "pulling":
        scripted.done.set()

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, PartialCaptureError), result.output
    found = nodes_of(tmp_path / "out")
    assert found["node1"].status == "captured"
    assert found["node2"].reason is not None
    assert "10.0.0.2:10250: connect: connection refused" in found["node2"].reason
    assert "its node is not Ready: no word from it since 10:00" in found["node2"].reason
    assert_clean(api)


def test_hanging_node_holds_up_itself_alone(
    api: FakeApi,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A node whose requests hang fails by itself; the other is pulled while it still hangs."""
    hung, over = threading.Event(), threading.Event()
    answered: list[str] = []
    at_pull: list[tuple[bool, int]] = []

    def before(method: str, path: str) -> None:
        if method == "GET" and any(f"/{pod}/" in path for pod in pods_on(api, "node2")):
            hung.set()
            over.wait(60)
            answered.append(path)
        elif path.endswith("/log"):
            hung.wait(60)

    def pulling() -> None:
        at_pull.append((hung.is_set(), len(answered)))
        monkeypatch.setattr(follow, "LATE_S", 0.5)

    api.faults.before = before
    when_pulled(api, "node1", pulling)
    words = ("capture", "--duration", "1s", "--request-timeout", "10m")

    result = run(api, *words, "-o", str(tmp_path / "out"))

    assert at_pull == [(True, 0)]
    assert answered == []
    over.set()
    assert isinstance(result.exception, PartialCaptureError)
    assert nodes_of(tmp_path / "out")["node1"].status == "captured"
    assert "its kubelet does not answer" in (nodes_of(tmp_path / "out")["node2"].reason or "")
    assert_clean(api)


def test_recording_that_never_ends_says_what_it_said(
    api: FakeApi,
    scripted: ScriptedRuntime,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A recording that goes on after its time fails with the last that it said."""
    monkeypatch.setattr(follow, "LATE_S", 0.4)
    scripted.done.clear()
    scripted.lines = "capture: recording 9s bytes=1 packets=1 dropped=0\ncapture: odd\n"

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, ClusterError)
    assert "still not ready 0 s after its time; the last that it said: capture: odd" in str(
        result.exception
    )

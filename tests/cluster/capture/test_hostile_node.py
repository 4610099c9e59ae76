"""Nodes that lie, babble or break: they fail with a reason, and cost the other nodes nothing."""

import hashlib
import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.cluster.api import exec_stream
from otterize_pcap.cluster.api.exec_stream import ExecResult
from otterize_pcap.cluster.capture import collect, directory, pull
from otterize_pcap.cluster.capture.node_state import parse_counters, parse_progress, parse_state
from otterize_pcap.cluster.capture.pull import stored_sha256
from otterize_pcap.cluster.snapshot.address_history import stamp_of
from otterize_pcap.errors import ClusterError, PartialCaptureError
from otterize_pcap.files.writing import write_whole
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, assert_clean, nodes_of, read_manifest
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

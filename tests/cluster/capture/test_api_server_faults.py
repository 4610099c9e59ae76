"""API servers that go away, refuse or lack things, and what `otterize capture` makes of them."""

import random
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from otterize_pcap.errors import ClusterError, UsageError
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import (
    Run,
    StartApi,
    assert_clean,
    capture_pods,
    kubeconfig,
    nodes_of,
    soon,
    tiny_app,
)
from tests.cluster.fake_kubelet import ScriptedRuntime


def test_api_restarts_mid_capture(
    start_api: StartApi, scripted: ScriptedRuntime, run: Run, tmp_path: Path
) -> None:
    """An API server that is away for a while, and forgets its history, costs nothing."""
    scripted.done.clear()
    api = start_api(scripted)

    def restart() -> None:
        api.compact()
        api.restart(0.6)
        api.add(
            "pods",
            {
                "metadata": {"name": "late", "namespace": "shop"},
                "spec": {},
                "status": {"phase": "Running", "podIP": "10.244.1.9"},
            },
        )
        scripted.done.set()

    soon(restart, when=lambda: len(capture_pods(api)) == 2)

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    assert "10.244.1.9" in (tmp_path / "out" / "snapshot.json").read_text()
    assert_clean(api)


def test_lost_answer_to_create_leaves_nothing(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """Jobs whose creation seemed to fail are deleted all the same, because labels find them."""
    original = api.create_job

    def create_and_lose(job: dict[str, object]) -> dict[str, object]:
        original(job)
        raise ConnectionResetError

    api.create_job = create_and_lose  # type: ignore[method-assign]  # the fault

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    assert_clean(api)


@pytest.mark.parametrize("cleanly", [False, True], ids=["reset", "closed-without-status"])
def test_exec_cut_at_random_offsets(
    api: FakeApi, run: Run, tmp_path: Path, scripted: ScriptedRuntime, cleanly: bool
) -> None:
    """Exec streams cut at random bytes, many times, are resumed; the files are byte-identical."""
    shuffle = random.Random(5)
    content = shuffle.randbytes(700_000)
    scripted.files = {"calls.pcap": content}
    api.faults.exec_cuts = [shuffle.randrange(90_000) for _ in range(24)]
    api.faults.cut_cleanly = cleanly

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    for name in ("node1", "node2"):
        assert (tmp_path / "out" / "pcap" / f"{name}.pcap").read_bytes() == content
    assert list((tmp_path / "out").rglob("*.part")) == []


def test_wrong_content_is_never_accepted(
    api: FakeApi, run: Run, tmp_path: Path, scripted: ScriptedRuntime
) -> None:
    """A file whose SHA-256 stays wrong fails its node, and its name never appears."""
    digest = "0" * 64
    scripted.state = f"started 1.0\nended 2.0\nstopped duration\nfile calls.pcap 7 {digest}\n"

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, ClusterError)
    assert "the SHA-256 of what arrived differs twice" in str(result.exception)
    assert list((tmp_path / "out" / "pcap").iterdir()) == []


@pytest.mark.parametrize(
    "state",
    [
        "",
        "started x\n",
        "file ../../etc/passwd 1 2\n",
        "node-file /etc/passwd 3 4\n",
        "a b c d e\n",
    ],
    ids=["empty", "no-number", "path", "absolute", "nonsense"],
)
def test_hostile_state_is_refused(
    api: FakeApi, run: Run, tmp_path: Path, scripted: ScriptedRuntime, state: str
) -> None:
    """A pod that describes something else than a recording fails its node."""
    scripted.state = state

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, ClusterError)
    assert "its state file is broken" in str(result.exception)
    assert_clean(api)


def test_log_refused_still_finishes(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """Without the permission to read logs the capture works; only progress is not shown."""
    api.denied.add(("get", "pods/log"))
    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    assert "progress is not shown" in result.stderr


def test_clock_skew_is_told(
    api: FakeApi, run: Run, tmp_path: Path, scripted: ScriptedRuntime
) -> None:
    """A node whose clock is off is captured, and the manifest says by how much."""
    scripted.clock_ahead = -3600.0

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    found = nodes_of(tmp_path / "out")["node1"]
    reason = found.reason or ""
    assert found.clock_ahead is not None
    assert abs(found.clock_ahead + 3600) < 2
    assert "the node's clock is -3600." in reason or "the node's clock is -3599." in reason


# --- refusals before anything is created ---------------------------------------------------------


def test_pod_security_denial(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """A namespace that forbids the pod is found before a Job is made, with the command to run."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.add("namespaces", {"metadata": {"name": "strict", "labels": labels}})

    result = run(api, "capture", "--job-namespace", "strict", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, ClusterError)
    assert "enforces Pod Security level restricted" in str(result.exception)
    assert "kubectl label namespace" in str(result.exception)
    assert ("create", "jobs") not in {(call.verb, call.resource) for call in api.calls}


def test_pod_security_denial_without_dry_run(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """Where neither labels nor dry runs may be used, the Job's events say why nothing runs."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.add("namespaces", {"metadata": {"name": "strict", "labels": labels}})
    api.denied |= {("get", "namespaces"), ("create", "pods")}

    result = run(
        api, "capture", "--job-namespace", "strict", "--pending-timeout", "5s",
        "-o", str(tmp_path / "out"),
    )  # fmt: skip

    assert isinstance(result.exception, ClusterError)
    assert 'violates PodSecurity "restricted:latest"' in str(result.exception)
    assert_clean(api)


def test_missing_permissions_are_all_named(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """Every missing permission is named with the rule that grants it, before anything is made."""
    api.denied |= {("create", "jobs"), ("watch", "pods"), ("get", "pods/exec")}

    result = run(api, "capture", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, ClusterError)
    message = str(result.exception)
    assert message.startswith("3 permissions are missing")
    assert 'apiGroups: ["batch"], resources: ["jobs"], verbs: ["create"]' in message
    assert 'a ClusterRole with {apiGroups: [""], resources: ["pods"], verbs: ["watch"]' in message
    assert 'resources: ["pods/exec"], verbs: ["get"]' in message
    assert not (tmp_path / "out").exists()
    assert api.calls == []


def test_unreadable_owners_are_no_obstacle(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """S3: without the permission to list ReplicaSets the capture goes on and says what it costs."""
    api.denied |= {("list", "replicasets"), ("watch", "replicasets")}

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    assert "workloads owned by replicasets show under the owner's name" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(
            ("--filter", "tcp por 80"),
            "--filter: can't parse filter expression",
            marks=pytest.mark.skipif(shutil.which("tcpdump") is None, reason="needs tcpdump"),
        ),
        (("--filter", "-z sh"), "begins with a dash"),
        (("--filter", "tcp\nport 80"), "must be printable"),
        (("--profile", "everything"), "none of calls, headers, full"),
        (("--duration", "5 minutes"), "no duration"),
        (("--max-size", "10"), "smaller than 1Mi"),
        (("--interface", "eth0; reboot"), "no interface name"),
        (("--node", "node9"), "no such node: node9"),
        (("-n", "shop", "-A"), "contradict"),
    ],
    ids=lambda value: value[0].lstrip("-") if isinstance(value, tuple) else "",
)
def test_usage_errors(
    api: FakeApi, run: Run, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    """Nonsense is refused before anything is created, in words that say what is meant."""
    result = run(api, "capture", *words, "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)
    assert ("create", "jobs") not in {(call.verb, call.resource) for call in api.calls}


def test_directory_in_use_is_refused(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """A directory that holds something is never written over."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes").touch()

    result = run(api, "capture", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, ClusterError)
    assert "is not empty" in str(result.exception)


def test_unreachable_cluster(api: FakeApi, tmp_path: Path) -> None:
    """A cluster that does not answer is one line of error."""
    path = kubeconfig(api, tmp_path)
    path.write_text(path.read_text().replace(str(api.port), "1"))

    result = CliRunner().invoke(tiny_app(), ["capture", "--kubeconfig", str(path)])

    assert isinstance(result.exception, ClusterError)
    assert "cannot be reached" in str(result.exception)
    assert "\n" not in str(result.exception)

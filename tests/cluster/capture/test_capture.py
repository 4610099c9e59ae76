"""`otterize capture` against the fake cluster, when nothing goes wrong."""

import json
import re
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from otterize_pcap.cluster.capture.follow import NodeJob, Phase
from otterize_pcap.cluster.capture.progress_table import ProgressTable
from otterize_pcap.errors import ClusterError, UsageError
from tests.awaiting import PATIENCE_S
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import (
    Run,
    assert_clean,
    kubeconfig,
    node,
    pod,
    read_manifest,
    tiny_app,
)
from tests.cluster.fake_kubelet import ScriptedRuntime
from tests.cluster.fake_store import Json


def test_capture_writes_a_directory_and_leaves_nothing(
    api: FakeApi, run: Run, tmp_path: Path
) -> None:
    """Every node's files arrive, the manifest counts them, and no Job or pod is left."""
    directory = tmp_path / "out"

    result = run(api, "capture", "--duration", "1s", "-o", str(directory))

    assert result.exit_code == 0, result.output
    assert result.stdout == "calls of out\n"
    manifest = read_manifest(directory)
    assert [(node.name, node.status) for node in manifest.nodes] == [
        ("node1", "captured"),
        ("node2", "captured"),
    ]
    assert (directory / "pcap" / "node1.pcap").read_bytes() == b"packets"
    assert manifest.nodes[0].packets.dropped == 1
    snapshot = json.loads((directory / "snapshot.json").read_text())
    assert [entry["ip"] for entry in snapshot["otterize"]["observed"]] == ["10.244.1.5"]
    # S26: the capture's own Jobs and pods, which the watch saw come, are no part of it.
    names = {item["metadata"]["name"] for item in snapshot["items"]}
    assert not {name for name in names if name.startswith("otterize-capture")}
    assert api.listed("jobs") == []
    assert [pod["metadata"]["name"] for pod in api.listed("pods")] == ["checkout"]


@pytest.mark.parametrize(
    ("words", "captured"),
    [
        ((), ["node1", "node2"]),
        (("-n", "shop"), ["node1"]),
        (("--pod-selector", "app=pay"), ["node2"]),
        (("--node", "node2"), ["node2"]),
        (("--node-selector", "pool=1"), ["node1"]),
        (("-n", "shop,bank", "--node", "node2"), ["node2"]),
    ],
    ids=["all", "namespace", "pods", "node", "node-labels", "both"],
)
def test_which_nodes_are_captured(
    api: FakeApi, run: Run, tmp_path: Path, words: tuple[str, ...], captured: list[str]
) -> None:
    """Namespaces, pods and labels choose nodes; they never narrow the packet filter."""
    pay = pod("pay", "10.244.2.7", on="node2")
    pay["metadata"]["namespace"] = "bank"
    api.add("pods", pay)
    filters: list[str] = []
    create = api.create_job

    def keep_filter(job: Json) -> Json:
        container = job["spec"]["template"]["spec"]["containers"][0]
        filters.extend(v["value"] for v in container["env"] if v["name"] == "CAPTURE_FILTER")
        return create(job)

    api.create_job = keep_filter  # type: ignore[method-assign]  # to look at what arrives

    result = run(api, "capture", *words, "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    assert [node.name for node in read_manifest(tmp_path / "out").nodes] == captured
    assert filters == [""] * len(captured)


def test_several_architectures_are_noted(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """An image must fit all nodes: where their architectures differ, a note says so."""
    other = node("node3")
    other["status"]["nodeInfo"]["architecture"] = "arm64"
    api.add("nodes", other)

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert "note: nodes are amd64 and arm64; the image must be built for each" in result.stderr


def test_keep_leaves_the_jobs_and_says_how_to_remove_them(
    api: FakeApi, run: Run, tmp_path: Path
) -> None:
    """--keep leaves the Jobs; the printed command removes them, and only them."""
    kept = run(api, "capture", "--duration", "1s", "--keep", "-o", str(tmp_path / "out"))
    other = run(api, "capture", "--duration", "1s", "--keep", "-o", str(tmp_path / "other"))

    assert (kept.exit_code, other.exit_code) == (0, 0)
    assert len(api.listed("jobs")) == 4
    command = re.search(r"otterize (capture cleanup --job-namespace default --id \w+)", kept.stderr)
    assert command is not None
    cleaned = run(api, *command[1].split(), "--yes")
    assert "Deleted 2 capture Jobs" in cleaned.stderr
    assert len(api.listed("jobs")) == 2
    run(api, "capture", "cleanup", "-A", "--yes")
    assert_clean(api)


def test_cleanup_asks_before_it_deletes(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """Without --yes and without a terminal nothing is deleted; the Jobs are listed."""
    run(api, "capture", "--duration", "1s", "--keep", "-o", str(tmp_path / "out"))

    result = run(api, "capture", "cleanup")

    assert isinstance(result.exception, UsageError)
    assert "node node1  " in result.stderr
    assert len(api.listed("jobs")) == 2


def test_cleanup_of_nothing_says_so(api: FakeApi, run: Run) -> None:
    """Nothing to clean up is no error."""
    result = run(api, "capture", "cleanup")

    assert (result.exit_code, result.stderr) == (0, "No capture Jobs in default.\n")


def test_default_directory_sorts_by_time(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without -o a capture goes under ./otterize-captures, named by its UTC time."""
    monkeypatch.chdir(tmp_path)

    run(api, "capture", "--duration", "1s")

    (found,) = (tmp_path / "otterize-captures").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ", found.name)
    assert (found / "manifest.json").exists()


def test_manifest_tells_how_it_was_made(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """The manifest names cluster, version, profile, filter and what was asked for."""
    run(
        api, "capture", "--duration", "1s", "--filter", "tcp", "-n", "shop",
        "--pod-selector", "app=checkout", "-o", str(tmp_path / "out"),
    )  # fmt: skip

    manifest = read_manifest(tmp_path / "out")
    assert (manifest.cluster, manifest.server_version) == ("lab", "v1.32.13")
    assert (manifest.profile, manifest.filter, manifest.snaplen) == ("calls", "tcp", 256)
    assert (manifest.namespaces, manifest.pod_selector) == (("shop",), "app=checkout")
    assert manifest.nodes[0].start == "2026-11-23T06:35:00.500Z"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here to make certificates")
@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "untrusted"])
def test_tls_is_verified(
    api: FakeApi, scripted: ScriptedRuntime, tmp_path: Path, trusted: bool
) -> None:
    """Requests, watches and exec go over TLS; a certificate that is not trusted is refused."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", key, "-out", certificate, "-days", "1"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    api.stop()
    api.tls = context
    api.start()
    scripted.files = {"calls.pcap": bytes(range(256)) * 2000}
    config = kubeconfig(api, tmp_path)
    if trusted:
        document = json.loads(config.read_text())
        document["clusters"][0]["cluster"]["certificate-authority"] = str(certificate)
        config.write_text(json.dumps(document))
    words = ["capture", "--duration", "1s", "--kubeconfig", str(config)]

    result = CliRunner().invoke(tiny_app(), [*words, "-o", str(tmp_path / "out")])

    if trusted:
        assert result.exit_code == 0, result.output
        assert (tmp_path / "out" / "pcap" / "node1.pcap").stat().st_size == 512_000
    else:
        assert isinstance(result.exception, ClusterError)
        assert "its certificate is not trusted" in str(result.exception)


def jobs_on_board() -> list[NodeJob]:
    """Nodes in all states."""
    return [
        NodeJob("node1", "j1", Phase.RECORDING, "", bytes=2048, packets=12, dropped=3),
        NodeJob("node2", "j2", Phase.PENDING, "Unschedulable: 0/2 nodes are available"),
        NodeJob("node3", "j3", Phase.PULLING, "", bytes=1000, pulled=500),
        NodeJob("node4", "j4", Phase.FAILED, "Evicted: out of disk"),
    ]


def test_plain_lines_say_each_change_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Where stderr is no terminal each change is one line, and stdout stays empty."""
    with ProgressTable(live=False, color=False) as progress:
        progress.show(jobs_on_board())
        progress.show(jobs_on_board())

    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "node1: capturing  2.0 KiB, 12 packets, 3 dropped\n"
        "node2: pending  Unschedulable: 0/2 nodes are available\n"
        "node3: pulling  1000 B, 0 packets, 0 dropped\n"
        "node4: failed  Evicted: out of disk\n"
    )


def test_live_table_shows_all_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal a table shows bytes, packets, drops, the pull's share and what is wrong."""
    with ProgressTable(live=True, color=False) as progress:
        progress.show(jobs_on_board())
        progress.say("a notice [not markup]")

    out, err = capsys.readouterr()
    assert out == ""
    for word in ("2.0 KiB", "12", "50 %", "Unschedulable", "Evicted", "a notice [not markup]"):
        assert word in err


def test_nodes_are_pulled_and_cleaned_up_side_by_side(
    api: FakeApi, scripted: ScriptedRuntime, run: Run, tmp_path: Path
) -> None:
    """Streams of a node run at the same time, and a node's Job goes while another is pulled."""
    streams, most, deleted_while_pulling = 0, 0, []
    lock = threading.Lock()
    slow = threading.Event()
    execute = api.kubelet.execute

    def counted(
        name: str, words: list[str], *given: Iterator[bytes]
    ) -> Iterator[tuple[int, bytes]]:
        nonlocal streams, most
        with lock:
            streams += 1
            most = max(most, streams)
        # The second node's recording comes only when the first one's Job is being deleted.
        if words[0] == "dd" and "calls" in words[1] and name == max(api.kubelet.containers):
            deleted_while_pulling.append(slow.wait(PATIENCE_S))
        time.sleep(0.05)
        yield from execute(name, words, *given)
        with lock:
            streams -= 1

    def before(method: str, _path: str) -> None:
        if method == "DELETE":
            slow.set()

    api.kubelet.execute = counted  # type: ignore[method-assign]  # to count
    api.faults.before = before

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    assert most > 2
    assert deleted_while_pulling == [True]
    assert scripted.stopped == "duration"

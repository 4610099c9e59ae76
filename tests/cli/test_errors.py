"""What a user sees of bad input: one line that says where, what and what next, and an exit code."""

from pathlib import Path

import pytest

from tests.conftest import FIXTURES, Otterize, Result

CAPTURE = FIXTURES / "two-nodes"
PCAP = CAPTURE / "pcap" / "node-a.pcap"
SNAPSHOT = CAPTURE / "snapshot.json"


def one_line(result: Result, code: int) -> str:
    """The only line of stderr of a run that failed with `code` and printed nothing else."""
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("otterize: ")
    return result.stderr.removeprefix("otterize: ").rstrip("\n")


def test_missing_capture(otterize: Otterize) -> None:
    """A path that does not exist is named."""
    line = one_line(otterize("intents", "list", "gone.pcap", "--snapshot", SNAPSHOT), 3)
    assert (
        line == "gone.pcap: there is no such file or directory; check the path and its permissions"
    )


def test_missing_file_without_snapshot(otterize: Otterize) -> None:
    """What is not there is named before what it would need."""
    line = one_line(otterize("intents", "list", "gone.pcap"), 3)
    assert (
        line == "gone.pcap: there is no such file or directory; check the path and its permissions"
    )


def test_missing_snapshot(otterize: Otterize) -> None:
    """A snapshot path that does not exist is named."""
    line = one_line(otterize("intents", "list", PCAP, "--snapshot", "gone.json"), 3)
    assert (
        line == "gone.json: there is no such file or directory; check the path and its permissions"
    )


@pytest.mark.parametrize(
    "command", [("intents", "list"), ("reduce", "-o", "out.parquet")], ids=["list", "reduce"]
)
def test_pcap_without_snapshot(command: tuple[str, ...], otterize: Otterize) -> None:
    """Packets alone name no workloads; the message says how to get a snapshot."""
    line = one_line(otterize(*command, PCAP), 2)
    assert line.startswith(f"{PCAP}: a pcap file needs --snapshot FILE (what `kubectl get ")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"plain text\n", "text, no capture (plain text); record packets", id="text"),
    ],
)
def test_file_that_is_no_capture(
    content: bytes, found: str, otterize: Otterize, tmp_path: Path
) -> None:
    """An empty file and a text file named .pcap are told from captures."""
    path = tmp_path / "node.pcap"
    path.write_bytes(content)
    line = one_line(otterize("intents", "list", path, "--snapshot", SNAPSHOT), 3)
    assert line.startswith(f"{path}: ")
    assert found in line


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param("a.json", b"", "empty; write it with `kubectl get", id="empty"),
        pytest.param("a.json", b'{"kind": ', "broken or unexpected JSON", id="broken json"),
        pytest.param("a.yaml", b"kind: [\n", "neither JSON nor YAML", id="broken yaml"),
        pytest.param("a.json", b'{"a": 1}', "no Kubernetes objects", id="other json"),
        pytest.param("a.yaml", b"just text\n", "no Kubernetes objects", id="text"),
        pytest.param(
            "a.json",
            b'{"kind": "ConfigMapList", "items": [{"metadata": {"name": "a"}}]}',
            "no Pods or Services (found ConfigMap)",
            id="wrong kind",
        ),
        pytest.param(
            "a.json",
            b'{"kind": "PodList", "items": [{"metadata": {"name": "a"}, "spec": 1}]}',
            "(found nothing; left out: Pod a: $.spec is 1; expected an object); take it with",
            id="broken object",
        ),
    ],
)
def test_snapshot_that_cannot_be_used(
    name: str, content: bytes, said: str, otterize: Otterize, tmp_path: Path
) -> None:
    """Each broken snapshot names its file, what is wrong, and what to do."""
    path = tmp_path / name
    path.write_bytes(content)
    line = one_line(otterize("intents", "list", PCAP, "--snapshot", path), 3)
    assert line.startswith(f"{path}: ")
    assert said in line


def test_directory_without_capture(otterize: Otterize, tmp_path: Path) -> None:
    """A directory that holds neither snapshot nor packets is no capture."""
    line = one_line(otterize("intents", "list", tmp_path), 3)
    assert line == (f"{tmp_path}: no capture files in this directory; is it a capture directory?")


def test_no_capture_given_and_none_there(otterize: Otterize) -> None:
    """Without an argument and without ./otterize-captures/ there is nothing to read."""
    line = one_line(otterize("intents", "list"), 2)
    assert line.startswith("no CAPTURE given and none under ./otterize-captures/;")


def test_newest_capture_is_the_default(otterize: Otterize, tmp_path: Path) -> None:
    """Without an argument the newest capture is read, and named on stderr."""
    captures = tmp_path / "otterize-captures"
    captures.mkdir()
    (captures / "2026-11-22T00-00-00Z").symlink_to(FIXTURES / "tutorial-before")
    (captures / "2026-11-23T00-00-00Z").symlink_to(FIXTURES / "tutorial-after")
    # Later ones that came to nothing: cut off at once, without any node, still being pulled.
    (captures / "2026-11-24T00-00-00Z" / "pcap").mkdir(parents=True)
    (captures / "2026-11-25T00-00-00Z" / "pcap").mkdir(parents=True)
    (captures / "2026-11-25T00-00-00Z" / "manifest.json").write_text("{}")
    (captures / "2026-11-26T00-00-00Z" / "pcap").mkdir(parents=True)
    (captures / "2026-11-26T00-00-00Z" / "pcap" / "node1.pcap.part").touch()
    (captures / "notes.txt").touch()
    result = otterize("intents", "list")
    assert "client calls:" in result.stdout
    assert result.stderr.startswith("reading otterize-captures/2026-11-23T00-00-00Z\n")


def test_contradicting_filters(otterize: Otterize) -> None:
    """S60: --server and --namespace together are a usage error."""
    line = one_line(otterize("intents", "list", CAPTURE, "--server", "kafka.shop", "-n", "shop"), 2)
    assert line == "--server cannot be used together with --namespace; drop one of them"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "empty; write it again with", id="empty"),
        pytest.param(b'[{"kind": ', "broken JSON", id="broken json"),
        pytest.param(
            b"apiVersion: [1]\nkind: ClientIntents\n", "apiVersion [1] is unknown", id="a list"
        ),
        pytest.param(b"a: [\n", "neither JSON nor YAML", id="broken yaml"),
        pytest.param(b"kind: Pod\n", "no ClientIntents (found Pod)", id="other kind"),
        pytest.param(
            b"apiVersion: k8s.k8s.otterize.com/v1\nkind: ClientIntents\n"
            b"spec: {service: {name: a}, calls: [{}]}\n",
            "document 1: spec.calls[0]: no name",
            id="nameless call",
        ),
        pytest.param(
            b"apiVersion: k8s.otterize.com/v9\nkind: ClientIntents\n",
            "document 1: apiVersion 'k8s.otterize.com/v9' is unknown",
            id="newer version",
        ),
    ],
)
def test_export_that_cannot_be_compared(
    content: bytes, said: str, otterize: Otterize, tmp_path: Path
) -> None:
    """`diff` names the file and document that it cannot read."""
    path = tmp_path / "intents.yaml"
    path.write_bytes(content)
    line = one_line(otterize("diff", path, CAPTURE), 3)
    assert line.startswith(f"{path}: ")
    assert said in line


def test_no_calls_say_why(otterize: Otterize) -> None:
    """S63: without calls stdout is empty, stderr says why, and that is no failure."""
    result = otterize("intents", "list", CAPTURE, "-n", "nowhere", "-q")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == (
        "No connections found. (all calls were filtered out by the options given)\n"
    )
    assert otterize("intents", "export", CAPTURE, "-n", "x", "--format", "json").stdout == "[]\n"


def test_unknown_option_is_a_usage_error(otterize: Otterize) -> None:
    """A wrong option ends with code 2."""
    assert otterize("intents", "list", "--no-such-option").returncode == 2

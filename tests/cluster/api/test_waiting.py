"""An API server that does not answer, or refuses who asks: what is said, and how soon."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from otterize_pcap.cluster.api import kubeconfig as kubeconfig_module
from otterize_pcap.cluster.api import waiting
from otterize_pcap.cluster.api.waiting import SilenceError, Waiting, side_by_side
from otterize_pcap.errors import ClusterError, UsageError
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, assert_clean, kubeconfig, tiny_app

LIMIT_S = 1.2


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is told after 0.1 s, and ends after 1.2 s instead of the seconds that were given."""
    monkeypatch.setattr(waiting, "SAY_AFTER_S", 0.1)

    def waiting_less(_seconds: float, say: Callable[[str], None]) -> Waiting:
        return Waiting(LIMIT_S, say)

    monkeypatch.setattr(kubeconfig_module, "Waiting", waiting_less)


def test_silence_is_told_within_five_seconds() -> None:
    """Nobody waits for longer than 5 s without being told for what."""
    assert waiting.SAY_AFTER_S < 5


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("GET", "version"),
        ("POST", "selfsubjectaccessreviews"),
        ("list", "nodes"),
        ("list", "pods"),
        ("get", "namespaces"),
        ("create", "pods"),
        ("list", "replicasets"),
    ],
    ids=lambda word: word,
)
def test_silence_before_a_capture_ends_it(
    api: FakeApi, run: Run, tmp_path: Path, verb: str, resource: str
) -> None:
    """Whatever request is not answered: it is named, the wait ends in time, nothing is left."""
    api.faults.failing[verb, resource] = "hang"
    began = time.monotonic()

    result = run(api, "capture", "-n", "shop", "-o", str(tmp_path / "out"))

    took = time.monotonic() - began
    message = str(result.exception)
    assert isinstance(result.exception, ClusterError)
    assert f"API server {api.url} does not answer" in message
    assert "--request-timeout" in message
    assert took < 2 * LIMIT_S + 5
    waits = [line for line in result.stderr.splitlines() if line.startswith("waiting for")]
    # A busy machine may be slow to answer what it does answer, too.
    assert waits
    assert f"waiting for API server {api.url} to answer" in waits[-1]
    assert not (tmp_path / "out").exists()
    api.faults.failing.clear()


def test_request_timeout_is_what_is_waited(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """`--request-timeout 1s` ends a capture, a snapshot and a clean-up after one second."""
    api.faults.failing["GET", "version"] = "hang"
    api.faults.failing["POST", "selfsubjectaccessreviews"] = "hang"

    for words in (
        ("capture", "-o", str(tmp_path / "out")),
        ("snapshot", "-o", str(tmp_path / "s")),
        ("capture", "cleanup"),
    ):
        began = time.monotonic()
        result = run(api, *words, "--request-timeout", "1s")
        assert isinstance(result.exception, ClusterError)
        assert 1.0 <= time.monotonic() - began < 5


@pytest.mark.usefixtures("hurried")
def test_name_that_nobody_resolves(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look-up of the server's name that hangs is no longer wait than any other."""
    path = kubeconfig(api, tmp_path)
    path.write_text(path.read_text().replace("127.0.0.1", "no.such.cluster.invalid"))
    hanging = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: hanging.wait(20))
    began = time.monotonic()

    result = CliRunner().invoke(tiny_app(), ["capture", "--kubeconfig", str(path)])

    hanging.set()
    assert time.monotonic() - began < LIMIT_S + 5
    assert "http://no.such.cluster.invalid" in str(result.exception)
    assert "does not answer" in str(result.exception)


@pytest.fixture
def trickling() -> Iterator[int]:
    """A port where an endless answer comes byte by byte, each sooner than any timeout."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not ended.wait(0.05):
                connection.sendall(b" ")

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    ended.set()
    listener.close()


@pytest.mark.usefixtures("hurried")
def test_trickling_answer_is_none(api: FakeApi, tmp_path: Path, trickling: int) -> None:
    """A body that comes a byte at a time is given up at the same time as silence."""
    path = kubeconfig(api, tmp_path)
    path.write_text(path.read_text().replace(str(api.port), str(trickling)))
    began = time.monotonic()

    result = CliRunner().invoke(tiny_app(), ["capture", "--kubeconfig", str(path)])

    assert "does not answer" in str(result.exception)
    assert time.monotonic() - began < LIMIT_S + 5


def test_away_during_cleanup_is_told(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is away while Jobs are deleted is waited for, aloud, and then it is done."""
    monkeypatch.setattr("otterize_pcap.cluster.api.client.SAY_AFTER_S", 0.1)
    fault = {("list", "jobs"): 503}

    def fail_from_here(method: str, path: str) -> None:
        if method == "GET" and path.endswith("namespaces/default/jobs"):
            api.faults.before = lambda _method, _path: None
            api.faults.failing.update(fault)
            threading.Timer(1.0, api.faults.failing.clear).start()

    api.faults.before = fail_from_here

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    assert "waiting for the API server: GET /apis/batch/v1/namespaces/default/jobs" in result.stderr
    assert_clean(api)


# --- who asks -------------------------------------------------------------------------------------


def test_refused_token_is_told_as_such(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """A token that is not accepted: log in again, and the command that says who one is."""
    api.faults.refusals.append(("GET", "/version", 401, "Unauthorized"))

    result = run(api, "capture", "-o", str(tmp_path / "out"))

    config = tmp_path / "kubeconfig"
    assert isinstance(result.exception, ClusterError)
    assert str(result.exception) == (
        f"log in again: the credentials are refused by API server {api.url} (lab): "
        f"kubectl --kubeconfig {config} auth whoami (GET /version: Unauthorized)"
    )


def written(directory: Path, **changes: object) -> Path:
    """A kubeconfig with changes."""
    document: dict[str, object] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        "clusters": [{"name": "lab", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "lab", "user": {"token": "t"}}],
    }
    path = directory / "config"
    path.write_text(json.dumps(document | changes))
    return path


def plugin(command: str) -> list[dict[str, object]]:
    """A user whose credentials come from a command."""
    version = "client.authentication.k8s.io/v1"
    return [{"name": "lab", "user": {"exec": {"apiVersion": version, "command": command}}}]


def authority(file: str) -> list[dict[str, object]]:
    """A cluster whose certificate is in a file."""
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority": file}
    return [{"name": "lab", "cluster": cluster}]


@pytest.mark.parametrize(
    ("changes", "words", "said"),
    [
        ({}, ("--context", "lad"), "{file} has no context lad (it has: lab)"),
        ({"current-context": ""}, (), "{file} has no current context (it has: lab)"),
        ({"contexts": []}, (), "{file} has no current context"),
        (
            {"clusters": authority("/no/such/ca.pem")},
            (),
            "{file}: context lab names a cluster, user or file that is not there",
        ),
        (
            {"users": [{"name": "lab", "user": {"tokenFile": "/no/such/token"}}]},
            (),
            "/no/such/token: there is no such file or directory",
        ),
        (
            {"users": plugin("/no/plugin")},
            (),
            "the credential plugin of user lab gave no credentials; see what it says: /no/plugin",
        ),
        (
            {"users": plugin("/bin/false")},
            (),
            "the credential plugin of user lab gave no credentials; see what it says: /bin/false",
        ),
    ],
    ids=[
        *("context", "no-current", "no-contexts", "certificate", "token-file"),
        *("no-plugin", "plugin-fails"),
    ],
)
def test_kubeconfig_troubles_are_named(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    changes: dict[str, object],
    words: tuple[str, ...],
    said: str,
) -> None:
    """What is wrong in a kubeconfig is one line that names it; the client's own words are not."""
    file = written(tmp_path, **changes)

    result = CliRunner().invoke(tiny_app(), ["capture", "--kubeconfig", str(file), *words])

    assert isinstance(result.exception, ClusterError)
    assert str(result.exception).startswith(f"kubeconfig: {said.format(file=file)}")
    assert capfd.readouterr() == ("", "")


def test_missing_kubeconfig_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not there is named, given by option or by KUBECONFIG's list."""
    absent = tmp_path / "absent"

    given = CliRunner().invoke(tiny_app(), ["capture", "--kubeconfig", str(absent)])

    said = "there is no such file; check --kubeconfig and --context"
    assert str(given.exception) == f"kubeconfig: {absent}: {said}"
    monkeypatch.setenv("KUBECONFIG", str(absent))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(absent))
    named = CliRunner().invoke(tiny_app(), ["capture"])
    assert str(named.exception) == f"kubeconfig: KUBECONFIG={absent}: {said}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-n", "shpo"), "-n shpo: there is no such namespace; did you mean shop?"),
        (("-n", "shop,xyz"), "-n xyz: there is no such namespace; pods run in shop"),
        (("-n", "../secrets"), "-n ../secrets: there is no such namespace; pods run in shop"),
    ],
    ids=["mistyped", "one-of-two", "path"],
)
def test_mistyped_namespace_is_named(
    api: FakeApi, run: Run, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    """A namespace that is not there is named, with the one that was meant."""
    result = run(api, "capture", *words, "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == said
    assert not (tmp_path / "out").exists()


def test_namespace_without_pods_is_no_mistake(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """An empty namespace beside one with pods is captured along; alone it has no node."""
    api.add("namespaces", {"metadata": {"name": "empty"}})
    words = ["--duration", "1s", "-o", str(tmp_path / "out")]

    both = run(api, "capture", "-n", "shop,empty", *words)
    alone: Result = run(api, "capture", "-n", "empty", "-o", str(tmp_path / "other"))

    assert both.exit_code == 0, both.output
    assert str(alone.exception) == (
        "no node fits -n empty: no such pod runs on one; see kubectl get pods"
    )


# --- how it is waited -----------------------------------------------------------------------------


def test_first_failure_of_several_calls_ends_the_wait() -> None:
    """Calls that still hang are left alone once one has failed."""
    hanging = threading.Event()
    awaited: list[bool] = []

    def fail() -> None:
        message = "no"
        raise ValueError(message)

    with pytest.raises(ValueError, match="no"):
        side_by_side([fail, *[lambda: awaited.append(hanging.wait(60))] * 5], 3)

    assert awaited == []
    hanging.set()


def test_silence_is_told_once_and_again_after_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many requests without answer one is told; after an answer the next silence is told too."""
    monkeypatch.setattr(waiting, "SAY_AFTER_S", 0.01)
    told: list[str] = []
    patient = Waiting(0.05, told.append)
    hanging = threading.Event()

    for _ in range(3):
        with pytest.raises(SilenceError):
            patient.answer(lambda: hanging.wait(5), "it")
    patient.answered()
    with pytest.raises(SilenceError):
        patient.answer(lambda: hanging.wait(5), "it")

    assert told == ["waiting for it: no answer for 0 s; giving up in 0 s"] * 2
    hanging.set()

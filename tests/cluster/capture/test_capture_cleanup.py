"""Clean-ups that fail: never exit 0, and always the kubectl command that finishes them."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from otterize_pcap.cluster.capture import cleanup
from otterize_pcap.errors import InputError, PartialCaptureError
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, assert_clean, nodes_of

DELETE = re.compile(r"delete them with: (kubectl .*)\Z")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "RETRY_S", 0.3)
    monkeypatch.setattr(cleanup, "GONE_S", 0.3)


def follow_advice(api: FakeApi, command: str) -> None:
    """Do what a kubectl command says to Jobs by selector, or to pods by name."""
    words = shlex.split(command)
    namespace = words[words.index("-n") + 1] if "-n" in words else ""
    if "jobs" in words:
        labels = dict(part.split("=") for part in words[words.index("-l") + 1].split(","))
        for job in api.listed("jobs", namespace):
            if labels.items() <= job["metadata"]["labels"].items():
                api.delete_job(job["metadata"]["namespace"], job["metadata"]["name"])
    else:
        for pod in api.listed("pods", namespace):
            if pod["metadata"]["name"] in words:
                api.kubelet.delete(pod)


@pytest.mark.parametrize(
    ("verb", "resource"),
    [("delete", "jobs"), ("list", "jobs"), ("list", "pods")],
    ids=lambda word: word,
)
@pytest.mark.parametrize("status", [401, 403, 409, 500, "close"])
def test_failed_cleanup_is_exit_5_with_the_command(
    api: FakeApi, run: Run, tmp_path: Path, verb: str, resource: str, status: int | str
) -> None:
    """Whatever request of the clean-up fails, the capture is there and the command is exact."""

    def fail_from_here(method: str, path: str) -> None:
        jobs = path.endswith("namespaces/default/jobs") and method == "GET"
        if jobs or method == "DELETE":
            api.faults.failing[verb, resource] = status

    api.faults.before = fail_from_here

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, PartialCaptureError)
    assert result.exception.exit_code == 5
    message = str(result.exception)
    assert "\n" not in message
    assert f"warning: {message}" in result.stderr
    assert [found.status for found in nodes_of(tmp_path / "out").values()] == ["captured"] * 2
    assert result.stdout == "calls of out\n"
    command = DELETE.search(message)
    assert command is not None, message
    assert command[1].startswith(f"kubectl --kubeconfig {tmp_path / 'kubeconfig'} delete jobs -n ")
    api.faults.before = lambda _method, _path: None
    api.faults.failing.clear()
    follow_advice(api, command[1])
    assert_clean(api)


def test_pods_that_stay_are_named_with_the_command(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pods of a node that is gone stay: exit 5, their names, and how to be rid of them."""
    remove = api.kubelet.delete
    monkeypatch.setattr(api.kubelet, "delete", lambda _pod: None)

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, PartialCaptureError)
    message = str(result.exception)
    command = re.search(r"gone for good: (kubectl [^;]*)", message)
    assert command is not None
    monkeypatch.setattr(api.kubelet, "delete", remove)
    follow_advice(api, command[1])
    assert_clean(api)


def test_nothing_captured_and_not_cleaned_up(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """Where nothing was captured either, the exit code is still 5, and both are told."""
    api.kubelet.missing_images.add("localhost/nosuch:1")
    api.faults.failing["delete", "jobs"] = 403

    result = run(
        api, "capture", "--image", "localhost/nosuch:1", "--pending-timeout", "1s",
        "-o", str(tmp_path / "out"),
    )  # fmt: skip

    assert isinstance(result.exception, PartialCaptureError)
    assert "no node was captured: not started within 1 s: ImagePullBackOff" in result.stderr
    assert DELETE.search(str(result.exception)) is not None


def test_unreadable_recording_and_not_cleaned_up(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a recording that cannot be read take the place of what is left on the cluster."""

    def refuse(_message: str) -> None:
        message = "node-a.pcap: no packets in it"
        raise InputError(message)

    monkeypatch.setattr(typer, "echo", refuse)
    api.faults.failing["delete", "jobs"] = 403

    result = run(api, "capture", "--duration", "1s", "-o", str(tmp_path / "out"))

    assert isinstance(result.exception, PartialCaptureError)
    assert "warning: node-a.pcap: no packets in it" in result.stderr
    assert DELETE.search(str(result.exception)) is not None


def test_cleanup_deletes_what_it_can(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """One Job that cannot be deleted does not keep the others; exit 5 and the command."""
    run(api, "capture", "--duration", "1s", "--keep", "-o", str(tmp_path / "out"))
    first, second = (job["metadata"]["name"] for job in api.listed("jobs"))
    api.faults.refusals.append(("DELETE", first, 403, "not this one"))

    result = run(api, "capture", "cleanup", "--yes")

    assert isinstance(result.exception, PartialCaptureError)
    assert "not this one" in str(result.exception)
    assert [job["metadata"]["name"] for job in api.listed("jobs")] == [first]
    assert second != first
    api.faults.refusals.clear()
    follow_advice(api, str(result.exception).partition("delete it with: ")[2])
    assert_clean(api)


def test_context_is_part_of_the_command(api: FakeApi, run: Run, tmp_path: Path) -> None:
    """The command speaks to the same cluster: --context and odd paths are given on, quoted."""
    api.faults.failing["delete", "jobs"] = 403

    result = run(
        api, "capture", "--duration", "1s", "--context", "lab", "-o", str(tmp_path / "out")
    )

    assert f"kubectl --kubeconfig {tmp_path / 'kubeconfig'} --context lab delete jobs" in str(
        result.exception
    )

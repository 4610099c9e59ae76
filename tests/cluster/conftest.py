"""The fake cluster that the tests of otterize_pcap.cluster talk to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.api.kubeconfig import connect
from otterize_pcap.cluster.capture import follow
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, StartApi, kubeconfig, node, pod, tiny_app
from tests.cluster.fake_kubelet import Kubelet, Runtime, ScriptedRuntime


@pytest.fixture
def start_api() -> Iterator[StartApi]:
    """Start a fake API server with two nodes and a pod, whose pods run by the given runtime."""
    started: list[FakeApi] = []

    def start(runtime: Runtime) -> FakeApi:
        api = FakeApi(Kubelet(runtime))
        for name in ("node1", "node2"):
            api.add("nodes", node(name))
        api.add("namespaces", {"metadata": {"name": "shop"}})
        api.add("pods", pod("checkout", "10.244.1.5"))
        api.start()
        started.append(api)
        return api

    yield start
    for api in started:
        for left in api.listed("pods"):
            api.kubelet.delete(left)
        api.stop()


@pytest.fixture
def scripted(tmp_path: Path) -> ScriptedRuntime:
    """Containers whose recordings are done at once."""
    directory = tmp_path / "pods"
    directory.mkdir()
    runtime = ScriptedRuntime(directory)
    runtime.done.set()
    return runtime


@pytest.fixture
def api(start_api: StartApi, scripted: ScriptedRuntime) -> FakeApi:
    """A fake cluster whose recordings are done at once."""
    return start_api(scripted)


@pytest.fixture
def cluster(api: FakeApi, tmp_path: Path) -> Cluster:
    """A client of the fake cluster."""
    return connect(kubeconfig(api, tmp_path), None)


@pytest.fixture(autouse=True)
def _quick_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL_S", 0.05)
    monkeypatch.setattr(follow, "LOGLESS_S", 0.0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command line against a fake cluster."""

    def invoke(api: FakeApi, *words: str) -> Result:
        arguments = [*words, "--kubeconfig", str(kubeconfig(api, tmp_path))]
        return CliRunner().invoke(tiny_app(), arguments)

    return invoke

"""The fake cluster that the tests of otterize_pcap.cluster talk to."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from fake_api import FakeApi, Json
from fake_kubelet import Kubelet, Runtime, ScriptedRuntime
from typer.testing import CliRunner, Result

from otterize_pcap.cli import capture, snapshot_take
from otterize_pcap.cluster import follow
from otterize_pcap.cluster.api import Cluster, connect

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "k8s-recordings"

StartApi = Callable[[Runtime], FakeApi]
Run = Callable[..., Result]


def recording(name: str) -> Json:
    """The body of a recorded answer."""
    document: Json = json.loads((RECORDINGS / name).read_text())
    body: Json = document["response"]["body"]
    return body


def node(name: str, *, ready: bool = True, system: str = "linux") -> Json:
    """A node."""
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/os": system, "pool": name[-1]}},
        "spec": {"podCIDR": "10.244.1.0/24"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "172.31.250.11"}],
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
            "nodeInfo": {"operatingSystem": system, "architecture": "amd64"},
        },
    }


def pod(name: str, address: str, on: str = "node1", **fields: Json) -> Json:
    """A running pod."""
    return {
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": {"nodeName": on, "containers": [{"name": "app", "image": "shop:1"}]},
        "status": {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": "2026-11-23T05:00:00Z",
        },
    } | fields


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


def kubeconfig(api: FakeApi, directory: Path) -> Path:
    """A kubeconfig for a fake cluster."""
    path = directory / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
        "clusters": [{"name": "lab", "cluster": {"server": api.url}}],
        "users": [{"name": "lab", "user": {"token": "not-a-secret"}}],
    }
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def cluster(api: FakeApi, tmp_path: Path) -> Cluster:
    """A client of the fake cluster."""
    return connect(kubeconfig(api, tmp_path), None)


def tiny_app() -> typer.Typer:
    """A root command with what this package adds to it."""
    app = typer.Typer()
    capture.register(app, lambda directory: typer.echo(f"calls of {directory.name}"))
    group = typer.Typer()
    snapshot_take.attach(group)

    @group.command()
    def inspect(file: Path) -> None:
        """Stand in for the offline subcommand."""
        typer.echo(f"inspecting {file}")

    app.add_typer(group, name="snapshot")
    return app


@pytest.fixture(autouse=True)
def _quick_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL_S", 0.05)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command line against a fake cluster."""

    def invoke(api: FakeApi, *words: str) -> Result:
        arguments = [*words, "--kubeconfig", str(kubeconfig(api, tmp_path))]
        return CliRunner().invoke(tiny_app(), arguments)

    return invoke

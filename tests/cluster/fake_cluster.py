"""What the tests of this folder put into a fake cluster, and how they talk to it."""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import typer
from typer.testing import Result

from otterize_pcap.capture_dir import Manifest, NodeCapture
from otterize_pcap.cli import capture, snapshot_take
from tests.awaiting import PATIENCE_S, until
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_kubelet import Runtime
from tests.cluster.fake_store import Json

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
    # Two captures at once may read it: it appears whole.
    part = path.with_name(f"kubeconfig.{threading.get_ident()}")
    part.write_text(json.dumps(document))
    part.replace(path)
    return path


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


def read_manifest(directory: Path) -> Manifest:
    """A capture directory's manifest."""
    return msgspec.json.decode((directory / "manifest.json").read_bytes(), type=Manifest)


def nodes_of(directory: Path) -> dict[str, NodeCapture]:
    """The manifest's nodes by name."""
    return {found.name: found for found in read_manifest(directory).nodes}


def assert_clean(api: FakeApi) -> None:
    """No Job is left, nor a pod of one; pods end a moment after their Jobs."""

    def left() -> list[Json]:
        pods = [p for p in api.listed("pods") if "job-name" in p["metadata"].get("labels", {})]
        return [*api.listed("jobs"), *pods]

    until(lambda: not left(), left)


def soon(action: Callable[[], object], *, when: Callable[[], object]) -> threading.Thread:
    """Do something in the background as soon as a condition holds."""

    def wait() -> None:
        until(when)
        action()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def wait_while_running(process: subprocess.Popen[str], condition: Callable[[], object]) -> None:
    """Wait for a phase of a command, which must not end before."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(process.communicate()[0])
        time.sleep(0.02)


def capture_pods(api: FakeApi) -> list[str]:
    """Names of the capture pods that run."""
    return list(api.kubelet.containers)

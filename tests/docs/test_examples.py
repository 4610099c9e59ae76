"""The tutorial's manifests: every field exists, every call leads to a container that listens."""

import re
import subprocess

import pytest

from tests.conftest import FIXTURES, ROOT, Otterize
from tests.manifest_models import Manifest, fits_schema, manifests_in

TUTORIAL = ROOT / "examples" / "tutorial"
FILES = ("shop.yaml", "client-server.yaml")
URL = re.compile(r"http://([a-z]+)(?::([0-9]+))?/")


def manifests(name: str) -> list[Manifest]:
    """The objects of one example file."""
    return manifests_in(TUTORIAL / name)


def of_kind(objects: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Objects of a kind by name; an example has one namespace."""
    return {entry["metadata"]["name"]: entry for entry in objects if entry["kind"] == kind}


def pod_of(deployment: Manifest) -> Manifest:
    """The pod template of a Deployment."""
    template: Manifest = deployment["spec"]["template"]
    return template


@pytest.mark.parametrize("name", FILES)
def test_manifests_hold_only_fields_that_kubernetes_has(name: str) -> None:
    """The Kubernetes client's models keep every field, and find none of the required missing."""
    assert all(map(fits_schema, manifests(name)))


@pytest.mark.parametrize("name", FILES)
def test_pods_meet_the_restricted_level(name: str) -> None:
    """The namespaces enforce `restricted` (Pod Security Standards), so every pod must meet it."""
    objects = manifests(name)
    (namespace,) = of_kind(objects, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for deployment in of_kind(objects, "Deployment").values():
        assert deployment["metadata"]["namespace"] == namespace["metadata"]["name"]
        spec = pod_of(deployment)["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert set(spec) & {"hostNetwork", "hostPID", "hostIPC"} == set()
        assert all(set(volume) <= {"name", "emptyDir"} for volume in spec.get("volumes", ()))
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("name", FILES)
def test_every_call_leads_to_a_container_that_listens(name: str) -> None:
    """URL → Service → selector → pod → port, and the script really listens on that port."""
    objects = manifests(name)
    services, deployments = of_kind(objects, "Service"), of_kind(objects, "Deployment")
    for deployment in deployments.values():
        labels = pod_of(deployment)["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
        for host, port in URL.findall(script_of(deployment)):
            service = services[host]
            (entry,) = service["spec"]["ports"]
            assert entry["port"] == int(port or 80)
            (backend,) = [
                other
                for other in deployments.values()
                if pod_of(other)["metadata"]["labels"] == service["spec"]["selector"]
            ]
            (container,) = pod_of(backend)["spec"]["containers"]
            assert container["ports"] == [{"containerPort": entry["targetPort"]}]
            assert f"-p {entry['targetPort']} " in script_of(backend)


def script_of(deployment: Manifest) -> str:
    """What the only container of a Deployment runs."""
    (container,) = pod_of(deployment)["spec"]["containers"]
    shell, flag, script = container["command"]
    assert (shell, flag) == ("sh", "-c")
    return str(script)


@pytest.mark.parametrize(
    ("files", "capture"),
    [
        pytest.param(FILES[:1], "tutorial-before", id="before"),
        pytest.param(FILES, "tutorial-after", id="after"),
    ],
)
def test_manifests_make_the_calls_that_the_tutorial_shows(
    files: tuple[str, ...], capture: str, otterize: Otterize
) -> None:
    """What the manifests would do is what the recorded captures of the tutorial hold."""
    calls = {
        f"{name},{deployment['metadata']['namespace']},{host}"
        for file in files
        for name, deployment in of_kind(manifests(file), "Deployment").items()
        for host, _ in URL.findall(script_of(deployment))
    }
    shown = otterize("intents", "list", FIXTURES / capture, "--format", "csv", "-q").stdout
    header, *rows = (line.split(",") for line in shown.splitlines())
    seen = [dict(zip(header, row, strict=True)) for row in rows]
    assert {f"{row['client']},{row['clientNamespace']},{row['server']}" for row in seen} == calls


@pytest.mark.parametrize("name", FILES)
def test_scripts_are_shell(name: str) -> None:
    """A POSIX shell finds nothing wrong with what the containers run."""
    for deployment in of_kind(manifests(name), "Deployment").values():
        done = subprocess.run(["sh", "-n", "-c", script_of(deployment)], check=False)
        assert done.returncode == 0


def test_images_are_small_and_pinned() -> None:
    """One small image with a version, so that the tutorial runs the same for everybody."""
    images = {
        container["image"]
        for name in FILES
        for deployment in of_kind(manifests(name), "Deployment").values()
        for container in pod_of(deployment)["spec"]["containers"]
    }
    assert images == {"busybox:1.37"}


def test_directory_is_described() -> None:
    """Each manifest is named in the directory's README."""
    described = (TUTORIAL / "README.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in TUTORIAL.glob("*.yaml")) == sorted(FILES)
    assert all(name in described for name in FILES)

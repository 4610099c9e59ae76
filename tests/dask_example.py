"""What examples/dask holds, for the tests that read it and for those that run it."""

import os
import subprocess
from pathlib import Path

from tests.conftest import FIXTURES, ROOT
from tests.manifest_models import Manifest, manifests_in

EXAMPLE = ROOT / "examples" / "dask"
CAPTURE = FIXTURES / "two-nodes"
SCHEDULER = "tcp://otterize-scheduler:8786"
FILES = sorted(EXAMPLE.glob("*.yaml"))
OBJECTS = [each for path in FILES for each in manifests_in(path)]
DASK = {"scheduler": "distributed.cli.dask_scheduler", "worker": "distributed.cli.dask_worker"}


def named(kind: str, name: str) -> Manifest:
    """One object of the example."""
    (found,) = [
        each for each in OBJECTS if (each["kind"], each["metadata"]["name"]) == (kind, name)
    ]
    return found


def pods() -> dict[str, Manifest]:
    """The pod templates, by name."""
    made = [each for each in OBJECTS if each["kind"] in ("Deployment", "Job")]
    return {each["metadata"]["name"]: each["spec"]["template"] for each in made}


def containers(pod: Manifest) -> list[Manifest]:
    """All of a pod's containers."""
    spec = pod["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def command_of(name: str, number: int = 0) -> list[str]:
    """What one container of a pod runs."""
    found: list[str] = containers(pods()[name])[number]["command"]
    return found


def labels(pod: Manifest) -> dict[str, str]:
    """A pod template's labels."""
    found: dict[str, str] = pod["metadata"]["labels"]
    return found


def shares() -> str:
    """Into how many shares the files go."""
    (container,) = containers(pods()["otterize-reduce"])
    (found,) = [each["value"] for each in container["env"] if each["name"] == "SHARES"]
    return str(found)


def run_script(command: list[str], captures: Path, programs: Path, index: int) -> str:
    """Run a container's script with a directory in the place of /captures."""
    script = [word.replace("/captures", str(captures)) for word in command]
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "JOB_COMPLETION_INDEX": str(index),
        "SHARES": shares(),
    }
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout

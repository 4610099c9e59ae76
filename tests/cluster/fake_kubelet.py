"""Runs the pods of the fake API: the container's own command, or a script of what it would do.

`Kubelet` keeps the pods' status as a real kubelet does (see fixtures/k8s-recordings:
watch-pods-life, trouble-*). How a container runs is up to its runtime: `ScriptedRuntime` pretends
that a recording is done, `ProcessRuntime` runs the manifest's shell command with a fake tcpdump,
and the lab's runtime runs it in a network namespace with the real one.
"""

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tests.cluster.fake_api import FakeApi

Json = dict[str, Any]
FRAME = 32768


class Container(Protocol):
    """A running container."""

    def log(self) -> str:
        """What it wrote."""

    def wait(self) -> int:
        """Its exit code, once it ends."""

    def kill(self) -> None:
        """End it, with its children."""

    def command(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Run a command in it."""


class Runtime(Protocol):
    """Starts containers."""

    def start(self, pod: Json) -> Container:
        """Start a pod's container."""


def now() -> str:
    """The kubelet's time."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Kubelet:
    """All nodes' kubelets."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.api: FakeApi
        self.containers: dict[str, Container] = {}
        #: Nodes on which nothing is ever scheduled.
        self.unschedulable: set[str] = set()
        #: Images that cannot be pulled.
        self.missing_images: set[str] = set()
        #: Longest message of a failed container, as Kubernetes cuts it.
        self.message_limit = 2048
        #: Give every pod this status, as it was recorded, instead of running it.
        self.recorded_status: Json | None = None

    def run(self, pod: Json) -> None:
        """Schedule a pod, start its container and follow it to its end."""
        terms = pod["spec"]["affinity"]["nodeAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]["nodeSelectorTerms"]
        node = terms[0]["matchFields"][0]["values"][0]
        if self.recorded_status is not None:
            metadata = pod["metadata"]
            status = self.recorded_status
            self.api.update("pods", metadata["namespace"], metadata["name"], status=status)
            return
        if node in self.unschedulable or ("nodes", "", node) not in self.api.objects:
            message = "0/2 nodes are available: 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
            self._set(pod, "Pending", conditions=[_unschedulable(message)])
            return
        image = pod["spec"]["containers"][0]["image"]
        if image in self.missing_images:
            waiting = {
                "reason": "ImagePullBackOff",
                "message": f'Back-off pulling image "{image}": ErrImagePull: failed to pull',
            }
            self._set(pod, "Pending", state={"waiting": waiting})
            return
        container = self.runtime.start(pod)
        self.containers[pod["metadata"]["name"]] = container
        started = now()
        self._set(pod, "Running", state={"running": {"startedAt": started}})
        code = container.wait()
        if self.containers.get(pod["metadata"]["name"]) is container:
            self._finish(pod, container, code, started)

    def _finish(self, pod: Json, container: Container, code: int, started: str) -> None:
        terminated: Json = {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "startedAt": started,
            "finishedAt": now(),
        }
        if code != 0:
            terminated["message"] = container.log()[-self.message_limit :]
        self.containers.pop(pod["metadata"]["name"], None)
        phase = "Succeeded" if code == 0 else "Failed"
        self._set(pod, phase, state={"terminated": terminated})

    def evict(self, name: str, message: str) -> None:
        """Evict a pod as for its volume's size."""
        pod = next(p for p in self.api.listed("pods") if p["metadata"]["name"] == name)
        self.containers.pop(name).kill()
        state = {"terminated": {"exitCode": 137, "reason": "Error", "finishedAt": now()}}
        self._set(pod, "Failed", state=state, reason="Evicted", message=message)

    def delete(self, pod: Json) -> None:
        """Kill a pod's container and remove the pod."""
        container = self.containers.pop(pod["metadata"]["name"], None)
        if container is not None:
            container.kill()
        self.api.remove("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])

    def _set(self, pod: Json, phase: str, **details: object) -> None:
        status: Json = {"phase": phase, "startTime": now(), "hostIP": "172.31.250.11"}
        details, state = dict(details), details.get("state")
        details.pop("state", None)
        if state is not None:
            status["containerStatuses"] = [{"name": "tcpdump", "state": state, "lastState": {}}]
        metadata = pod["metadata"]
        self.api.update("pods", metadata["namespace"], metadata["name"], status=status | details)

    def is_running(self, name: str) -> bool:
        """Whether a pod's container runs."""
        return name in self.containers

    def log(self, name: str) -> str:
        """A pod's log."""
        container = self.containers.get(name)
        return "" if container is None else container.log()

    def execute(
        self, name: str, words: list[str], *given: Iterator[bytes]
    ) -> Iterator[tuple[int, bytes]]:
        """Run a command, `given` on its stdin; yields (channel, content) and last the status."""
        try:
            process = self.containers[name].command(words)
        except FileNotFoundError:
            message = f'error executing command in container: exec: "{words[0]}": not found'
            yield 3, _failure(message, None)
            return
        for pieces in given:
            threading.Thread(target=_feed, args=(process, pieces), daemon=True).start()
        with process:
            assert process.stdout is not None
            assert process.stderr is not None
            while content := process.stdout.read1(FRAME):  # type: ignore[attr-defined]
                yield 1, content
            complaint = process.stderr.read()
        if complaint:
            yield 2, complaint
        if process.returncode == 0:
            yield 3, b'{"metadata":{},"status":"Success"}'
        else:
            message = f"command terminated with non-zero exit code: {process.returncode}"
            yield 3, _failure(message, process.returncode)


def _feed(process: subprocess.Popen[bytes], given: Iterator[bytes]) -> None:
    """Write what comes to a command's stdin, until it wants no more."""
    assert process.stdin is not None
    with contextlib.suppress(OSError, ValueError):
        for piece in given:
            process.stdin.write(piece)
            process.stdin.flush()


def _unschedulable(message: str) -> Json:
    return {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
    }


def _failure(message: str, code: int | None) -> bytes:
    details = ""
    if code is not None:
        details = f',"details":{{"causes":[{{"reason":"ExitCode","message":"{code}"}}]}}'
    text = message.replace('"', '\\"')
    return f'{{"metadata":{{}},"status":"Failure","message":"{text}"{details}}}'.encode()


def expand(text: str, variables: dict[str, str]) -> str:
    """Kubernetes' own expansion of $(NAME) and $$ (its third_party/forked/golang/expansion)."""

    def replaced(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return variables.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", replaced, text)


def container_of(pod: Json) -> tuple[dict[str, str], list[str]]:
    """A container's environment and command, as a kubelet expands them."""
    container = pod["spec"]["containers"][0]
    environment: dict[str, str] = {}
    for variable in container["env"]:
        environment[variable["name"]] = expand(variable["value"], environment)
    words = [expand(word, environment) for word in (*container["command"], *container["args"])]
    return environment, words


@dataclass
class ScriptedRuntime:
    """Containers that have already recorded: `files` by name, and how it went."""

    directory: Path
    files: dict[str, bytes] = field(default_factory=lambda: {"calls.pcap": b"packets"})
    stopped: str = "duration"
    lines: str = "capture: recording 2s bytes=10 packets=3 dropped=0\n"
    #: Recordings go on until this is set.
    done: threading.Event = field(default_factory=threading.Event)
    #: Added to the node's clock in its answers.
    clock_ahead: float = 0.0
    state: str | None = None
    #: Files that stand for one of `files`, where they are too large to be in memory.
    substitute: dict[str, Path] = field(default_factory=dict)

    def start(self, pod: Json) -> "_ScriptedContainer":
        """Lay out what the container would have written."""
        place = self.directory / pod["metadata"]["name"]
        place.mkdir()
        for name, content in self.files.items():
            if name in self.substitute:
                (place / name).symlink_to(self.substitute[name])
            else:
                (place / name).write_bytes(content)
        (place / "tcpdump-stats").write_text(
            "part calls\n3 packets captured\n5 packets received by filter\n"
            "1 packet dropped by kernel\n"
        )
        return _ScriptedContainer(self, place)

    def state_text(self, place: Path) -> str:
        """The state file of a finished recording."""
        if self.state is not None:
            return self.state
        lines = ["version 1", "started 1795415700.5", "ended 1795415760.5"]
        lines += [f"stopped {self.stopped}", "part calls exit 0 ended 1795415760.5"]
        for kind, name in [*(("file", n) for n in self.files), ("node-file", "tcpdump-stats")]:
            content = (place / name).read_bytes()
            lines.append(f"{kind} {name} {len(content)} {hashlib.sha256(content).hexdigest()}")
        return "\n".join(lines) + "\n"


class _ScriptedContainer:
    def __init__(self, runtime: ScriptedRuntime, place: Path) -> None:
        self._runtime = runtime
        self._place = place
        self._killed = threading.Event()
        self._lock = threading.Lock()

    def _is_ready(self) -> bool:
        if not self._runtime.done.is_set() and not (self._place / "stop").exists():
            return False
        with self._lock:
            # Whole or not at all, as the script writes it.
            if not (self._place / "state").exists():
                (self._place / "state.part").write_text(self._runtime.state_text(self._place))
                (self._place / "state.part").rename(self._place / "state")
        return True

    def log(self) -> str:
        ready = "capture: ready after 60s: duration\n" if self._is_ready() else ""
        return self._runtime.lines + ready

    def wait(self) -> int:
        self._killed.wait()
        return 143

    def kill(self) -> None:
        self._killed.set()

    def command(self, words: list[str]) -> subprocess.Popen[bytes]:
        self._is_ready()
        if words[0] == "date":
            stamp = datetime.now(UTC).timestamp() + self._runtime.clock_ahead
            words = ["echo", str(stamp)]
        return _popen([word.replace("/capture", str(self._place)) for word in words])


@dataclass
class ProcessRuntime:
    """Runs the manifest's command as a process, with a directory for its volume."""

    directory: Path
    #: Put first in PATH; the rest of PATH is `path`.
    tools: Path
    path: str = os.defpath
    shell: str | None = None

    def start(self, pod: Json) -> "_Process":
        """Start the container's command."""
        place = self.directory / pod["metadata"]["name"]
        place.mkdir()
        environment, words = container_of(pod)
        environment["CAPTURE_DIR"] = str(place)
        environment["PATH"] = f"{self.tools}:{self.path}"
        if self.shell is not None:
            words = [*self.shell.split(), *words[1:]]
        return _Process(place, words, environment)


class _Process:
    def __init__(self, place: Path, words: list[str], environment: dict[str, str]) -> None:
        self._place = place
        self._environment = environment
        self._log = place.with_suffix(".log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                words, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def log(self) -> str:
        return self._log.read_text()

    def wait(self) -> int:
        return self._process.wait()

    def kill(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGTERM)
        except ProcessLookupError:
            return

    def command(self, words: list[str]) -> subprocess.Popen[bytes]:
        return _popen(
            [word.replace("/capture", str(self._place)) for word in words], self._environment
        )


def _popen(words: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )

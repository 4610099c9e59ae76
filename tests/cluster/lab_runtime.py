"""Containers for real: a network namespace as the node, a chroot as the image, real tcpdump.

The container gets what the manifest's security context gives it and nothing more: uid 0 with
three capabilities, no new privileges, a read-only root, its volume at /capture. Images are
directories of links: Debian's dash and coreutils, or busybox alone, beside tcpdump.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.awaiting import PATIENCE_S
from tests.cluster.fake_kubelet import container_of

Json = dict[str, Any]
COMMON_TOOLS = (
    *("sh", "cat", "date", "dd", "df", "head", "ls", "mkdir", "rm", "sed"),
    *("sha256sum", "sleep", "tail", "mv", "ip", "touch", "chmod"),
)
ENTER = r"""
set -e
root=$1 volume=$2; shift 2
mount --make-rprivate /
mount -t tmpfs image "$root"
for d in usr lib lib64 lib32 libx32 etc dev; do
    [ -e "/$d" ] || continue
    if [ -L "/$d" ]; then cp -P "/$d" "$root/$d"; continue; fi
    mkdir "$root/$d"
    mount --rbind "/$d" "$root/$d"
done
mkdir "$root/proc" "$root/sys" "$root/bin" "$root/capture"
mount -t proc proc "$root/proc"
mount -t sysfs sys "$root/sys" || true
cp -P "$IMAGE"/* "$root/bin"
for d in $BOUND; do
    mkdir -p "$root$d"
    mount --rbind "$d" "$root$d"
done
mount --bind "$volume" "$root/capture"
mount -o remount,ro "$root"
mount -o remount,bind,ro "$root/usr" || true
exec "$@"
"""
DROP = [
    "--reuid=0",
    "--regid=0",
    "--init-groups",
    "--no-new-privs",
    "--bounding-set=-all,+net_raw,+setuid,+setgid",
    "--inh-caps=-all",
]


def unavailable() -> str | None:
    """Why this machine cannot run the lab, None where it can."""
    if os.geteuid() != 0:
        return "not root"
    missing = [
        tool
        for tool in ("ip", "tcpdump", "setpriv", "unshare", "nsenter", "chroot")
        if shutil.which(tool) is None
    ]
    if missing:
        return f"not installed: {', '.join(missing)}"
    probe = subprocess.run(["unshare", "-mpn", "--fork", "true"], capture_output=True, check=False)
    return None if probe.returncode == 0 else "namespaces are not permitted"


def make_image(place: Path, flavour: str, *, without: str = "") -> Path:
    """An image's /bin: `debian` (dash, coreutils) or `busybox`, and tcpdump."""
    place.mkdir()
    if flavour == "busybox":
        busybox = shutil.which("busybox")
        assert busybox is not None
        for tool in COMMON_TOOLS:
            (place / tool).symlink_to(busybox)
        (place / "tcpdump").symlink_to(_real("tcpdump"))
    else:
        for tool in (*COMMON_TOOLS, "tcpdump"):
            (place / tool).symlink_to(_real("dash" if tool == "sh" else tool))
    if without:
        (place / without).unlink()
    return place


def _real(tool: str) -> Path:
    found = shutil.which(tool)
    assert found is not None, tool
    # Through /usr: /bin is what the image brings.
    path = Path(found).resolve()
    return path if path.is_relative_to("/usr") else Path("/usr") / path.relative_to("/")


@dataclass
class NamespaceRuntime:
    """Runs containers in the network namespace of their node."""

    directory: Path
    image: Path
    #: Namespace of each node's name.
    namespaces: dict[str, str]
    #: Directories of this machine that the image has too.
    bound: tuple[Path, ...] = ()
    #: Appended to or replacing the container's environment.
    overrides: dict[str, str] = field(default_factory=dict)

    def start(self, pod: Json) -> "_LabContainer":
        """Start the container's command."""
        place = self.directory / pod["metadata"]["name"]
        place.mkdir(parents=True)
        (self.directory / "root").mkdir(exist_ok=True)
        environment, words = container_of(pod)
        node = pod["metadata"]["annotations"]["capture.otterize.com/node"]
        return _LabContainer(
            self.directory / "root",
            place,
            self.namespaces[node],
            environment
            | self.overrides
            | {"IMAGE": str(self.image), "PATH": "/bin", "BOUND": " ".join(map(str, self.bound))},
            words,
        )


class _LabContainer:
    def __init__(
        self, root: Path, place: Path, namespace: str, environment: dict[str, str], words: list[str]
    ) -> None:
        self._root = root
        self._log = place.with_suffix(".log")
        outside = environment | {"PATH": os.environ["PATH"]}
        inside = [f"{name}={value}" for name, value in environment.items()]
        # The capabilities go last: chroot and mounts need theirs.
        command = [
            *("ip", "netns", "exec", namespace),
            *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
            *("/bin/sh", "-c", ENTER, "enter", str(root), str(place)),
            *("chroot", str(root), "/usr/bin/env", "-i", *inside),
            *("/usr/bin/setpriv", *DROP, *words),
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=outside, start_new_session=True
            )
        self._init = 0

    @property
    def init(self) -> int:
        """The container's first process, as seen from outside."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._init and self._process.poll() is None and time.monotonic() < deadline:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
            found = children.read_text().split() if children.exists() else []
            self._init = int(found[0]) if found else 0
        return self._init

    def log(self) -> str:
        return self._log.read_text()

    def wait(self) -> int:
        return self._process.wait()

    def kill(self) -> None:
        threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(self.init, number)
                self._process.wait(3)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue

    def _until_entered(self) -> None:
        """Wait until the container has its root: nobody can run a command in it before."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                if Path(f"/proc/{self.init}/root").readlink() == self._root:
                    return
            time.sleep(0.01)

    def command(self, words: list[str]) -> subprocess.Popen[bytes]:
        self._until_entered()
        return subprocess.Popen(
            [
                *("nsenter", "-t", str(self.init), "-m", "-p", "-n"),
                *("/usr/sbin/chroot", str(self._root), "/usr/bin/env", "-i", "PATH=/bin"),
                *words,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

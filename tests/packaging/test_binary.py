"""The one-file binary and its directory, in an empty root that has only the C library.

`make binary` builds them and `make binary-test` runs these tests: a binary that lies in dist/ may
be older than the sources it is compared with.
"""

import gzip
import json
import os
import pty
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from tests.awaiting import until
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import assert_clean, capture_pods, kubeconfig, node, nodes_of, pod
from tests.cluster.fake_kubelet import Kubelet, ScriptedRuntime
from tests.conftest import FIXTURES, ROOT, Result, run_otterize

FILE = ROOT / "dist" / "otterize"
BUILD_ROOT = ROOT / "build" / "binary" / "root"
LIBRARIES = (
    "ld-linux-x86-64.so.2 libc.so.6 libdl.so.2 libm.so.6 libpthread.so.0 librt.so.1 libutil.so.1"
)
ARCHITECTURE = "x86_64-linux-gnu"

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("OTTERIZE_TEST_BUILT"),
        reason="of what make binary builds; make binary-test runs this",
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root"),
]


@pytest.fixture(scope="module")
def empty_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the C library that the binary was built with, or this system's."""
    root = tmp_path_factory.mktemp("root")
    libraries = root / "lib" / ARCHITECTURE
    libraries.mkdir(parents=True)
    (root / "lib64").mkdir()
    (root / "tmp").mkdir()
    system = BUILD_ROOT if BUILD_ROOT.exists() else Path("/")
    for name in LIBRARIES.split():
        shutil.copy(system / "lib" / ARCHITECTURE / name, libraries)
    shutil.copy(libraries / "ld-linux-x86-64.so.2", root / "lib64")
    shutil.copytree(FIXTURES / "tutorial-before", root / "before")
    shutil.copytree(FIXTURES / "tutorial-after", root / "after")
    exported = run_otterize(root, ("intents", "export", "-q", "before"), b"", {})
    (root / "intents.yaml").write_text(exported.stdout)
    shutil.copy(FILE, root / "otterize")
    (archive,) = FILE.parent.glob("otterize-*-linux-x86_64.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(root, filter="data")
    (root / archive.name.removesuffix(".tar.gz")).rename(root / "directory")
    return root


@pytest.fixture(params=["/otterize", "/directory/otterize"], ids=["file", "directory"])
def binary(request: pytest.FixtureRequest, empty_root: Path) -> Callable[..., Result]:
    """Run one form of the binary inside the empty root, with no environment at all."""

    def run(*arguments: str) -> Result:
        done = subprocess.run(
            ["/usr/sbin/chroot", empty_root, request.param, *arguments],
            capture_output=True,
            check=False,
            env={"COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
        )
        return Result(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.mark.parametrize(
    "command",
    [
        "intents list before",
        "intents list before --format json",
        "intents list before --format openmetrics",
        "intents export before",
        "intents export before --format json",
        "diff before after",
        "diff before after --format markdown",
        "check after --allow intents.yaml",
        "check after --allow intents.yaml --format sarif",
        "graph before",
        "graph before --format svg",
        "graph before --format html",
        "explain checkout kafka before",
        "connections before --format csv",
        "intents list --help",
        "intents list missing",
    ],
)
def test_offline_commands(command: str, binary: Callable[..., Result], empty_root: Path) -> None:
    """Every offline command prints what the sources print, byte for byte, with their exit code."""
    words = tuple(command.split())
    expected = run_otterize(empty_root, words, b"", {})

    done = binary(*words)

    assert (done.stdout, done.returncode) == (expected.stdout, expected.returncode)
    assert done.stderr == expected.stderr


@pytest.mark.parametrize("packed", ["gz", "zst", "lz4"])
def test_compressed_captures(packed: str, binary: Callable[..., Result], empty_root: Path) -> None:
    """gzip, zstandard and lz4 are inside."""
    fixture = next((FIXTURES / "tutorial-before").rglob("*.pcap"))
    place = empty_root / f"packed.pcap.{packed}"
    place.write_bytes(_packed(packed, fixture.read_bytes()))
    (empty_root / "plain.pcap").write_bytes(fixture.read_bytes())

    done = binary("connections", "-q", place.name)

    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.replace(place.name, "plain.pcap")
        == binary("connections", "-q", "plain.pcap").stdout
    )


def _packed(kind: str, data: bytes) -> bytes:
    if kind == "gz":
        return gzip.compress(data)
    return zstandard.compress(data) if kind == "zst" else bytes(lz4.frame.compress(data))


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApi]:
    """A cluster of two nodes whose recordings last until they are stopped."""
    (tmp_path / "pods").mkdir()
    runtime = ScriptedRuntime(tmp_path / "pods")
    fake = FakeApi(Kubelet(runtime))
    for name in ("node1", "node2"):
        fake.add("nodes", node(name))
    fake.add("pods", pod("checkout", "10.244.1.5"))
    fake.start()
    yield fake
    for left in fake.listed("pods"):
        fake.kubelet.delete(left)
    fake.stop()


def test_capture_dry_run(api: FakeApi, binary: Callable[..., Result], empty_root: Path) -> None:
    """The Kubernetes client and the Job's template are inside: a dry run prints two Jobs."""
    kubeconfig(api, empty_root)

    done = binary("capture", "--dry-run", "--kubeconfig", "/kubeconfig")

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("kind: Job\n") == 2
    assert "tcpdump" in done.stdout
    assert_clean(api)


class Terminal:
    """The one-file binary as the foreground job of a terminal of its own."""

    def __init__(self, *words: str | Path) -> None:
        self.process, self._keys = pty.fork()
        if self.process == 0:
            os.execv(FILE, [str(FILE), *map(str, words)])  # noqa: S606 - no shell wanted
        self.screen = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def press(self, key: bytes) -> None:
        """Type a key."""
        os.write(self._keys, key)

    def end(self) -> int:
        """Wait for the exit code."""
        _, status = os.waitpid(self.process, 0)
        self._reader.join(5)
        os.close(self._keys)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> None:
        try:
            while shown := os.read(self._keys, 4096):
                self.screen += shown.decode(errors="replace")
        except OSError:
            # How Linux says that the other end of a terminal is closed.
            return


@pytest.fixture
def recording(api: FakeApi, tmp_path: Path) -> Terminal:
    """A capture at a terminal, with both nodes recording."""
    words = ("capture", "--yes", "--duration", "60s", "-o", tmp_path / "out")
    terminal = Terminal(*words, "--kubeconfig", kubeconfig(api, tmp_path))
    until(lambda: len(capture_pods(api)) == 2, lambda: terminal.screen)
    time.sleep(0.5)
    return terminal


def test_ctrl_c_counts_once(recording: Terminal, api: FakeApi, tmp_path: Path) -> None:
    """Ctrl-C reaches the program once, not again from its launcher: what was recorded is kept."""
    recording.press(b"\x03")

    # 3: the fake's recordings are no pcap files, so that listing them afterwards fails.
    assert recording.end() == 3, recording.screen
    assert recording.screen.count("what was recorded is kept") == 1
    assert "abandoning" not in recording.screen
    assert [found.status for found in nodes_of(tmp_path / "out").values()] == ["captured"] * 2
    assert_clean(api)


def test_terminate_reaches_the_program(recording: Terminal, api: FakeApi) -> None:
    """SIGTERM sent to the launcher ends the program, which deletes its Jobs."""
    os.kill(recording.process, signal.SIGTERM)

    assert recording.end() == 130, recording.screen
    assert_clean(api)


def test_helpers_get_the_users_libraries(api: FakeApi, tmp_path: Path) -> None:
    """A credential helper does not get the binary's OpenSSL through LD_LIBRARY_PATH."""
    seen = tmp_path / "seen"
    helper = tmp_path / "helper"
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "not-a-secret"},
    }
    helper.write_text(
        f"#!/bin/sh\necho \"<$LD_LIBRARY_PATH>\" >{seen}\necho '{json.dumps(credential)}'\n"
    )
    helper.chmod(0o755)
    config = kubeconfig(api, tmp_path)
    document = json.loads(config.read_text())
    execute = {"apiVersion": credential["apiVersion"], "command": str(helper)}
    document["users"][0]["user"] = {"exec": execute | {"interactiveMode": "Never"}}
    config.write_text(json.dumps(document))

    done = subprocess.run(
        [FILE, "capture", "--dry-run", "--kubeconfig", config],
        capture_output=True,
        check=False,
        env={"LD_LIBRARY_PATH": "/users/own"},
    )

    assert done.returncode == 0, done.stderr
    assert seen.read_text() == "</users/own>\n"


def test_size(empty_root: Path) -> None:
    """The file is no larger than 40 MB."""
    assert (empty_root / "otterize").stat().st_size <= 40_000_000


def test_start(binary: Callable[..., Result], request: pytest.FixtureRequest) -> None:
    """A warm start takes at most half a second, from the directory a fifth."""
    limit = 0.5 if "file" in request.node.callspec.id else 0.2
    took = []
    for _ in range(10):
        began = time.perf_counter()
        assert binary("--version").returncode == 0
        took.append(time.perf_counter() - began)

    assert min(took) <= limit, took

"""`make verify-pins` against a registry and repositories on this machine."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPT = ROOT / "scripts" / "packaging" / "verify_pins.py"
MOVED = " (the tag has moved on)"
OLD, NEW = ("sha256:" + digit * 64 for digit in "ab")


class Registry(BaseHTTPRequestHandler):
    """Serves two manifests to whoever fetched a token before; the tag leads to one of them."""

    tag = OLD
    served = (OLD, NEW)

    def do_HEAD(self) -> None:
        """A manifest's digest, by tag or digest."""
        if self.headers["Authorization"] != "Bearer anybody":
            realm = f"http://127.0.0.1:{self.headers['Host'].rpartition(':')[2]}/token"
            self.send_response(401)
            self.send_header(
                "WWW-Authenticate",
                f'Bearer realm="{realm}",service="fake",scope="repository:library/base:pull"',
            )
            self.end_headers()
            return
        name, _, reference = self.path.removeprefix("/v2/").partition("/manifests/")
        digest = self.tag if reference == "1.2" else reference
        found = name == "library/base" and digest in self.served
        self.send_response(200 if found else 404)
        if found:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()

    def do_GET(self) -> None:
        """A token for anybody who names the scope."""
        assert "scope=repository%3Alibrary%2Fbase%3Apull" in self.path
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"token": "anybody"}).encode())

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is the script's."""


@pytest.fixture
def registry() -> Iterator[str]:
    """Where it listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def git(folder: Path, *words: str) -> str:
    """Run git there."""
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", *names, "-C", str(folder), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def published(folder: Path) -> str:
    """An action with an annotated tag, as most are; the commit behind it."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    git(folder, "tag", "-a", "-m", "v4.2.2", "v4.2.2")
    return git(folder, "rev-parse", "HEAD")


def verified(tmp_path: Path, registry: str, commit: str, digest: str) -> tuple[int, list[str]]:
    """What the script says of a tree with one action and one image."""
    root = tmp_path / "root"
    (root / ".github" / "workflows").mkdir(parents=True)
    (root / ".github" / "workflows" / "test.yaml").write_text(
        f"      - uses: owner/action/sub@{commit} # v4.2.2\n"
    )
    (root / "scripts" / "capture-image").mkdir(parents=True)
    (root / "scripts" / "capture-image" / "Dockerfile").write_text(
        f"FROM docker.io/library/base:1.2@{digest}\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, str(SCRIPT), "--root", str(root)),
            *("--github", str(tmp_path / "github"), "--registry", registry),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_pins_that_are_what_they_say(tmp_path: Path, registry: str) -> None:
    """An annotated tag is followed to its commit, a registry's token is fetched."""
    commit = published(tmp_path / "github" / "owner" / "action")
    assert verified(tmp_path, registry, commit, OLD) == (
        0,
        [
            f"ok    owner/action v4.2.2: is {commit}",
            f"ok    docker.io/library/base:1.2: is {OLD}",
        ],
    )


def test_pins_that_are_not(tmp_path: Path, registry: str) -> None:
    """A commit that the tag is not, and a digest that nobody serves, are named."""
    commit = published(tmp_path / "github" / "owner" / "action")
    wrong, gone = "1" * 40, "sha256:" + "c" * 64
    code, lines = verified(tmp_path, registry, wrong, gone)
    assert code == 1
    assert lines == [
        f"WRONG owner/action v4.2.2: pinned as {wrong}, but is {commit}",
        f"WRONG docker.io/library/base:1.2: pinned as {gone}, but is not there{MOVED}",
    ]


def test_tag_that_moved_on_is_no_fault(tmp_path: Path, registry: str) -> None:
    """The digest outlives the tag; it is said."""
    commit = published(tmp_path / "github" / "owner" / "action")
    code, lines = verified(tmp_path, registry, commit, NEW)
    assert code == 0
    assert lines[1] == f"ok    docker.io/library/base:1.2: is {NEW}{MOVED}"


def test_nobody_to_ask_is_no_pass(tmp_path: Path) -> None:
    """Where a publisher does not answer, nothing is said to be right."""
    commit = published(tmp_path / "github" / "owner" / "action")
    code, lines = verified(tmp_path, "http://127.0.0.1:1", commit, OLD)
    assert code == 2
    assert lines[-1].startswith("could not ask: ")

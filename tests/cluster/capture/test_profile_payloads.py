"""What each profile keeps of payloads: real tcpdump on real traffic whose payloads are marked."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.capture.test_capture_lab import lab
from tests.cluster.fake_cluster import Run, StartApi, read_manifest
from tests.cluster.lab_nodes import Lab, lab_api
from tests.cluster.lab_runtime import unavailable

WHY_NOT = unavailable()
pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(WHY_NOT is not None, reason=f"no lab on this machine: {WHY_NOT}"),
]
TRAFFIC = Path(__file__).parents[1] / "marked_traffic.py"
MARK = re.compile(rb"MARK-(?:near|far)-[a-z]+-|mark-sni")
KINDS = ("dns", "fin", "http", "kept", "tcp", "tls", "udp")
NEAR = {f"MARK-near-{kind}-" for kind in KINDS}
FAR = {f"MARK-far-{kind}-" for kind in KINDS}
DNS, SERVER_NAME = {"MARK-near-dns-", "MARK-far-dns-"}, {"mark-sni"}
# How a request begins that the traffic makes, and what follows the word that tells its sender.
WORD = b"POST "
__all__ = ["lab"]


@pytest.fixture
def traffic(lab: Lab) -> Iterator[None]:
    """Marked payloads between the nodes."""
    command = ["ip", "netns", "exec", lab.namespaces["node1"], sys.executable, str(TRAFFIC)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "connected\n"
    yield
    process.kill()
    process.communicate()


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize(
    ("profile", "kept"),
    [
        ("calls", DNS | SERVER_NAME),
        ("headers", NEAR | DNS | SERVER_NAME),
        ("full", NEAR | FAR | SERVER_NAME),
    ],
)
def test_marks_that_are_kept(
    lab: Lab, start_api: StartApi, run: Run, tmp_path: Path, profile: str, kept: set[str]
) -> None:
    """`calls` keeps DNS and the ClientHello's beginning, `headers` 256 bytes, `full` everything."""
    api = lab_api(lab, start_api, tmp_path, "debian")
    out = tmp_path / "out"

    result = run(
        api, "capture", "--duration", "3s", "--profile", profile, "--node", "node2",
        "-o", str(out),
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    (node,) = read_manifest(out).nodes
    content = b"".join((out / file.path).read_bytes() for file in node.files)
    assert {found.decode() for found in MARK.findall(content)} == kept
    # Requests were recorded, and `calls` kept of each the word that tells its sender.
    assert WORD in content
    if profile == "calls":
        assert not re.search(rb"POST [^\0-\x1f]{4}", content)

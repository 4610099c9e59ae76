"""What share of the bytes each profile keeps, measured in the lab; the figures of docs/capture.md.

Not in the default run; see `make soak`.
"""

import os
import sys
from pathlib import Path

import pytest

from tests.cluster.capture.test_capture_lab import lab
from tests.cluster.fake_cluster import Run, StartApi, read_manifest
from tests.cluster.lab_nodes import Lab
from tests.cluster.lab_runtime import NamespaceRuntime, make_image, unavailable

WHY_NOT = unavailable()
pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.skipif("OTTERIZE_SOAK" not in os.environ, reason="run by make soak only"),
    pytest.mark.skipif(WHY_NOT is not None, reason=f"no lab on this machine: {WHY_NOT}"),
]
SECONDS = 20
__all__ = ["lab"]


@pytest.mark.parametrize("words", [(), ("chat",), ("bulk",)], ids=["short", "chat", "bulk"])
def test_shares(
    lab: Lab, start_api: StartApi, run: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """`calls` keeps less than `headers`, and both much less than `full` of bulk traffic."""
    image = make_image(tmp_path / "image", "debian")
    api = start_api(NamespaceRuntime(tmp_path / "pods", image, lab.namespaces))
    traffic = lab.spawn("node1", "call", *words)
    kept: dict[str, float] = {}
    packets: dict[str, float] = {}
    for profile in ("calls", "headers", "full"):
        out = tmp_path / profile
        result = run(
            api, "capture", "--duration", f"{SECONDS}s", "--profile", profile,
            "--max-size", "3Gi", "-o", str(out),
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        nodes = read_manifest(out).nodes
        kept[profile] = sum(file.bytes for node in nodes for file in node.files)
        packets[profile] = sum(node.packets.captured or 0 for node in nodes)
        assert sum(node.packets.dropped or 0 for node in nodes) == 0
    traffic.kill()
    traffic.communicate()

    for profile, count in kept.items():
        share = 100 * count / kept["full"]
        rate = count / SECONDS / 2 / 1000
        number = 100 * packets[profile] / packets["full"]
        sys.stdout.write(
            f"\n{words or ('short',)} {profile}: {share:.1f} % of bytes, {number:.1f} % of "
            f"packets, {rate:.1f} kB/s a node"
        )
    assert kept["calls"] < kept["headers"] < kept["full"]

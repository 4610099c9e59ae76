"""`otterize capture` against the fake cluster, when nothing goes wrong."""

import json
from pathlib import Path

from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, read_manifest


def test_capture_writes_a_directory_and_leaves_nothing(
    api: FakeApi, run: Run, tmp_path: Path
) -> None:
    """Every node's files arrive, the manifest counts them, and no Job or pod is left."""
    directory = tmp_path / "out"

    result = run(api, "capture", "--duration", "1s", "-o", str(directory))

    assert result.exit_code == 0, result.output
    assert result.stdout == "calls of out\n"
    manifest = read_manifest(directory)
    assert [(node.name, node.status) for node in manifest.nodes] == [
        ("node1", "captured"),
        ("node2", "captured"),
    ]
    assert (directory / "pcap" / "node1.pcap").read_bytes() == b"packets"
    assert manifest.nodes[0].packets.dropped == 1
    snapshot = json.loads((directory / "snapshot.json").read_text())
    assert [entry["ip"] for entry in snapshot["otterize"]["observed"]] == ["10.244.1.5"]
    assert api.listed("jobs") == []
    assert [pod["metadata"]["name"] for pod in api.listed("pods")] == ["checkout"]

"""A capture that no fixture is like: recorded now, with other names, ports and addresses."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.service_graph import ServiceGraph, Workload
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.table.read import ReadOptions
from tests.conftest import ROOT

NEEDED = ("ip", "nft", "tcpdump", "sysctl")
MISSING = [name for name in NEEDED if shutil.which(name) is None]

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]

Edge = tuple[str, str, str, str, str, str, str, int]


def true_edges(directory: Path) -> set[Edge]:
    """What the scenario says it did."""
    truth = json.loads((directory / "truth.json").read_text())
    return {
        (
            *(edge["client"][part] for part in ("name", "namespace", "kind")),
            *(edge["server"][part] for part in ("name", "namespace", "kind")),
            edge["protocol"],
            edge["port"],
        )
        for edge in truth["edges"]
    }


def mapped_edges(graph: ServiceGraph) -> set[Edge]:
    """What the mapper found."""
    return {
        (
            *(call.client.name, call.client.namespace, call.client.kind),
            *(call.server.name, call.server.namespace, call.server.kind),
            use.protocol,
            use.port,
        )
        for call in graph.calls
        if isinstance(call.server, Workload)
        for use in call.uses
    }


@pytest.mark.parametrize("variant", [3, 11])
def test_every_true_edge_and_no_other(variant: int, tmp_path: Path) -> None:
    """On a cluster recorded a moment ago, the calls are those that were made."""
    directory = tmp_path / "two-nodes"
    command = [sys.executable, str(ROOT / "scripts/lab/record.py"), "two-nodes"]
    subprocess.run(
        [*command, "-o", str(tmp_path), "--variant", str(variant)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    capture = open_captures([directory], None, ReadOptions())[0]
    assert mapped_edges(graph_capture(capture)) == true_edges(directory)
    assert true_edges(directory) != true_edges(ROOT / "fixtures" / "two-nodes")

"""A real Kubernetes: what was deployed there is what the mapper finds."""

import json

from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.table.read import ReadOptions
from tests.conftest import FIXTURES

CAPTURE = FIXTURES / "real-cluster" / "capture-12s"
# Called once a minute, and not in these 12 seconds.
NOT_RECORDED = ("report.lab", "api.lab")


def test_every_call_of_a_real_cluster_and_no_other() -> None:
    """S10 to S51: all calls that were made are found, hostNetwork pods behind Services too."""
    truth = json.loads((CAPTURE / "truth.json").read_text(encoding="utf-8"))
    (capture,) = open_captures([CAPTURE], None, ReadOptions())
    found = {
        (full_name(call.client), full_name(call.server))
        for call in graph_capture(capture).calls
        if isinstance(call.server, Workload)
    }
    assert found == {tuple(pair) for pair in truth["edges"]} - {NOT_RECORDED}

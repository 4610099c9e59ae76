"""`explain` says why each true edge that is missing is so, and what would have shown it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from otterize_pcap.cli.app import command_line
from otterize_pcap.cli.summary import summary_lines
from otterize_pcap.explain.asked_pair import Question
from otterize_pcap.explain.explain import explain
from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.resolve.map_capture import MappedCapture, map_capture
from tests.lab.test_scenarios import (
    SCENARIOS,
    each_scenario,
    edge,
    edges,
    mapped,
    truth,
    uplink_capture,
)

Golden = Callable[[str, str], None]


def missing(scenario: Path, found: MappedCapture) -> list[dict[str, Any]]:
    """The true edges that are not found."""
    shown = edges(found.graph)
    return [entry for entry in truth(scenario)["edges"] if edge(entry) not in shown]


def pair(entry: dict[str, Any]) -> tuple[str, str]:
    """Both names of an edge, as the command takes them."""
    client, server = (
        full_name(Workload(side["name"], side["namespace"], side["kind"]))
        for side in (entry["client"], entry["server"])
    )
    return client, server


def test_reasons_of_missing_edges(golden: Golden) -> None:
    """Each missing edge of each scenario: what became of it, and what would have shown it.

    The reasons were held against the truth by hand. Before them stands what the summary says.
    """
    run = CliRunner()
    told = []
    for scenario in SCENARIOS:
        found = mapped(scenario).graph.coverage
        assert found is not None
        if missing(scenario, mapped(scenario)):
            lines = [
                line for line in summary_lines(found, verbose=False) if "packets: " not in line
            ]
            told.append("\n".join((f"{scenario.name}, summary:", *lines)))
        for asked in dict.fromkeys(map(pair, missing(scenario, mapped(scenario)))):
            arguments = ["explain", *asked, str(scenario), "--quiet", "--most", "0"]
            result = run.invoke(command_line("explain"), arguments)
            # A name of which a snapshot and all packets know nothing is an error.
            assert result.exit_code in {0, 1}
            lines = [line for line in result.stdout.splitlines() if "--most" not in line]
            told.append("\n".join((f"{scenario.name}:", *filter(None, lines))))
    golden("explain/missing-edges.txt", "\n\n".join(told) + "\n")


@each_scenario
def test_nodes_uplinks_lack_what_explain_says(scenario: Path, tmp_path: Path) -> None:
    """Of the nodes' uplinks alone, too, each missing edge has a reason."""
    found = map_capture(uplink_capture(scenario, tmp_path, conntrack=False))
    for asked in map(pair, missing(scenario, found)):
        explanation = explain(Question(*asked), found)
        assert explanation.is_edge or explanation.hints

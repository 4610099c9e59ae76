"""Every output format on one graph, byte for byte, and what hostile names do to it."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from typer.testing import CliRunner, Result

from otterize_pcap.cli.app import command_line
from otterize_pcap.compare.check import CheckResult, Violation, check_graph
from otterize_pcap.compare.diff import GraphDiff, diff_graphs
from otterize_pcap.compare.findings import FindingList, check_findings, diff_findings
from otterize_pcap.errors import UsageError
from otterize_pcap.graph.call_rows import CallRow
from otterize_pcap.graph.graph_format import encode_graph
from otterize_pcap.graph.naming import printable
from otterize_pcap.graph.service_graph import (
    ATTEMPTED,
    Call,
    Coverage,
    Evidence,
    External,
    NodeCoverage,
    ServiceGraph,
    Use,
    Workload,
)
from otterize_pcap.graph.views import through_services
from otterize_pcap.intents.places import Places
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.render.calls_csv import render_csv
from otterize_pcap.render.calls_json import render_rows
from otterize_pcap.render.check_text import render_check
from otterize_pcap.render.comparison_json import render_check_json, render_diff_json
from otterize_pcap.render.diff_text import render_diff
from otterize_pcap.render.dot import render_dot
from otterize_pcap.render.github_annotations import render_annotations
from otterize_pcap.render.junit import render_junit
from otterize_pcap.render.list_text import render_list
from otterize_pcap.render.list_wide import render_wide
from otterize_pcap.render.markdown import render_markdown
from otterize_pcap.render.mermaid import render_mermaid
from otterize_pcap.render.open_metrics import render_open_metrics
from otterize_pcap.render.picture import Picture, picture_of_diff, picture_of_graph
from otterize_pcap.render.routes import find_routes
from otterize_pcap.render.sarif import render_sarif
from otterize_pcap.render.svg import render_svg
from tests.conftest import FIXTURES, Otterize
from tests.strategies import graphs, laws

Golden = Callable[[str, str], None]

NOON = 1_790_000_000_000_000_000


def use(port: int, protocol: str = "TCP", services: tuple[str, ...] = (), **outcomes: int) -> Use:
    """Connections to a port by outcome, one established where none is given."""
    counts = outcomes or {"established": 1}
    return Use(
        protocol,
        port,
        sum(counts.values()),
        (12, 9),
        (1400, 900),
        NOON,
        NOON + 61_500_000_000,
        tuple(sorted(counts.items())),
        (("S30", sum(counts.values())),),
        services,
        Evidence("pcap/node-a.pcap", 17, NOON, "S30"),
    )


CHECKOUT = Workload("checkout", "shop", "Deployment")
KAFKA = Workload("kafka", "infra", "StatefulSet")
HOSTILE = Workload('<script>alert("1")</script>\n|`@team`', "shop", "Job")

GRAPH = ServiceGraph(
    (
        Call(HOSTILE, Workload("=cmd()", "shop", "Pod"), uses=(use(53, "UDP"),)),
        Call(
            CHECKOUT,
            KAFKA,
            uses=(use(9092, services=("kafka.infra",), established=3, refused=1), use(9093)),
        ),
        Call(CHECKOUT, Workload("legacy", "shop", "Pod"), ATTEMPTED, uses=(use(80, refused=2),)),
        Call(CHECKOUT, External("api.example.com"), uses=(use(443),)),
        Call(KAFKA, KAFKA, uses=(use(9093),)),
        Call(KAFKA, Workload("zookeeper", "infra", "StatefulSet")),
    )
)
BEFORE = ServiceGraph(
    (
        Call(CHECKOUT, KAFKA, uses=(use(9092),)),
        Call(CHECKOUT, Workload("mysql", "shop", "StatefulSet"), uses=(use(3306),)),
        Call(KAFKA, Workload("zookeeper", "infra", "StatefulSet")),
    )
)
PARTLY = ServiceGraph(
    GRAPH.calls, Coverage(nodes=(NodeCoverage("b", NodeStatus.FAILED, "Pending"),))
)

DIFF = diff_graphs(BEFORE, GRAPH)
UNSURE = diff_graphs(BEFORE, PARTLY)
CHECK = check_graph(PARTLY, BEFORE)

RENDERED: dict[str, str] = {
    "list.txt": render_list(GRAPH),
    "list-ports.txt": render_list(GRAPH, ports=True),
    "list-services.txt": render_list(through_services(GRAPH)),
    "wide.txt": render_wide(GRAPH),
    "calls.csv": render_csv(GRAPH),
    "calls.json": render_rows(GRAPH),
    "graph.json": encode_graph(PARTLY),
    "metrics.txt": render_open_metrics(GRAPH),
    "diff.txt": render_diff(DIFF),
    "diff-changes-only.txt": render_diff(DIFF, changes_only=True),
    "diff-color.txt": render_diff(UNSURE, color=True),
    "diff.json": render_diff_json(UNSURE),
    "diff.md": render_markdown(diff_findings(DIFF)),
    "diff.xml": render_junit(diff_findings(UNSURE)),
    "diff.sarif": render_sarif(diff_findings(DIFF, Places("new, 100%.yaml"))),
    "diff.github.txt": render_annotations(diff_findings(DIFF, Places("new, 100%.yaml"))),
    "check.txt": render_check(CHECK, unused=True),
    "check.json": render_check_json(CHECK),
    "check.md": render_markdown(check_findings(CHECK, unused=True)),
    "check.xml": render_junit(check_findings(CHECK, unused=True)),
    "check.sarif": render_sarif(check_findings(CHECK, Places("intents.yaml"), unused=True)),
    "check.github.txt": render_annotations(
        check_findings(CHECK, Places("intents.yaml"), unused=True)
    ),
    "graph.dot": render_dot(picture_of_graph(GRAPH)),
    "graph.mmd": render_mermaid(picture_of_graph(GRAPH)),
    "graph.svg": render_svg(picture_of_graph(GRAPH)),
    "diff.dot": render_dot(picture_of_diff(DIFF)),
    "diff.mmd": render_mermaid(picture_of_diff(DIFF)),
    "diff.svg": render_svg(picture_of_diff(UNSURE)),
}


@pytest.mark.parametrize("name", RENDERED)
def test_format(name: str, golden: Golden) -> None:
    """Each format of one graph, of a diff, and of a check."""
    golden(f"render/{name}", RENDERED[name])


EMPTY = {
    "text": (render_list(ServiceGraph()), ""),
    "wide": (render_wide(ServiceGraph()), ""),
    "json": (render_rows(ServiceGraph()), "[]\n"),
    "diff": (render_diff(GraphDiff()), ""),
    "mermaid": (render_mermaid(picture_of_graph(ServiceGraph())), "flowchart LR\n"),
    "github": (render_annotations(diff_findings(GraphDiff())), ""),
    "markdown": (
        render_markdown(diff_findings(GraphDiff())),
        "### otterize diff\n\n**0 findings**, 0 calls unchanged.\n",
    ),
    "check": (render_check(CheckResult()), "No observed call was there to check.\n"),
}


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_is_printed_as_nothing(name: str) -> None:
    """A graph without calls and a diff without differences are valid in each format."""
    rendered, expected = EMPTY[name]
    assert rendered == expected


@laws
@given(graphs())
def test_xml_is_well_formed_whatever_the_names(graph: ServiceGraph) -> None:
    """SVG and JUnit parse, and hold as many calls as the graph."""
    svg = ET.fromstring(render_svg(picture_of_graph(graph)))  # noqa: S314 - our own output
    drawn = svg.findall("{http://www.w3.org/2000/svg}path/{http://www.w3.org/2000/svg}title")
    assert len(drawn) == len(graph.calls)
    found = diff_findings(diff_graphs(ServiceGraph(), graph))
    suite = ET.fromstring(render_junit(found))  # noqa: S314 - our own output
    assert len(suite.findall(".//testcase/failure")) == len(graph.calls)


@laws
@given(graphs())
def test_csv_reads_as_the_json_rows(graph: ServiceGraph) -> None:
    """A CSV reader finds the rows of the JSON list; only formulas and line ends are disarmed."""
    rows = list(csv.DictReader(io.StringIO(render_csv(graph), newline="")))
    listed = json.loads(render_rows(graph))
    assert [row["server"].lstrip("'") for row in rows] == [
        printable(row["server"]) for row in listed
    ]
    assert [row["port"] for row in rows] == [
        "" if row["port"] is None else str(row["port"]) for row in listed
    ]
    for row in rows:
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values())


def test_names_are_as_short_as_they_can_be() -> None:
    """S62: bare in the client's namespace; a heading only where no other namespace has the name."""
    dev, prod, db = Workload("web", "dev"), Workload("web", "prod"), Workload("db", "prod")
    alone = ServiceGraph((Call(db, prod), Call(prod, db)))
    assert render_list(alone) == "db calls:\n  - web\n\nweb calls:\n  - db\n"
    twice = ServiceGraph((Call(dev, db), Call(prod, db)))
    assert render_list(twice) == ("web.dev calls:\n  - db.prod\n\nweb.prod calls:\n  - db\n")


def test_csv_has_a_column_for_each_field() -> None:
    """The headings are the fields of the JSON list."""
    heading = RENDERED["calls.csv"].partition("\n")[0].split(",")
    assert heading == list(json.loads(RENDERED["calls.json"])[0])
    assert len(heading) == len(CallRow.__struct_fields__)


METRIC = re.compile(r'[a-z_]+_total\{([a-z_]+="([^"\\\n]|\\["\\n])*",?)+\} [0-9]+')


@laws
@given(graphs())
def test_metrics_follow_the_grammar(graph: ServiceGraph) -> None:
    """Every line is a comment or a counter with escaped labels, and the last one is # EOF."""
    lines = render_open_metrics(graph).split("\n")
    assert lines[-2:] == ["# EOF", ""]
    for line in lines[:-2]:
        assert line.startswith(("# TYPE ", "# HELP ")) or METRIC.fullmatch(line), line


def many(count: int) -> FindingList:
    """A diff with so many added calls."""
    calls = [Call(Workload(f"c{i:05}", "shop"), KAFKA) for i in range(count)]
    return diff_findings(GraphDiff(added=tuple(calls)))


@pytest.mark.parametrize(("count", "lines", "last"), [(10, 10, "c00009"), (11, 10, "2 more")])
def test_github_shows_ten(count: int, lines: int, last: str) -> None:
    """GitHub keeps ten errors of a step, so the tenth counts the rest."""
    printed = render_annotations(many(count)).splitlines()
    assert len(printed) == lines
    assert last in printed[-1]


def test_markdown_fits_a_comment() -> None:
    """A comment on GitHub holds 65,536 characters."""
    text = render_markdown(many(5000))
    assert len(text) < 65_536
    assert re.search(r"\n\n[\d,]+ more are not shown here\.\n$", text)


def test_markdown_names_cannot_format() -> None:
    """Outside code spans no character of a name has a meaning to Markdown or HTML."""
    call = Call(HOSTILE, External("[x](http://y) <b>"))
    text = render_markdown(check_findings(CheckResult(violations=(Violation(call, "| <i> *a*"),))))
    row = text.splitlines()[-1]
    assert not set("<>*[]()`@") & set(re.sub("</?code>", "", row))
    assert row.count("|") == 6


def test_sarif_has_what_code_scanning_wants() -> None:
    """Every result has a known rule, a message, a file and a fingerprint of its own."""
    log = json.loads(RENDERED["check.sarif"])
    [run] = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    prints = set()
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["message"]["text"]
        location = result["locations"][0]["physicalLocation"]
        assert location["artifactLocation"]["uri"] == "intents.yaml"
        prints.add(result["partialFingerprints"]["call/v1"])
    assert len(prints) == len(run["results"])


def test_mermaid_refuses_what_it_cannot_draw() -> None:
    """More edges than Mermaid draws are an error with a way out."""
    calls = tuple(Call(Workload(f"c{i}", "shop"), KAFKA) for i in range(501))
    with pytest.raises(UsageError, match="501 calls are too many for Mermaid"):
        render_mermaid(picture_of_graph(ServiceGraph(calls)))


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("name", ["graph.dot", "diff.dot"])
def test_graphviz_reads_dot(name: str) -> None:
    """The real dot accepts what we write, hostile names included."""
    done = subprocess.run(
        ["dot", "-Tsvg"], input=RENDERED[name].encode(), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def columns(picture: Picture) -> list[int]:
    """The column of each node."""
    return [place.column for place in find_routes(picture).nodes]


def test_layout_puts_clients_left_of_servers() -> None:
    """A chain is a row of columns, whatever leads back."""
    a, b, c = (Workload(name, "x") for name in "abc")
    chain = ServiceGraph((Call(a, b), Call(a, c), Call(b, c), Call(c, a), Call(c, c)))
    assert columns(picture_of_graph(chain)) == [0, 1, 2]


@laws
@given(graphs())
def test_layout_gives_each_node_a_place_of_its_own(graph: ServiceGraph) -> None:
    """No two nodes share a place, and no column is missing."""
    picture = picture_of_graph(graph)
    places = find_routes(picture).nodes
    assert len(set(places)) == len(places) == len(picture.nodes)
    assert {place.column for place in places} == set(range(len(set(columns(picture)))))


def invoke(*arguments: object) -> Result:
    """Run a command in this process, which is quicker than a new one."""
    return CliRunner().invoke(command_line(), [str(argument) for argument in arguments])


BOTH = (FIXTURES / "tutorial-before", FIXTURES / "tutorial-after")


@pytest.mark.parametrize("form", ["json", "csv", "graph", "openmetrics"])
def test_list_formats_of_a_capture(form: str) -> None:
    """`list --format` prints each form of a recorded capture."""
    done = invoke("intents", "list", BOTH[1], "--format", form, "-q")
    assert (done.exit_code, done.exception) == (0, None)
    assert "zookeeper" in done.stdout


@pytest.mark.parametrize("width", [220, 140, 110, 80, 60, 40])
def test_wide_table_fits_a_terminal(width: int) -> None:
    """What has no room is left out, in the end for a few lines a port; who calls whom is kept."""
    text = render_wide(GRAPH, width)
    assert max(map(len, text.splitlines())) <= width
    squeezed = re.sub(r"\s", "", text)
    for name in {side.name for call in GRAPH.calls for side in (call.client, call.server)}:
        assert re.sub(r"\s", "", printable(name)) in squeezed
    assert (text == render_wide(GRAPH)) == (width == 220)


def test_wide_is_for_text(otterize: Otterize) -> None:
    """--wide beside another format is a usage error."""
    done = otterize("intents", "list", FIXTURES / "tutorial-after", "--format", "csv", "--wide")
    assert done.returncode == 2
    assert "--wide and --ports are for text" in done.stderr


@pytest.mark.parametrize("form", ["text", "json", "markdown", "junit", "sarif", "github"])
@pytest.mark.parametrize("command", ["diff", "check"])
def test_diff_and_check_formats_of_captures(command: str, form: str) -> None:
    """Each format tells the one added call, and the exit code does as well."""
    before, after = BOTH
    sides = (before, after) if command == "diff" else (after, "--allow", before)
    done = invoke(command, *sides, "--format", form, "-q")
    assert done.exit_code == 1
    assert "client" in done.stdout


@pytest.mark.parametrize("command", ["diff", "check"])
def test_exit_zero(command: str) -> None:
    """Those who only look get the findings and a zero."""
    before, after = BOTH
    sides = (before, after) if command == "diff" else (after, "--allow", before)
    done = invoke(command, *sides, "--exit-zero", "-q")
    assert done.exit_code == 0
    assert "client" in done.stdout


def test_coverage_thresholds_exit_with_six(otterize: Otterize) -> None:
    """A capture that is not good enough fails, whatever it shows; what both lack is said once."""
    before = FIXTURES / "tutorial-before"
    done = otterize(
        "diff", before, before, "-q", "--require-node", "nowhere", "--max-unresolved=5%"
    )
    assert (done.returncode, done.stderr) == (
        6,
        "otterize: node nowhere was not captured\n",
    )


def test_ignore_file_of_a_diff(tmp_path: Path) -> None:
    """What is ignored is no difference."""
    rules = tmp_path / "ignore"
    rules.write_text("client.tutorial -> *\n", encoding="utf-8")
    done = invoke("diff", *BOTH, "--ignore", rules, "-q")
    assert (done.exit_code, done.stdout) == (0, "")


@pytest.mark.parametrize("form", ["dot", "mermaid", "svg", "html"])
def test_graph_of_two_captures(form: str) -> None:
    """`graph --since` marks what was added."""
    before, after = BOTH
    done = invoke("graph", after, "--since", before, "--format", form, "-q")
    assert (done.exit_code, done.exception) == (0, None)
    if form == "html":
        [data] = re.findall(
            r'<script type="application/json" id="data">(.*?)</script>', done.stdout
        )
        assert {edge[4] for edge in json.loads(data)["edges"]} == {"", "added"}
    else:
        assert "#1a7f37" in done.stdout


def page_data(*command: object) -> dict[str, Any]:
    """The data of a page that `graph` writes."""
    done = invoke("graph", *command, "--format", "html", "-q")
    assert (done.exit_code, done.exception) == (0, None)
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', done.stdout)
    found: dict[str, Any] = json.loads(data)
    return found


@pytest.mark.parametrize("fixture", ["two-namespaces", "services", "tutorial-after"])
def test_graph_json_keeps_what_a_page_shows(fixture: str, tmp_path: Path) -> None:
    """Calls, pods behind them and labels are the same as of the capture itself."""
    kept = tmp_path / "graph.json"
    done = invoke("intents", "list", FIXTURES / fixture, "--format", "graph", "-o", kept, "-q")
    assert done.exit_code == 0
    of_capture, of_json = page_data(FIXTURES / fixture), page_data(kept)
    assert of_capture["pods"]
    for part in ("nodes", "edges", "pods", "labels", "files"):
        assert of_capture[part] == of_json[part]


def test_a_page_says_which_labels_there_are() -> None:
    """A label that nobody has leaves it at namespaces, which a note says."""
    command = ("graph", FIXTURES / "two-namespaces", "--format", "html", "-o", "/dev/null", "-q")
    missing = "note: no workload has the label team, so the page opens on namespaces; "
    done = invoke(*command, "--group-by", "team")
    assert done.exit_code == 0
    assert done.stderr.startswith(missing)
    assert invoke(*command, "--group-by", "app").stderr == ""
    assert page_data(FIXTURES / "two-namespaces", "--group-by", "app")["by"] == "label:app"
    assert page_data(FIXTURES / "two-namespaces", "--group-by", "kind")["by"] == "kind"


def test_grouping_is_for_pages(otterize: Otterize) -> None:
    """`--group-by` with another form is a usage error."""
    done = otterize("graph", FIXTURES / "two-namespaces", "--group-by", "team")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "otterize: --group-by team is for html, and this is dot; drop it\n"


MAGICS = {
    "png": b"\x89PNG",
    "pdf": b"%PDF",
    "ps": b"%!PS",
    "jpg": b"\xff\xd8\xff",
    "gif": b"GIF8",
    "webp": b"RIFF",
}


@pytest.mark.parametrize("kind", MAGICS)
def test_lines_for_other_pictures_work_as_pasted(
    kind: str, otterize: Otterize, tmp_path: Path
) -> None:
    """What `-o x.png` says can be pasted into a shell, and makes such a file."""
    refused = otterize("graph", FIXTURES / "two-namespaces", "-o", tmp_path / f"my calls.{kind}")
    assert (refused.returncode, refused.stdout) == (2, "")
    lines = refused.stderr.split(f"others make {kind}: ")[1].strip().split(", or ")
    assert len(lines) == (2 if kind in ("png", "pdf", "ps") else 1)
    tools = {"rsvg-convert", "dot"} & set(" ".join(lines).split())
    if missing := sorted(tool for tool in tools if shutil.which(tool) is None):
        pytest.skip(f"{', '.join(missing)} is not installed")
    for line in lines:
        command = line.replace("otterize graph CAPTURE", '"$PYTHON" -m otterize_pcap graph "$FROM"')
        environment = {
            **os.environ,
            "PYTHON": sys.executable,
            "FROM": str(FIXTURES / "two-namespaces"),
        }
        subprocess.run(["sh", "-c", command], check=True, env=environment, stderr=subprocess.PIPE)
        made = tmp_path / f"my calls.{kind}"
        assert made.read_bytes().startswith(MAGICS[kind])
        made.unlink()

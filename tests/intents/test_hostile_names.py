"""Names are whatever somebody wrote into a cluster: no output lets one become anything else.

Each format is read back by a parser of its own, and must say the names and nothing more.
"""

import csv
import io
import json
import re
from html import unescape
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from otterize_pcap.compare.check import check_graph
from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.compare.findings import FindingList, check_findings
from otterize_pcap.graph.graph_format import decode_graph, encode_graph
from otterize_pcap.graph.naming import full_name, printable
from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import Call, External, Server, ServiceGraph, Workload
from otterize_pcap.intents.places import Places
from otterize_pcap.render.calls_csv import FORMULA, render_csv
from otterize_pcap.render.diff_text import render_diff
from otterize_pcap.render.dot import render_dot
from otterize_pcap.render.github_annotations import render_annotations
from otterize_pcap.render.html import render_html
from otterize_pcap.render.junit import render_junit
from otterize_pcap.render.list_text import render_list
from otterize_pcap.render.list_wide import render_wide
from otterize_pcap.render.markdown import render_markdown
from otterize_pcap.render.mermaid import render_mermaid
from otterize_pcap.render.open_metrics import render_open_metrics
from otterize_pcap.render.picture import Picture, picture_of_diff, picture_of_graph
from otterize_pcap.render.sarif import render_sarif
from otterize_pcap.render.svg import render_svg
from tests.strategies import uses

HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' or 1=1 --",
    "a\\",
    '\\"];x',
    "a\nb",
    "a\r\n::error::b",
    "\x1b]0;title\x07\x1b[31m",
    "\u202egnp.exe",
    "שלום",
    "🦦",
    "👩‍💻",
    "@everyone [x](javascript:alert(1)) `code` | cell | <b>",
    "=cmd|' /C calc'!A1",
    "%0A::warning::x",
    "]]>",
    "<!--",
    "\x00",
    "\ufffe",
    "#quot;",
    "end",
    "{data}",
    "${x} $(x) `x`",
    "__proto__",
)
names = st.sampled_from(HOSTILE) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
workloads = st.builds(Workload, names, names, names)
calls = st.builds(
    Call,
    client=workloads,
    server=workloads | st.builds(External, names),
    uses=st.lists(uses, max_size=1).map(tuple),
)
graphs = st.lists(calls, max_size=4, unique_by=lambda call: (call.client, call.server)).map(
    lambda found: ServiceGraph(tuple(sorted(found, key=call_order)))
)
EVERY_NAME = ServiceGraph(
    tuple(
        sorted(
            (Call(Workload(name, name, name), Workload(name, "shop", name)) for name in HOSTILE),
            key=call_order,
        )
    )
)
law = settings(max_examples=60)


def findings_of(graph: ServiceGraph) -> FindingList:
    """Every call of the graph as a violation."""
    return check_findings(check_graph(graph, ServiceGraph()), Places("intents.yaml"))


def parties_of(graph: ServiceGraph) -> set[Server]:
    """All workloads and servers of a graph."""
    return {party for call in graph.calls for party in (call.client, call.server)}


def pictures_of(graph: ServiceGraph) -> tuple[Picture, Picture]:
    """The graph itself, and all of it added to nothing."""
    return picture_of_graph(graph), picture_of_diff(diff_graphs(ServiceGraph(), graph))


@law
@given(graphs)
@example(EVERY_NAME)
def test_graph_json_keeps_every_name(graph: ServiceGraph) -> None:
    """What is written is what is read."""
    assert decode_graph(encode_graph(graph).encode(), "graph.json") == graph


@law
@given(graphs)
@example(EVERY_NAME)
def test_terminal_gets_only_printable_text(graph: ServiceGraph) -> None:
    """No name moves the cursor, colours the screen, breaks a line or turns its direction."""
    diff = diff_graphs(ServiceGraph(), graph)
    for text in (render_list(graph), render_wide(graph), render_diff(diff)):
        assert all(line.isprintable() for line in text.split("\n"))
    assert render_wide(graph).count("\n") <= 1 + sum(max(1, len(c.uses)) for c in graph.calls)


@law
@given(graphs)
@example(EVERY_NAME)
def test_csv_cells_are_names_and_no_formulas(graph: ServiceGraph) -> None:
    """Each cell reads back as the name, with an apostrophe where it could be a formula."""
    text = render_csv(graph)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    expected = [call for call in graph.calls for _ in call.uses or (None,)]
    for row, call in zip(rows, expected, strict=True):
        for column, name in (
            ("client", call.client.name),
            ("clientNamespace", call.client.namespace),
            ("server", call.server.name),
        ):
            shown = printable(name)
            assert row[column] == (f"'{shown}" if shown.startswith(FORMULA) else shown)


@law
@given(graphs)
@example(EVERY_NAME)
def test_xml_is_well_formed_and_says_the_names(graph: ServiceGraph) -> None:
    """JUnit and SVG parse, and hold no element or attribute that a name made."""
    suite = ET.fromstring(render_junit(findings_of(graph)))  # noqa: S314 - our own output
    cases = [(case.get("classname"), case.get("name")) for case in suite.findall(".//testcase")]
    assert sorted(cases) == sorted(
        (printable(full_name(call.client)), f"calls {printable(full_name(call.server))}")
        for call in graph.calls
    )
    for picture in pictures_of(graph):
        drawn = ET.fromstring(render_svg(picture))  # noqa: S314 - our own output
        tags = {element.tag.rpartition("}")[2] for element in drawn.iter()}
        assert tags <= {"svg", "defs", "marker", "path", "rect", "g", "text", "title"}
        boxes = drawn.findall("{*}g")
        assert len(boxes) == len(parties_of(graph))


@law
@given(graphs)
@example(EVERY_NAME)
def test_sarif_is_json_with_one_result_each(graph: ServiceGraph) -> None:
    """A result for each call, with fingerprints that tell them apart."""
    (run,) = json.loads(render_sarif(findings_of(graph)))["runs"]
    prints = {json.dumps(result["partialFingerprints"]) for result in run["results"]}
    assert len(prints) == len(run["results"]) == len(graph.calls)


@law
@given(graphs)
@example(EVERY_NAME)
def test_annotations_are_one_line_each(graph: ServiceGraph) -> None:
    """No name ends its workflow command or begins another."""
    lines = render_annotations(findings_of(graph)).splitlines()
    assert len(lines) == min(len(graph.calls), 10)
    assert all(line.startswith("::error file=intents.yaml,line=1,title=") for line in lines)


@law
@given(graphs)
@example(EVERY_NAME)
def test_markdown_table_has_its_columns_and_no_markup(graph: ServiceGraph) -> None:
    """A row a call, five columns a row; what is no code span holds no character of Markdown."""
    text = render_markdown(findings_of(graph))
    rows = [line for line in text.split("\n") if line.startswith("| A call")]
    assert len(rows) == len(graph.calls)
    assert all(line.isprintable() for line in text.split("\n"))
    for row, call in zip(rows, graph.calls, strict=True):
        cells = row.strip("|").split("|")
        assert len(cells) == 5
        for cell, party in zip(cells[1:3], (call.client, call.server), strict=True):
            name = printable(full_name(party))
            if re.fullmatch(r"[A-Za-z0-9._:/-]+", name):
                assert cell == f" `{name}` "
                continue
            inside = cell.removeprefix(" <code>").removesuffix("</code> ")
            assert re.fullmatch(r"(?:[A-Za-z0-9 ,;/→+-]|&#[0-9]+;)*", inside)
            assert unescape(inside) == name


def label_values(line: str) -> dict[str, str]:
    """The labels of an OpenMetrics sample, by its grammar (OpenMetrics 1.0, label-value)."""
    inside, _, rest = line.partition("{")[2].rpartition("} ")
    assert rest.isdigit()
    found: dict[str, str] = {}
    position = 0
    pattern = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"(?:,|\Z)')
    while position < len(inside):
        match = pattern.match(inside, position)
        assert match is not None, inside[position:]
        found[match[1]] = re.sub(
            r"\\(.)", lambda escaped: "\n" if escaped[1] == "n" else escaped[1], match[2]
        )
        position = match.end()
    return found


@law
@given(graphs)
@example(EVERY_NAME)
def test_open_metrics_labels_read_back(graph: ServiceGraph) -> None:
    """Each sample is one line whose labels are the names."""
    lines = render_open_metrics(graph).split("\n")
    assert lines[-2:] == ["# EOF", ""]
    samples = [line for line in lines if line.startswith("traces_service_graph_request_total")]
    expected = [call for call in graph.calls for _ in call.uses]
    for line, call in zip(samples, expected, strict=True):
        labels = label_values(line)
        assert (labels["client"], labels["server"]) == (call.client.name, call.server.name)
        assert labels["client_namespace"] == call.client.namespace


STRING = r'"((?:[^"\\\n]|\\["\\])*)"'


@law
@given(graphs)
@example(EVERY_NAME)
def test_dot_has_only_the_statements_it_means(graph: ServiceGraph) -> None:
    """Every line matches DOT's grammar for nodes, edges and clusters; quoted strings stay whole."""
    statement = re.compile(
        rf"""(?:digraph\ calls\ \{{|\ *\}}|\ \ rankdir=LR;|\ \ newrank=true;
        |\ \ (?:node|edge)\ \[[a-z=,\ "0-9-]+\];
        |\ \ subgraph\ cluster_\d+\ \{{
        |\ \ \ \ label={STRING};
        |\ +n\d+\ \[label={STRING}(?:,\ shape=ellipse)?\];
        |\ \ n\d+\ ->\ n\d+(?:\ \[(?:label={STRING})?(?:,\ )?(?:color="\#[0-9a-f]{{6}}",\ )?
          (?:(?:penwidth=2)|style=[a-z]+)?\])?;)""",
        re.VERBOSE,
    )
    for picture in pictures_of(graph):
        text = render_dot(picture)
        for line in text.rstrip("\n").split("\n"):
            assert statement.fullmatch(line), line


@law
@given(graphs)
@example(EVERY_NAME)
def test_mermaid_labels_hold_no_syntax(graph: ServiceGraph) -> None:
    """Every label is plain characters and character references, every line a known statement."""
    label = r'"(?:[A-Za-z0-9 ._-]|#[0-9]+;)*"'
    statement = re.compile(
        rf"(?:flowchart LR|  subgraph s\d+\[{label}\]|    n\d+\[{label}\]|  end"
        rf"|  n\d+\(\[{label}\]\)|  n\d+ --> n\d+|  linkStyle [\d,]+ [a-z0-9#:, -]+)"
    )
    for picture in pictures_of(graph):
        for line in render_mermaid(picture).rstrip("\n").split("\n"):
            assert statement.fullmatch(line), line


@law
@given(graphs)
@example(EVERY_NAME)
def test_page_holds_names_only_as_json(graph: ServiceGraph) -> None:
    """The data block ends where it should, and no other part of the page depends on names."""
    page = render_html(picture_of_graph(graph))
    start = page.index('id="data">') + len('id="data">')
    end = page.index("</script>", start)
    value = json.loads(page[start:end])
    assert {label for label, *_ in value["nodes"]} == {
        node.label for node in picture_of_graph(graph).nodes
    }
    empty = render_html(picture_of_graph(ServiceGraph()))
    begin, finish = empty.index('id="data">'), empty.rindex("<script>")
    assert page[:start] == empty[: begin + len('id="data">')]
    assert page.endswith(empty[finish:])
    assert "<" not in page[start:end]


@pytest.mark.parametrize("title", ["</title><script>x</script>", '"><b>', "{data}{csp}"])
def test_title_of_the_page_is_text(title: str) -> None:
    """A title, too, may be anything."""
    page = render_html(picture_of_graph(ServiceGraph()), title)
    found = re.findall(r"<title>(.*?)</title>", page)
    assert [unescape(text) for text in found] == [title]

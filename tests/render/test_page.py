"""The HTML page in a real browser: what it shows, and what it refuses to do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.graph.naming import printable
from otterize_pcap.graph.service_graph import Call, External, ServiceGraph, Workload, call_order
from otterize_pcap.render.html import render_html
from otterize_pcap.render.picture import Picture, picture_of_diff, picture_of_graph
from tests.browser import MISSING, Browser, chromium
from tests.render.test_renderings import BEFORE, GRAPH

pytestmark = pytest.mark.skipif(MISSING, reason="chromium and chromedriver are not installed")

DIFF = picture_of_diff(diff_graphs(BEFORE, GRAPH))
CLIENT, SERVER = '<script>alert("1")</script>\\n|`@team`.shop', "=cmd().shop"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with chromium() as opened:
        yield opened


def show(browser: Browser, folder: Path, picture: Picture, title: str = "Calls") -> None:
    """Open the page of a picture; it must load without a complaint."""
    page = folder / "calls.html"
    page.write_text(render_html(picture, title), encoding="utf-8")
    browser.open(page)
    assert browser.console() == []


def panel(browser: Browser) -> str:
    """The text beside the graph."""
    return str(browser.run("return document.getElementById('panel').innerText"))


def search(browser: Browser, text: str) -> str:
    """Type into the search field, and read how many calls are left."""
    script = """
        const field = document.getElementById("search");
        field.value = arguments[0];
        field.dispatchEvent(new Event("input"));
        return document.getElementById("count").textContent;
    """
    return str(browser.run(script, text))


def tap(browser: Browser, element: str) -> None:
    """Click a node or an edge of the graph, by its id."""
    browser.run("cy.getElementById(arguments[0]).emit('tap')", element)


def drawn(browser: Browser, kind: str) -> int:
    """How many nodes or edges are not filtered out."""
    return int(browser.run(f"return cy.{kind}s().filter((e) => !e.hasClass('gone')).length"))


def test_everything_is_drawn_and_listed(browser: Browser, tmp_path: Path) -> None:
    """Each node and call is on the canvas, and each call in the list beside it."""
    show(browser, tmp_path, DIFF)
    assert (drawn(browser, "node"), drawn(browser, "edge")) == (8, 7)
    text = panel(browser)
    assert "shown (7)" in text
    assert "- checkout.shop → mysql.shop" in text
    assert "~ checkout.shop → kafka.infra" in text
    assert "+ kafka.infra → kafka.infra" in text


def test_edges_are_really_painted(browser: Browser, tmp_path: Path) -> None:
    """The canvas has pixels in the colours of added, removed and changed calls."""
    show(browser, tmp_path, DIFF)
    script = """
        const found = new Set();
        const image = document.createElement("canvas");
        const layers = document.querySelectorAll("#graph canvas");
        image.width = layers[0].width;
        image.height = layers[0].height;
        const pen = image.getContext("2d");
        cy.forceRender();
        for (const layer of layers) pen.drawImage(layer, 0, 0);
        const { data } = pen.getImageData(0, 0, image.width, image.height);
        for (let i = 0; i < data.length; i += 4) {
          if (data[i + 3] === 255) found.add([data[i], data[i + 1], data[i + 2]].join());
        }
        return [...found];
    """
    colours = {"26,127,55": "added", "207,34,46": "removed", "154,103,0": "changed"}
    painted = set()
    for _ in range(50):
        painted = set(browser.run(script)) & set(colours)
        if len(painted) == len(colours):
            break
    assert {colours[colour] for colour in painted} == {"added", "removed", "changed"}


def test_click_on_an_edge_shows_its_evidence(browser: Browser, tmp_path: Path) -> None:
    """Ports, counts, times, the file and the packet."""
    show(browser, tmp_path, picture_of_graph(GRAPH))
    edge = browser.run(
        "return cy.edges().filter((e) => e.source().data('label') === 'checkout.shop' "
        "&& e.target().data('label') === 'kafka.infra')[0].id()"
    )
    tap(browser, edge)
    text = panel(browser)
    for said in (
        "checkout.shop → kafka.infra",
        "TCP 9092",
        "TCP 9093",
        "3 established, 1 refused",
        "2026-09-21T14:13:20.000000000Z",
        "pcap/node-a.pcap, packet 17",
        "kafka.infra",
    ):
        assert said in text
    assert browser.run("return cy.elements().not('.dim').length") == 3


def test_click_on_a_workload_shows_its_calls(browser: Browser, tmp_path: Path) -> None:
    """What it calls and what calls it; a click beside the graph leads back."""
    show(browser, tmp_path, picture_of_graph(GRAPH))
    node = browser.run("return cy.nodes().filter((n) => n.data('label') === 'kafka.infra')[0].id()")
    tap(browser, node)
    text = panel(browser)
    assert "calls (2)" in text
    assert "called by (2)" in text
    browser.run("cy.emit('tap')")
    assert "shown (6)" in panel(browser)
    assert browser.run("return cy.elements('.dim').length") == 0


def test_search_and_namespace_filter(browser: Browser, tmp_path: Path) -> None:
    """A search counts the calls that match; a namespace can be taken away and put back."""
    show(browser, tmp_path, picture_of_graph(GRAPH))
    assert search(browser, "KAFKA") == "3 of 6 calls"
    opacity = browser.run("return cy.edges().map((edge) => Number(edge.style('opacity'))).sort()")
    assert opacity == [0.02, 0.02, 0.02, 1, 1, 1]
    assert search(browser, "udp 53") == "1 of 6 calls"
    assert search(browser, "nothing like it") == "0 of 6 calls"
    assert search(browser, "") == "6 of 6 calls"
    box = "document.querySelectorAll('#namespace-list input')"
    names = browser.run(
        "return [...document.querySelectorAll('#namespace-list label')].map((l) => l.textContent)"
    )
    assert names == ["outside the cluster", "infra", "shop"]
    browser.run(f"{box}[1].click()")
    assert (drawn(browser, "node"), drawn(browser, "edge")) == (5, 3)
    browser.run("document.querySelectorAll('#namespace-list button')[0].click()")
    assert drawn(browser, "edge") == 6


def test_only_differences(browser: Browser, tmp_path: Path) -> None:
    """The box shows with a diff alone, and leaves what was added, removed or changed."""
    show(browser, tmp_path, DIFF)
    browser.run("document.getElementById('changes-only').click()")
    assert drawn(browser, "edge") == 6
    show(browser, tmp_path, picture_of_graph(GRAPH))
    assert browser.run("return document.getElementById('changes-only-label').hidden") is True


ATTACKS = (
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "{library}",
    "<!--<script>",
    "\u2028window.hacked = 1",
    "javascript:window.hacked=1",
    "__proto__",
)


def test_hostile_names_stay_text(browser: Browser, tmp_path: Path) -> None:
    """Names that try to become markup or script are shown as they are, in every place."""
    calls = [
        Call(Workload(name, name, name), External(name + str(index)))
        for index, name in enumerate(ATTACKS)
    ]
    graph = ServiceGraph(tuple(sorted(calls, key=call_order)))
    show(browser, tmp_path, picture_of_graph(graph), title=ATTACKS[0])
    for edge in range(len(ATTACKS)):
        tap(browser, f"e{edge}")
        tap(browser, f"n{edge}")
    assert browser.run("return window.hacked === undefined") is True
    assert browser.run("return document.querySelectorAll('img').length") == 0
    assert browser.run("return document.title") == ATTACKS[0]
    assert browser.run("return picture.nodes.map((n) => n.kind).filter(Boolean).sort()") == sorted(
        map(printable, ATTACKS)
    )
    assert browser.console() == []


def test_policy_stops_what_is_not_the_pages_own(browser: Browser, tmp_path: Path) -> None:
    """A script, handler or image that got in all the same would not run or load."""
    show(browser, tmp_path, DIFF)
    browser.run(
        """
        const script = document.createElement("script");
        script.textContent = "window.hacked = 1";
        document.body.append(script);
        document.body.setAttribute("onclick", "window.hacked = 2");
        document.body.click();
        const image = new Image();
        image.src = "http://127.0.0.1:9/x.png";
        document.body.append(image);
        """
    )
    assert browser.run("return window.hacked === undefined") is True
    complaints = " ".join(browser.console())
    assert "script-src" in complaints
    assert "default-src 'none'" in complaints


def large() -> ServiceGraph:
    """300 workloads and 3,000 calls."""
    workloads = [Workload(f"svc-{i:03}", f"team-{i % 12}", "Deployment") for i in range(300)]
    pairs = {(i, (i * 7 + step * step * 3 + 1) % 300) for i in range(300) for step in range(10)}
    pairs |= {(i, (i + offset) % 300) for i in range(300) for offset in range(11, 15)}
    calls = [Call(workloads[a], workloads[b]) for a, b in sorted(pairs)[:3000]]
    return ServiceGraph(tuple(sorted(calls, key=call_order)))


def test_a_large_graph_stays_usable(browser: Browser, tmp_path: Path) -> None:
    """300 workloads and 3,000 calls are searched and clicked at once, even on a busy machine."""
    show(browser, tmp_path, picture_of_graph(large()))
    assert (drawn(browser, "node"), drawn(browser, "edge")) == (300, 3000)
    script = """
        const start = performance.now();
        const field = document.getElementById("search");
        field.value = "svc-15";
        field.dispatchEvent(new Event("input"));
        const found = performance.now();
        cy.getElementById("n150").emit("tap");
        return [found - start, performance.now() - found];
    """
    assert all(milliseconds < 5000 for milliseconds in browser.run(script))
    assert "svc-150.team-6" in panel(browser)

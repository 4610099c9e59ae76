"""The page in a browser: everything is there, hostile names stay text, nothing else runs."""

from pathlib import Path

import pytest

from otterize_pcap.graph.naming import printable
from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import Call, External, ServiceGraph, Workload
from otterize_pcap.render.html import render_html
from otterize_pcap.render.page_origin import Origin
from otterize_pcap.render.picture import picture_of_graph
from tests.page_pictures import DIFF, SMALL, large
from tests.page_views import Page


def test_few_workloads_are_all_open(page: Page) -> None:
    """Each workload is a box, and each call a line with an arrowhead that ends outside of boxes."""
    page.show(SMALL)
    assert page.boxes() == sorted(node.label for node in SMALL.nodes)
    assert len(page.lines()) == len(SMALL.edges)
    heads = page.run("return document.querySelectorAll('#drawn .line .head').length")
    assert heads == len(SMALL.edges)
    hidden = page.run(
        """
        const inside = ({ x, y }, box) => x > box.x + 1 && x < box.x + box.width - 1
          && y > box.y + 1 && y < box.y + box.height - 1;
        const { places, picture } = mapShown;
        const boxes = picture.boxes.map((box) => places.boxes.get(box.id));
        return places.routes.flatMap(({ points }) => points)
          .filter((point) => boxes.some((box) => inside(point, box))).length;
        """
    )
    assert hidden == 0


def test_a_workload_that_calls_itself_shows_it(page: Page) -> None:
    """The line leaves the box and comes back."""
    page.show(SMALL)
    assert "kafka.infra → kafka.infra" in page.lines()
    points = page.run(
        """
        const index = mapShown.picture.bundles.findIndex(({ from, to }) => from === to);
        return mapShown.places.routes[index].points.length;
        """
    )
    assert points >= 4


@pytest.mark.parametrize("view", ["map", "matrix"])
def test_marks_of_a_diff_are_drawn(page: Page, view: str) -> None:
    """What was added, removed and changed has its class, and a sign besides its colour."""
    page.show(DIFF, f"#view={view}")
    for mark, sign in (("added", "+"), ("removed", "\N{MINUS SIGN}"), ("changed", "~")):
        place = "#drawn .line-label" if view == "map" else ".square"
        texts = page.run(
            "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)",
            f"{place}.{mark} text" if view == "map" else f"{place}.{mark} > text",
        )
        assert texts, mark
        assert all(text.startswith(sign) for text in texts), mark


def test_only_differences(page: Page) -> None:
    """The box is there with a diff alone, and leaves what was added, removed or changed."""
    page.show(DIFF)
    page.run("document.getElementById('only').click()")
    page.settle()
    assert page.text("#count") == "6 of 7 calls"
    assert len(page.lines()) == 6
    page.show(SMALL)
    assert page.run("return document.getElementById('only-label').hidden") is True


def test_an_empty_page_says_so(page: Page) -> None:
    """Without calls there is nothing to lay out, in any view."""
    page.show(picture_of_graph(ServiceGraph()))
    assert page.text("#nothing") == "No call matches."
    page.click("Matrix", "#bar button")
    page.click("Table", "#bar button")
    assert page.browser.console() == []


ATTACKS = (
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "{library}",
    "<!--<script>",
    "\u2028window.hacked = 1",
    "javascript:window.hacked=1",
    "__proto__",
    "constructor",
    "url(#looks)",
)


def hostile() -> ServiceGraph:
    """Names, namespaces, kinds, labels and domains that try to become markup or script."""
    calls = [
        Call(Workload(name, name, name, f"{name}={name}"), External(name + str(index)))
        for index, name in enumerate(ATTACKS)
    ]
    calls += [Call(Workload(name, name, name), Workload("x", name)) for name in ATTACKS]
    return ServiceGraph(tuple(sorted(calls, key=call_order)))


@pytest.mark.parametrize("view", ["map", "matrix", "table"])
@pytest.mark.parametrize("by", ["namespace", "kind", "label"])
def test_hostile_names_stay_text(page: Page, view: str, by: str) -> None:
    """They are shown as they are, in every view, in the panel, the address and the search."""
    page.show(picture_of_graph(hostile()), f"#view={view}&by={by}&ns=*", title=ATTACKS[0])
    page.run(
        """
        calls.forEach(({ index }) => select({ call: index }));
        workloads.forEach(({ index }) => select({ workload: index }));
        presentPicture.bundles.forEach(({ id }) => select({ bundle: id }));
        """
    )
    # Each is drawn: to leave a layout half done takes longer, as the next begins with a new worker.
    for name in ATTACKS:
        page.run("go({ focus: '', q: arguments[0] })", name)
        page.type(name)
        page.settle()
        page.run("go({ focus: workloadNamed(arguments[0])?.label ?? '' })", printable(name))
        page.settle()
    assert page.run("return window.hacked === undefined") is True
    assert page.run("return document.querySelectorAll('img, script').length") == 3
    assert page.run("return document.title") == ATTACKS[0]
    kinds = set(page.run("return workloads.map((one) => one.kind).filter(Boolean)"))
    assert kinds == set(map(printable, ATTACKS))
    assert page.browser.console() == []


def test_policy_stops_what_is_not_the_pages_own(page: Page) -> None:
    """A script, handler, eval, style or image that got in all the same would not run or load."""
    page.show(DIFF)
    page.run(
        """
        const script = document.createElement("script");
        script.textContent = "window.hacked = 1";
        document.body.append(script);
        document.body.setAttribute("onclick", "window.hacked = 2");
        document.body.click();
        const image = new Image();
        image.src = "http://127.0.0.1:9/x.png";
        document.body.append(image);
        document.body.setAttribute("style", "color: red");
        """
    )
    assert page.run("return window.hacked === undefined") is True
    assert page.run("return document.body.style.color") == ""
    # Not at once: what a driver runs itself may evaluate.
    page.run(
        """
        const attempt = () => {
          try { window.caught = eval("'nothing'"); } catch (error) { window.caught = error.name; }
        };
        return new Promise((done) => setTimeout(() => { attempt(); done(); }));
        """
    )
    assert page.run("return window.caught") == "EvalError"
    complaints = " ".join(page.browser.console())
    for part in ("script-src", "style-src", "default-src 'none'"):
        assert part in complaints


def test_policy_allows_three_hashes_and_the_layouts_worker() -> None:
    """Nothing by address, nothing inline by itself, and no evaluation of text."""
    policy = render_html(SMALL).split('http-equiv="Content-Security-Policy" content="')[1]
    directives = dict(part.split(" ", 1) for part in policy.split('"')[0].split("; "))
    assert set(directives) == {
        *("default-src", "base-uri", "form-action", "worker-src", "script-src", "style-src"),
    }
    for name in ("default-src", "base-uri", "form-action"):
        assert directives[name] == "'none'"
    assert directives["worker-src"] == "blob:"
    hashes = (directives["script-src"] + " " + directives["style-src"]).split()
    assert len(hashes) == 3
    assert all(one.startswith("'sha256-") for one in hashes)


def test_the_page_works_without_a_worker(page: Page) -> None:
    """Where a browser starts no worker, the layout runs in the page."""
    page.show(SMALL, "#q=kafka")
    page.run("worker?.terminate(); worker = null; window.Worker = undefined; go({ q: '' })")
    page.settle()
    assert len(page.lines()) == len(SMALL.edges)
    assert page.run("return inPage !== null") is True


def test_the_page_works_where_a_worker_is_refused(page: Page, tmp_path: Path) -> None:
    """Some browsers start one of a page from a file, and then let it fail."""
    path = tmp_path / "refused.html"
    text = render_html(SMALL).replace("worker-src blob:", "worker-src 'none'")
    path.write_text(text, encoding="utf-8")
    page.browser.open(path)
    page.settle()
    assert len(page.lines()) == len(SMALL.edges)
    assert "worker-src" in " ".join(page.browser.console())


def test_a_large_page_is_small_and_draws_namespaces_first(page: Page) -> None:
    """300 workloads and 3,000 calls: at most 2.5 MB, and twelve boxes to begin with."""
    graph = large()
    picture = picture_of_graph(graph)
    assert len(render_html(picture, origins=[Origin(graph)]).encode()) <= 2_500_000
    page.show(picture, origins=(Origin(graph),))
    assert page.boxes() == sorted(f"team-{i}" for i in range(12))
    assert page.search("svc-150") == "24 of 3 000 calls".replace(" 000", "\u202f000")
    assert "svc-150.team-6" in page.boxes()


def test_too_many_lines_are_drawn_only_on_request(page: Page) -> None:
    """A map of 3,000 lines is offered as a matrix, or drawn where somebody insists."""
    page.show(picture_of_graph(large()), "#ns=*")
    assert page.text("#too-many").startswith("3\u202f000 lines between 300 boxes")
    page.click("Show the matrix", "#too-many button")
    squares = page.run("return document.querySelectorAll('.square').length")
    assert squares == 3000

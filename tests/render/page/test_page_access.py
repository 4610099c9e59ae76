"""The page for everybody: axe-core's rules, dark mode, less motion, paper."""

from pathlib import Path

import pytest

from otterize_pcap.render.page_origin import Origin
from otterize_pcap.render.picture import picture_of_graph
from tests.page_pictures import DIFF, GRAPH_OF_THREE, THREE, large
from tests.page_views import Page

AXE = (Path(__file__).parent / "axe-4.14.1.min.js").read_text(encoding="utf-8")
ORIGINS = (Origin(GRAPH_OF_THREE),)


def complaints(page: Page) -> list[str]:
    """What axe-core finds, each with the elements."""
    page.run(AXE)
    page.run(
        "window.found = null; axe.run(document, {resultTypes: ['violations']})"
        ".then((results) => { window.found = results.violations; })"
    )
    script = """
        return new Promise(function wait(done) {
          if (window.found === null) setTimeout(() => wait(done), 50);
          else done(window.found.map(({ id, nodes }) => id + ": " + nodes.slice(0, 3)
            .map(({ html, failureSummary }) => html + failureSummary).join("; ")));
        });
    """
    return list(page.run(script))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "fragment",
    ["#ns=shop", "#view=matrix&ns=shop", "#view=table", "#focus=shop-00.shop&q=port:5432"],
)
def test_axe_finds_nothing(page: Page, fragment: str, scheme: str) -> None:
    """In each view, light and dark, with evidence open and with the head's details open."""
    page.browser.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    page.show(THREE, fragment, origins=ORIGINS)
    assert complaints(page) == []
    page.run("select({ call: calls.findIndex((call) => call.server.label === 'data-00.data') })")
    page.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert complaints(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_a_phone_and_in_a_diff(page: Page, scheme: str) -> None:
    """At 390 x 844, with all marks."""
    page.browser.resize(390, 844)
    page.browser.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    page.show(DIFF)
    assert complaints(page) == []
    page.run("document.getElementById('help').showModal()")
    assert complaints(page) == []


def test_axe_would_find_something(page: Page) -> None:
    """A button without a name is noticed: the check itself works."""
    page.show(DIFF)
    page.run("document.body.append(document.createElement('button'))")
    assert any(found.startswith("button-name") for found in complaints(page))


def test_everything_in_the_map_has_a_name_and_a_role(page: Page) -> None:
    """Boxes and lines are buttons that say what they are."""
    page.show(THREE, "#ns=*")
    names = page.names("#drawn [role=button]")
    assert all(names)
    items = page.run("return mapShown.items.size")
    assert len(names) == items == 37 + 4 + 39


def test_dark_mode_is_dark(page: Page) -> None:
    """The ground follows what people prefer."""
    brightness = """
        const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g);
        return Math.max(red, green, blue);
    """
    page.browser.prefer(prefers_color_scheme="dark")
    page.show(THREE)
    assert page.run(brightness) < 60
    page.browser.prefer(prefers_color_scheme="light")
    assert page.run(brightness) > 200


def test_nothing_moves_where_motion_is_unwanted(page: Page) -> None:
    """Boxes appear at once."""
    page.browser.prefer(prefers_reduced_motion="reduce")
    page.show(THREE)
    animations = "return document.getAnimations().length"
    page.run("setOpen('all')")
    page.settle()
    assert page.run(animations) == 0


def test_paper_has_the_whole_map(page: Page) -> None:
    """Whatever part was in sight; afterwards the page is as it was."""
    page.show(THREE, "#ns=shop")
    page.run("zoomBy(3)")
    moved = page.run("return document.getElementById('drawn').getAttribute('transform')")
    box, during = page.run(
        """
        window.dispatchEvent(new Event("beforeprint"));
        const drawn = document.getElementById("drawn");
        const { width, height } = drawn.getBBox();
        const [, , shownWidth, shownHeight] = document.getElementById("svg")
          .getAttribute("viewBox").split(" ").map(Number);
        const fits = [width <= shownWidth, height <= shownHeight];
        const found = [fits, drawn.getAttribute("transform")];
        window.dispatchEvent(new Event("afterprint"));
        return found;
        """
    )
    assert box == [True, True]
    assert during is None
    assert page.run("return document.getElementById('svg').getAttribute('viewBox')") is None
    assert page.run("return document.getElementById('drawn').getAttribute('transform')") == moved


def test_paper_has_the_map_and_the_evidence_and_no_controls(page: Page) -> None:
    """Printed, the page is light, its controls are gone, and nothing is cut off by scrolling."""
    page.browser.prefer(prefers_color_scheme="dark")
    page.show(THREE, origins=ORIGINS)
    page.run("select({ call: 0 })")
    page.browser.prefer("print", prefers_color_scheme="dark")
    seen = page.run(
        """
        const style = (id) => getComputedStyle(document.getElementById(id));
        return [style("bar").display, style("map-tools").display, style("canvas").display,
          style("panel").display, style("panel-body").overflow,
          getComputedStyle(document.body).backgroundColor];
        """
    )
    assert seen == ["none", "none", "block", "flex", "visible", "rgb(255, 255, 255)"]


PAPER = """
    window.dispatchEvent(new Event("beforeprint"));
    const parts = [...document.querySelectorAll(".matrix-grid")];
    const of = (part) => [part.getBoundingClientRect().width, part.getBoundingClientRect().height,
      part.querySelectorAll(".square").length];
    const found = parts.map(of);
    window.dispatchEvent(new Event("afterprint"));
    return found;
"""


def test_paper_has_the_whole_matrix(page: Page) -> None:
    """On one sheet where that can be read, else on as many as hold a call; nothing is cut off."""
    page.show(THREE, "#view=matrix&ns=*")
    [[width, height, squares]] = page.run(PAPER)
    assert (width <= 680, height <= 800, squares) == (True, True, 39)
    page.show(picture_of_graph(large()), "#view=matrix&ns=*")
    before = page.run("return matrixShown.items.size")
    parts = page.run(PAPER)
    assert len(parts) > 1
    assert all(width <= 680 and height <= 800 and squares for width, height, squares in parts)
    assert sum(squares for _, _, squares in parts) == 3000
    assert page.run("return document.querySelectorAll('.matrix-grid').length") == 1
    assert page.run("return matrixShown.items.size") == before


def test_paper_has_all_rows_of_the_table(page: Page) -> None:
    """Also those that a button would show; afterwards the page is as it was."""
    page.show(picture_of_graph(large()), "#view=table")
    rows = page.run(
        """
        const rows = () => document.querySelectorAll("#table tbody tr").length;
        const found = [rows()];
        window.dispatchEvent(new Event("beforeprint"));
        found.push(rows());
        window.dispatchEvent(new Event("afterprint"));
        return [...found, rows()];
        """
    )
    assert rows == [200, 3000, 200]

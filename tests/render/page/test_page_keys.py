"""Everything by keyboard: focus is never lost, Escape goes a step back, all calls are reached."""

import pytest

from otterize_pcap.render.picture import picture_of_graph
from tests.page_pictures import SMALL, THREE, large
from tests.page_views import Page


def start_in_map(page: Page) -> None:
    """Give the map's present item the focus."""
    page.run("document.querySelector('#drawn [tabindex=\"0\"]').focus()")


def test_one_item_of_the_map_is_a_tab_stop(page: Page) -> None:
    """Tab enters the map once and leaves it again."""
    page.show(SMALL)
    assert page.run("return document.querySelectorAll('#drawn [tabindex=\"0\"]').length") == 1
    start_in_map(page)
    page.press("Tab")
    assert page.run("return document.activeElement.closest('#drawn')") is None


def test_arrows_reach_every_box(page: Page) -> None:
    """From any box the arrow keys lead, step by step, to all others."""
    page.show(THREE, "#ns=shop")
    start_in_map(page)
    reached = page.run(
        """
        const boxes = [...mapShown.items.values()].filter((one) => one.kind !== "line");
        const seen = new Set([boxes[0]]);
        for (const from of seen) {
          for (const direction of Object.values(DIRECTIONS)) {
            const to = nearest(from, direction);
            if (to) seen.add(to);
          }
        }
        return [seen.size, boxes.length];
        """
    )
    assert reached[0] == reached[1] == 3 + 12 + 1


def test_enter_opens_and_closes_and_keeps_the_focus(page: Page) -> None:
    """On a group that was opened the focus is on its title; closed again, on the box."""
    page.show(THREE)
    page.run("mapShown.items.get('g:shop').drawn.focus()")
    page.press("Enter")
    assert page.focused().startswith("Namespace shop: 12")
    page.press("Enter")
    assert page.focused().startswith("Namespace shop 12")


def test_focus_goes_to_the_group_that_was_closed(page: Page) -> None:
    """A workload's box that is no longer drawn gives its focus to its namespace's."""
    page.show(THREE, "#ns=shop")
    page.run("mapShown.items.get('w:' + workloadNamed('shop-05.shop').index).drawn.focus()")
    page.run("setOpen(new Set())")
    page.settle()
    assert page.focused().startswith("Namespace shop 12")


def test_calls_of_a_box_are_reached(page: Page) -> None:
    """Page Down and Page Up go through a box's calls, arrows to their ends, Enter to evidence."""
    page.show(THREE)
    page.run("mapShown.items.get('g:shop').drawn.focus()")
    found = []
    for _ in range(3):
        page.press("PageDown")
        found.append(page.focused().split(":")[0])
    assert found == ["shop calls data", "shop calls outside the cluster", "web calls shop"]
    page.press("PageUp")
    assert page.focused().startswith("shop calls outside")
    page.press("Enter")
    assert page.text("#panel-body h2") == "shop-04.shop → api.example.com"
    page.press("Left")
    assert page.focused().startswith("Namespace shop")


def test_escape_goes_back_step_by_step(page: Page) -> None:
    """Out of the choice, then the neighbourhood, then the search; the focus stays in the page."""
    page.show(THREE, "#q=shop&focus=shop-04.shop")
    page.run("mapShown.items.get('w:' + workloadNamed('shop-04.shop').index).drawn.focus()")
    page.press("Enter")
    assert page.text("#panel-body h2") == "shop-04.shop"
    page.press("Escape")
    assert page.run("return [state.selected, state.focus]") == [None, "shop-04.shop"]
    page.press("Escape")
    assert page.run("return [state.focus, state.q]") == ["", "shop"]
    assert page.text("#panel-body h2") == "What is shown"
    page.press("Escape")
    assert page.run("return [state.focus, state.q]") == ["", ""]
    assert page.run("return document.activeElement === document.body") is False


def test_escape_in_the_panel_returns_to_the_map(page: Page) -> None:
    """The focus goes back to what was chosen."""
    page.show(THREE)
    page.click("web calls shop")
    page.run("document.querySelector('#panel-body button').focus()")
    page.press("Escape")
    assert page.focused().startswith("web calls shop")


def test_slash_goes_to_the_search_and_escape_empties_it(page: Page) -> None:
    """As in most tools."""
    page.show(THREE)
    page.press("/")
    assert page.run("return document.activeElement.id") == "search"
    page.press("p", "o", "r", "t", ":", "5", "3")
    assert page.text("#count") == "1 of 39 calls"
    page.press("Escape")
    assert page.text("#count") == "39 calls"


def test_matrix_by_keyboard(page: Page) -> None:
    """Arrows go from square to square and to the headings, Enter shows the calls of one."""
    page.show(THREE, "#view=matrix")
    page.run("matrixShown.items.get('g:web > g:shop').drawn.focus()")
    page.press("Enter")
    assert page.text("#panel-body h2") == "web → shop"
    page.press("Left", "Left")
    assert page.focused() == "▸ web (12), Namespace, closed"
    page.press("Enter")
    assert "web-00.web" in page.boxes()
    assert page.focused() == "▾ web (12), Namespace, open"
    page.press("Enter")
    assert "web" in page.boxes()


def test_escape_closes_the_heads_details(page: Page) -> None:
    """And gives the focus back to what opened them."""
    page.show(THREE)
    page.run("document.getElementById('origin-line').focus()")
    page.press("Enter", "Escape")
    assert page.run("return document.getElementById('origin').open") is False
    assert page.run("return document.activeElement.id") == "origin-line"


def test_help_is_a_dialog(page: Page) -> None:
    """It opens by its button, and Escape closes it and nothing else."""
    page.show(THREE, "#q=shop")
    page.run("document.getElementById('help-button').focus()")
    page.press("Enter")
    assert page.run("return document.getElementById('help').open") is True
    page.press("Escape")
    assert page.run("return document.getElementById('help').open") is False
    assert page.run("return state.q") == "shop"
    assert page.focused() == "Help"


def focus_in_panel(page: Page, selector: str) -> None:
    """Give something in the panel the focus, as Tab does."""
    page.run("document.querySelector(arguments[0]).focus()", f"#panel {selector}")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (".calls button", "Details"),
        (".groups [data-group=data]", "Close data"),
        (".groups .hide", "Details"),
    ],
)
def test_panel_that_is_drawn_anew_keeps_the_focus(page: Page, selector: str, expected: str) -> None:
    """On the same button where there is one, else on the panel's text."""
    page.show(THREE, "#ns=shop")
    focus_in_panel(page, selector)
    page.press("Enter")
    assert page.focused() == expected


def test_links_and_choices_in_the_panel_keep_the_focus(page: Page) -> None:
    """From a call to its client, to the client's neighbourhood, to everything."""
    page.show(THREE, "#call=web-00.web,shop-00.shop")
    focus_in_panel(page, "h2 button")
    page.press("Enter")
    assert page.text("#panel-body h2") == "web-00.web"
    assert page.focused() == "Details"
    focus_in_panel(page, "[data-choice='2 hops']")
    page.press("Enter")
    assert page.focused() == "2 hops"
    page.run("document.querySelector('#path button').focus()")
    page.press("Enter")
    assert page.run("return [document.activeElement === document.body, state.focus]") == [False, ""]


@pytest.mark.parametrize("key", ["Escape", "close"])
@pytest.mark.parametrize("view", ["map", "matrix", "table"])
def test_end_of_a_choice_gives_the_focus_back(page: Page, view: str, key: str) -> None:
    """To the line, square or row that was chosen: by Escape in the panel or by its button."""
    page.show(THREE, f"#view={view}&ns=*&call=web-00.web,shop-00.shop")
    focus_in_panel(page, "#close-panel" if key == "close" else "h2 button")
    page.press("Enter" if key == "close" else key)
    assert page.focused().startswith(
        "web-00.web → shop-00.shop" if view == "table" else "web-00.web calls shop-00.shop"
    )
    assert page.run("return state.selected") is None


def test_buttons_that_go_away_give_the_focus_to_the_view(page: Page) -> None:
    """Of too large a map, and "Open all" where all is open."""
    page.show(THREE)
    page.run("document.getElementById('open-all').focus()")
    page.press("Enter")
    assert page.run("return document.activeElement === document.body") is False
    page.show(picture_of_graph(large()), "#ns=*")
    page.run("document.querySelector('#too-many .primary').focus()")
    page.press("Enter")
    assert page.run("return byId('matrix').contains(document.activeElement)") is True


def test_row_with_the_focus_is_not_behind_the_tables_head(page: Page) -> None:
    """Going up by Shift+Tab, the head stays above the row."""
    page.show(THREE, "#view=table")
    covered = page.run(
        """
        const head = document.querySelector("#table th").getBoundingClientRect();
        const rows = [...document.querySelectorAll("#table tbody button")].reverse();
        return rows.filter((row) => {
          row.focus();
          return row.getBoundingClientRect().top < head.bottom;
        }).length;
        """
    )
    assert covered == 0

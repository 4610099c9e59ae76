"""What is drawn can be seen: titles beside lines, names large enough, a window that turns."""

from otterize_pcap.graph.service_graph import Call, ServiceGraph, Workload
from otterize_pcap.render.picture import picture_of_graph
from tests.page_pictures import THREE, large, use
from tests.page_views import Page

HIDDEN_BY_TITLES = """
    return [...document.querySelectorAll("#drawn .title-back")].flatMap((title) => {
      const { left, right, top, bottom } = title.getBoundingClientRect();
      return [...document.querySelectorAll("#drawn .stroke")].filter((path) => {
        const toScreen = path.getScreenCTM();
        for (let at = 0; at < path.getTotalLength(); at += 3) {
          const { x, y } = path.getPointAtLength(at).matrixTransform(toScreen);
          if (x > left && x < right && y > top && y < bottom) return true;
        }
        return false;
      });
    }).length;
"""


def test_titles_of_open_groups_hide_no_line(page: Page) -> None:
    """A line that enters a group from above goes past its title."""
    servers = [Workload(f"recommend-{number}", "shop") for number in range(4)]
    calls = [Call(Workload("first", "web"), server, uses=(use(80),)) for server in servers]
    page.browser.resize(690, 1400)
    page.show(picture_of_graph(ServiceGraph(tuple(calls))), "#ns=shop")
    assert page.run("return mapShown.tall") is True
    assert page.run(HIDDEN_BY_TITLES) == 0


def test_names_of_closed_groups_grow_with_the_map(page: Page) -> None:
    """Twelve namespaces with 54 labelled lines between them: letters of 7 pixels at least."""
    page.show(picture_of_graph(large()))
    heights = page.run(
        """
        return [...document.querySelectorAll("#drawn .box.group .group-name")]
          .map((name) => name.getScreenCTM().a * 13);
        """
    )
    assert len(heights) == 12
    assert min(heights) >= 7


def test_window_that_is_turned_shows_the_map_anew(page: Page) -> None:
    """From wide to high: laid out downwards, and in sight."""
    page.show(THREE)
    before = page.run("return { ...place }")
    page.browser.resize(480, 1000)
    page.run("return new Promise((done) => setTimeout(done, 100))")
    page.settle()
    inside = """
        const canvas = document.getElementById("canvas").getBoundingClientRect();
        const drawn = document.getElementById("drawn").getBoundingClientRect();
        return drawn.left >= canvas.left && drawn.right <= canvas.right + 1;
    """
    assert page.run("return mapShown.tall") is True
    assert page.run("return { ...place }") != before
    assert page.run(inside) is True


def test_workload_of_a_neighbourhood_is_in_sight(page: Page) -> None:
    """Also on a phone, where the map does not fit."""
    page.browser.resize(390, 844)
    page.show(picture_of_graph(large()), "#focus=svc-100&hops=2&ns=*")
    inside = """
        const canvas = document.getElementById("canvas").getBoundingClientRect();
        const box = document.querySelector("#drawn .box.focus").getBoundingClientRect();
        return [canvas.left <= box.left, box.right <= canvas.right,
          canvas.top <= box.top, box.bottom <= canvas.bottom];
    """
    assert page.run(inside) == [True, True, True, True]

"""From far to near: groups, their sums, what opening and focusing leave."""

import pytest

from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import Call, ServiceGraph, Workload
from otterize_pcap.render.page_origin import Origin
from otterize_pcap.render.picture import picture_of_graph
from tests.page_pictures import GRAPH_OF_THREE, THREE
from tests.page_views import Page

CLOSED = ["data", "outside the cluster", "shop", "web"]


def test_it_opens_on_namespaces(page: Page) -> None:
    """Each namespace is a box that says what is inside; a line sums the calls between two."""
    page.show(THREE)
    assert page.boxes() == CLOSED
    assert page.lines() == ["data → web", "shop → data", "shop → outside the cluster", "web → shop"]
    names = page.names("#drawn [role=button]")
    assert "Namespace data 12 workloads 12 calls inside" in names
    assert "web calls shop: 2 calls; 1\u202f003 connections; TCP 8080, TCP 9090" in names


def test_one_namespace_several_or_all_are_opened(page: Page) -> None:
    """A click opens a box, one on the title of its frame closes it again."""
    page.show(THREE)
    page.click("Namespace shop 12")
    assert len(page.boxes()) == 3 + 12
    assert "web → shop-00.shop" in page.lines()
    page.click("Namespace data 12")
    assert "shop-00.shop → data-00.data" in page.lines()
    page.click("Namespace shop: 12")
    assert "shop → data-00.data" in page.lines()
    page.click("Open all", "#tools button")
    assert len(page.boxes()) == 37
    page.click("Close all", "#tools button")
    assert page.boxes() == CLOSED


def test_calls_across_a_boundary_stand_out(page: Page) -> None:
    """A line between namespaces is coloured otherwise than within; more connections are thicker."""
    page.show(THREE, "#ns=*")
    kinds = page.run(
        """
        const drawn = ({ id }) => mapShown.items.get(id).drawn;
        const of = (from, to) => drawn(mapShown.picture.bundles.find((bundle) =>
          boxTitle(bundle.from) === from && boxTitle(bundle.to) === to));
        const seen = (line) => [line.classList.contains("crosses"),
          getComputedStyle(line.querySelector(".stroke")).stroke,
          Number(line.querySelector(".stroke").getAttribute("stroke-width"))];
        return [seen(of("web-00.web", "shop-00.shop")), seen(of("web-00.web", "web-01.web"))];
        """
    )
    (across, across_colour, across_width), (within, within_colour, within_width) = kinds
    assert (across, within) == (True, False)
    assert across_colour != within_colour
    assert across_width > within_width


def test_outside_and_attempted_look_different(page: Page) -> None:
    """A destination outside the cluster has a broken outline, a call that failed a broken line."""
    page.show(THREE, "#ns=*")
    dashes = """
        const style = (selector) => getComputedStyle(document.querySelector(selector));
        return [style(".outside .face").strokeDasharray, style(".workload:not(.outside) .face")
          .strokeDasharray, style("#drawn .line.tried .stroke").strokeDasharray];
    """
    outside, inside, tried = page.run(dashes)
    assert inside == "none"
    assert "none" not in (outside, tried)


@pytest.mark.parametrize(
    ("hops", "direction", "expected"),
    [
        pytest.param(
            1, "both", {"web-00", "web-01", "shop-00", "shop-01", "data-00"}, id="one hop"
        ),
        pytest.param(1, "callers", {"web-00", "web-01", "shop-00"}, id="callers"),
        pytest.param(1, "callees", {"shop-00", "shop-01", "data-00"}, id="callees"),
        pytest.param(
            2,
            "callees",
            {"shop-00", "shop-01", "shop-02", "data-00", "data-01"},
            id="two hops of callees",
        ),
    ],
)
def test_a_workload_opens_to_its_neighbourhood(
    page: Page, hops: int, direction: str, expected: set[str]
) -> None:
    """Those whom it calls and who call it, one or two hops away, and nothing else."""
    page.show(THREE, f"#focus=shop-00.shop&hops={hops}&dir={direction}")
    assert {name.split(".")[0] for name in page.boxes()} == expected


def test_a_second_click_on_a_workload_leaves_its_neighbourhood(page: Page) -> None:
    """The first shows its calls in the panel; the way back is above the map."""
    page.show(THREE, "#ns=shop")
    page.click("shop-04 Deployment, in shop")
    assert page.text("#panel-body h2") == "shop-04.shop"
    assert len(page.boxes()) == 15
    page.click("shop-04 Deployment, in shop")
    assert page.boxes() == ["api.example.com", "shop-03.shop", "shop-04.shop", "shop-05.shop"]
    page.click("Everything", "#path button")
    assert len(page.boxes()) == 15


def test_groupings(page: Page) -> None:
    """Workloads stand together by namespace, kind, label or the first word of the namespace."""
    calls = [
        Call(
            Workload("a", "team-x", "Deployment", "app=a"), Workload("b", "team-y", "StatefulSet")
        ),
        Call(Workload("a", "team-x", "Deployment", "app=b"), Workload("c", "web", "Deployment")),
    ]
    picture = picture_of_graph(ServiceGraph(tuple(sorted(calls, key=call_order))))
    page.show(picture, "#ns=")
    options = page.names("#by option")
    assert options == [
        "namespace",
        "first word of the namespace",
        "kind",
        "label of clients",
        "nothing",
    ]
    groups = {
        "namespace": ["team-x", "team-y", "web"],
        "prefix": ["team", "web"],
        "kind": ["Deployment", "StatefulSet"],
        "label": ["app=a", "app=b", "none named"],
    }
    for by, expected in groups.items():
        page.show(picture, f"#by={by}&ns=")
        assert page.boxes() == expected


def test_grouping_by_a_label(page: Page) -> None:
    """Any label that puts workloads together: of pods, by all values that these have."""
    origins = (Origin(GRAPH_OF_THREE),)
    page.show(THREE, "#ns=", origins=origins)
    options = page.names("#by option")
    assert options == ["namespace", "tier", "team", "nothing"]
    page.show(THREE, "#by=label%3Ateam&ns=", origins=origins)
    assert page.boxes() == ["none named", "outside the cluster", "payments", "payments, search"]
    assert page.run("return document.getElementById('by').value") == "label:team"
    assert page.search("label:team=search -> label:team=search") == "14 of 39 calls"
    assert page.search("label:team=payments -ns:data") == "25 of 39 calls"
    page.show(THREE, "#at=web-03.web", origins=origins)
    assert "\nlabels\ntier=back; team=payments\n" in page.text("#panel-body")


@pytest.mark.parametrize(
    ("word", "boxes"),
    [
        pytest.param("tier", ["back", "none named", "outside the cluster"], id="label"),
        pytest.param("kind", ["Deployment", "outside the cluster"], id="kind"),
        pytest.param("none", ["all workloads", "outside the cluster"], id="nothing"),
        pytest.param(
            "missing", ["data", "outside the cluster", "shop", "web"], id="label of nobody"
        ),
        pytest.param("", ["data", "outside the cluster", "shop", "web"], id="not asked for"),
    ],
)
def test_a_page_opens_on_the_grouping_asked_for(page: Page, word: str, boxes: list[str]) -> None:
    """Another one is a link away, and the one asked for needs no word in the address."""
    page.show(THREE, "#ns=", origins=(Origin(GRAPH_OF_THREE),), group_by=word)
    assert page.boxes() == boxes
    page.run("go({ by: 'namespace' })")
    page.settle()
    assert page.run("return [...new Set(presentPicture.groups.map((one) => one.title))]") == [
        *("data", "shop", "web", "outside the cluster")
    ]


def test_more_than_eight_namespaces_are_told_apart(page: Page) -> None:
    """No two of forty have the same colour and pattern, and each box bears its name."""
    calls = [
        Call(Workload("a", f"ns-{index:02}", "Pod"), Workload("b", f"ns-{index + 1:02}", "Pod"))
        for index in range(39)
    ]
    page.show(picture_of_graph(ServiceGraph(tuple(calls))), "#ns=")
    looks = page.run(
        """
        return [...document.querySelectorAll("#looks pattern")].map((pattern) =>
          pattern.style.getPropertyValue("--hue") + [...pattern.querySelectorAll("path")]
            .map((path) => path.getAttribute("d")));
        """
    )
    assert len(set(looks)) == len(looks) == 40
    named = page.run(
        "return [...document.querySelectorAll('.group-name')].map((t) => t.textContent)"
    )
    assert sorted(named) == [f"ns-{index:02}" for index in range(40)]


def test_labels_where_there_is_room(page: Page) -> None:
    """A line bears its ports, unless there are many lines; its tooltip always does."""
    page.show(THREE)
    texts = page.run(
        "return [...document.querySelectorAll('.line-label')].map((one) => one.textContent).sort()"
    )
    assert texts == ["443", "5432", "8080, 9090", "UDP 53"]
    overlapping = page.run(
        """
        const boxes = mapShown.picture.boxes.map((box) => mapShown.places.boxes.get(box.id));
        return mapShown.places.routes.filter(({ label }) => label && boxes.some((box) =>
          label.x < box.x + box.width && box.x < label.x + label.width
          && label.y < box.y + box.height && box.y < label.y + label.height)).length;
        """
    )
    assert overlapping == 0


def test_names_of_namespaces_can_be_read_from_afar(page: Page) -> None:
    """The title of a frame stays as large as text, however small the map is."""
    page.show(THREE, "#ns=*")
    height = "return document.querySelector('.closer .group-name').getBoundingClientRect().height"
    page.run("zoomBy(1 / place.scale)")
    full = page.run(height)
    page.run("zoomBy(0.3)")
    assert page.run(height) > full * 0.7
    assert page.run(
        "return document.querySelector('.box .name').getBoundingClientRect().height"
    ) < (full * 0.4)


def test_the_window_can_change(page: Page) -> None:
    """After a resize all of the map is in sight again."""
    page.show(THREE)
    page.browser.resize(800, 600)
    page.run("return new Promise((done) => setTimeout(done, 300))")
    sight = """
        const area = document.getElementById("canvas").getBoundingClientRect();
        return [...document.querySelectorAll("#drawn .box")].every((box) => {
          const found = box.getBoundingClientRect();
          return found.left >= area.left && found.right <= area.right
            && found.top >= area.top && found.bottom <= area.bottom;
        });
    """
    assert page.run(sight) is True


def test_a_turned_phone_is_laid_out_anew(page: Page) -> None:
    """Upright the calls run downwards, else to the right."""
    page.browser.resize(390, 844)
    page.show(THREE)
    ways = """
        const { points } = mapShown.places.routes[0];
        const [from, to] = [points[0], points.at(-1)];
        return Math.abs(to.y - from.y) > Math.abs(to.x - from.x) ? "down" : "right";
    """
    assert page.run(ways) == "down"
    page.browser.resize(1200, 500)
    page.run("return new Promise((done) => setTimeout(done, 300))")
    page.settle()
    assert page.run(ways) == "right"


def test_a_phone_has_room_for_the_map(page: Page) -> None:
    """At 390 x 844 the map is as wide as the page and the page scrolls in no direction."""
    page.browser.resize(390, 844)
    page.show(THREE)
    width, height, overflow = page.run(
        """
        const { width, height } = document.getElementById("canvas").getBoundingClientRect();
        return [width, height, document.documentElement.scrollWidth > innerWidth];
        """
    )
    assert width == 390
    assert height > 350
    assert overflow is False


def test_titles_cover_no_box_however_small_the_map(page: Page) -> None:
    """The title of a frame keeps its size on a small screen, and grows away from what is inside."""
    page.browser.resize(800, 600)
    page.show(THREE, "#ns=*")
    page.run("fitMap()")
    grown, covered = page.run(
        """
        const seen = (one) => one.getBoundingClientRect();
        const titles = [...document.querySelectorAll(".closer .title-back")].map(seen);
        const faces = [...document.querySelectorAll(".box.workload .face")].map(seen);
        const meet = (one, other) => one.left < other.right && other.left < one.right
          && one.top + 1 < other.bottom && other.top + 1 < one.bottom;
        const grow = getComputedStyle(document.getElementById("drawn")).getPropertyValue("--grow");
        const covering = titles.filter((title) => faces.some((face) => meet(title, face)));
        return [Number(grow), covering.length];
        """
    )
    assert grown > 1
    assert covered == 0


def test_headings_of_the_matrix_are_whole(page: Page) -> None:
    """Names of groups, which are bold, have the room that they take."""
    page.show(THREE, "#view=matrix&ns=")
    cut = page.run(
        """
        const room = (svg) => svg.getBoundingClientRect();
        return [...document.querySelectorAll(".row-heads, .column-heads")].flatMap((svg) =>
          [...svg.querySelectorAll("text")].filter((text) => {
            const [inner, outer] = [text.getBoundingClientRect(), room(svg)];
            return inner.left < outer.left || inner.top < outer.top || inner.right > outer.right;
          })).map((text) => text.textContent);
        """
    )
    assert cut == []

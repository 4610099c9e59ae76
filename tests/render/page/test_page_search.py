"""One search for map, matrix and table, and the address that says what is shown."""

import pytest

from otterize_pcap.graph.service_graph import Call, ServiceGraph, Workload
from otterize_pcap.render.picture import picture_of_graph
from tests.page_pictures import DIFF, SMALL, THREE, use
from tests.page_views import Page

SEARCHES = {
    "KAFKA": 3,
    "kafka": 3,
    "udp 53": 1,
    "port:53": 1,
    "port:9092": 1,
    "port:9000-9099": 2,
    "9092": 1,
    "proto:udp": 1,
    "ns:infra": 3,
    "ns:inf": 0,
    "ns:infra ns:shop": 1,
    "ns:infra,shop": 6,
    "-ns:infra": 3,
    "-kafka": 3,
    "kind:statefulset": 3,
    "checkout -> kafka": 1,
    "checkout → kafka": 1,
    "kafka -> checkout": 0,
    "-> kafka": 2,
    "checkout ->": 3,
    "checkout -> port:443": 1,
    "checkout -> ns:infra port:9093": 1,
    "is:outside": 1,
    "api.example.com": 1,
    "via:kafka.infra": 1,
    "outcome:refused": 2,
    "status:attempted": 1,
    "rule:S30": 5,
    '"checkout.shop"': 3,
    "nothing like it": 0,
    "2001:db8::1": 0,
    "": 6,
}


@pytest.mark.parametrize("view", ["map", "matrix", "table"])
def test_searches(page: Page, view: str) -> None:
    """Each kind of search finds its calls, whatever is looked at."""
    page.show(SMALL, f"#view={view}")
    for text, expected in SEARCHES.items():
        wanted = "6 calls" if expected == 6 else f"{expected} of 6 calls"
        assert page.search(text) == wanted, text


def test_what_matches_is_laid_out_anew(page: Page) -> None:
    """Nothing else is drawn, the rest is not only faded, and the parts that match are opened."""
    page.show(THREE)
    assert page.search("port:5432") == "12 of 37 calls".replace("37", "39")
    assert set(page.boxes()) == {"shop-00.shop", *(f"data-{i:02}.data" for i in range(12))}
    assert page.run("return document.querySelectorAll('#drawn .box').length") == 13
    assert page.search("web-00 -> shop") == "1 of 39 calls"
    assert page.lines() == ["web-00.web → shop-00.shop"]


def test_a_use_that_does_not_match_is_not_counted(page: Page) -> None:
    """A call of two ports that is found by one shows that one alone."""
    page.show(THREE)
    page.search("web-00 -> port:9090")
    names = page.names("#drawn .line")
    assert names == ["web-00.web calls shop-00.shop: 1 call; 2 connections; TCP 9090"]


def test_marks_are_searched(page: Page) -> None:
    """`mark:added` finds what a diff added."""
    page.show(DIFF)
    assert page.search("mark:removed") == "1 of 7 calls"
    assert page.search("-mark:added mark:changed,removed") == "2 of 7 calls"


@pytest.mark.parametrize(
    ("fragment", "boxes"),
    [
        pytest.param(
            "#ns=shop&focus=checkout",
            ["checkout.shop", "infra", "legacy.shop", "outside the cluster"],
            id="issue's example",
        ),
        pytest.param("#ns=", ["infra", "outside the cluster", "shop"], id="all closed"),
        pytest.param("#q=port%3A9093&ns=*", ["checkout.shop", "kafka.infra"], id="search"),
        pytest.param("#focus=nobody&ns=", ["infra", "outside the cluster", "shop"], id="unknown"),
        pytest.param(
            "#ns=%E0%A4%A&view=nonsense&hops=9&by=__proto__",
            ["infra", "outside the cluster", "shop"],
            id="nonsense",
        ),
    ],
)
def test_links_lead_to_what_they_name(page: Page, fragment: str, boxes: list[str]) -> None:
    """An address shows its part at once; what it does not understand is as at first."""
    page.show(SMALL, fragment)
    assert page.boxes() == boxes


def test_the_address_says_what_is_shown(page: Page) -> None:
    """A copied address leads back to the same, and so does the browser's back button."""
    page.show(THREE)
    page.click("Namespace shop 12")
    assert page.run("return location.hash") == "#ns=shop"
    page.run("go({ focus: 'shop-03.shop', hops: 2, dir: 'callees', selected: null })")
    page.settle()
    assert page.run("return location.hash") == "#focus=shop-03.shop&hops=2&dir=callees"
    there = page.boxes()
    page.run("history.back()")
    page.run("return new Promise((done) => setTimeout(done, 200))")
    page.settle()
    assert page.run("return location.hash") == "#ns=shop"
    assert len(page.boxes()) == 15
    page.show(THREE, "#focus=shop-03.shop&hops=2&dir=callees")
    assert page.boxes() == there


def test_a_link_leads_to_the_evidence_of_a_call(page: Page) -> None:
    """What is chosen is in the address too: a call, or a workload."""
    page.show(THREE)
    page.run("select({ call: calls.findIndex((one) => one.server.outside) })")
    fragment = page.run("return location.hash")
    assert fragment == "#call=shop-04.shop,api.example.com"
    page.show(THREE, fragment)
    assert page.text("#panel-body h2") == "shop-04.shop → api.example.com"
    page.show(THREE, "#at=web-02")
    assert page.text("#panel-body h2") == "web-02.web"
    page.show(THREE, "#call=no,body")
    assert page.text("#panel-body h2") == "What is shown"


def test_a_group_is_hidden_by_the_search(page: Page) -> None:
    """The button in the list of groups writes what one would type."""
    page.show(THREE)
    page.click("Hide web", "#panel-body .hide")
    assert page.run("return document.getElementById('search').value") == "-ns:web"
    assert "web" not in page.text("#path + *, #panel-body .groups")
    page.click("Hide outside the cluster", "#panel-body .hide")
    assert page.run("return state.q") == "-ns:web -is:outside"
    assert page.text("#count") == "24 of 39 calls"


def test_names_with_commas_and_signs_survive_the_address(page: Page) -> None:
    """A namespace may be called anything in a document."""
    names = ("a,b", "c&d=e", "*", "#f%")
    calls = tuple(Call(Workload("x", name), Workload("y", name)) for name in names)
    page.show(picture_of_graph(ServiceGraph(calls)), "#ns=")
    page.run("toggleGroup('a,b')")
    page.run("toggleGroup('c&d=e')")
    page.settle()
    fragment = page.run("return location.hash")
    page.show(picture_of_graph(ServiceGraph(calls)), fragment)
    assert page.boxes() == ["#f%", "*", "x.a,b", "x.c&d=e", "y.a,b", "y.c&d=e"]


def test_a_bare_name_is_of_the_namespace_that_is_opened(page: Page) -> None:
    """`#ns=shop&focus=api` where several namespaces have an `api`."""
    calls = [
        Call(Workload("api", name), Workload("db", name), uses=(use(80),))
        for name in ("pay", "shop", "web")
    ]
    page.show(picture_of_graph(ServiceGraph(tuple(calls))), "#ns=shop&focus=api")
    assert page.boxes() == ["api.shop", "db.shop"]


def test_a_line_of_one_call_is_in_the_address(page: Page) -> None:
    """The evidence that somebody found by a press can be sent to others."""
    page.show(THREE)
    page.click("shop calls data")
    assert page.run("return location.hash") == "#call=shop-00.shop,data-00.data"

"""The panel's evidence, the head's coverage, the table and its CSV."""

import csv
import io
import shutil
import subprocess

import pytest

from otterize_pcap import graph_capture, open_captures
from otterize_pcap.connections.rule import Rule
from otterize_pcap.graph.service_graph import Call, Evidence, ServiceGraph, Use, Workload
from otterize_pcap.render.page_origin import Origin
from otterize_pcap.render.picture import picture_of_graph
from otterize_pcap.version import __version__
from tests.conftest import FIXTURES
from tests.page_pictures import DIFF, GRAPH_OF_THREE, SMALL, THREE
from tests.page_views import Page
from tests.render.test_renderings import BEFORE, GRAPH

ORIGINS = (Origin(GRAPH_OF_THREE),)


def choose_call(page: Page, client: str, server: str) -> None:
    """Show the evidence of a call."""
    page.run(
        """
        const [client, server] = arguments;
        const is = (call) => call.client.label === client && call.server.label === server;
        select({ call: calls.find(is).index });
        """,
        client,
        server,
    )


def test_evidence_of_a_call(page: Page) -> None:
    """Ports, counts, times, the rule, the file and the packet."""
    page.show(SMALL)
    choose_call(page, "checkout.shop", "kafka.infra")
    text = page.text("#panel-body")
    for said in (
        "checkout.shop → kafka.infra",
        "TCP 9092",
        "TCP 9093",
        "3 established, 1 refused",
        "2026-09-21T14:13:20.000000000Z",
        "2026-09-21T14:14:21.500000000Z",
        "kafka.infra",
        "S30 (4): the handshake: the client sent the SYN",
        "pcap/node-a.pcap, packet 17, 2026-09-21T14:13:20.000000000Z, rule S30",
    ):
        assert said in text


def test_pods_behind_a_call(page: Page) -> None:
    """The first five of each side and how many more there are; none where none is known."""
    page.show(THREE)
    choose_call(page, "shop-00.shop", "data-00.data")
    text = page.text("#panel-body")
    named = ", ".join(f"shop-00-5d4f8c7b9-0000{index}" for index in range(5))
    assert f"client pods\n{named} and 2 more\n" in text
    assert "server pods\ndata-00-5d4f8c7b9-00000\n" in text
    choose_call(page, "web-00.web", "shop-00.shop")
    assert "pods" not in page.text("#panel-body")


def lines_to_copy(page: Page) -> dict[str, str]:
    """What the panel offers to copy."""
    script = """
        return [...document.querySelectorAll(".line-to-copy")].map((one) =>
          [one.querySelector("span").textContent, one.querySelector("code").textContent]);
    """
    return dict(page.run(script))


def test_lines_for_wireshark_and_tcpdump(page: Page) -> None:
    """They name the packet, the port and the file, which may be packed and have blanks."""
    page.show(THREE)
    choose_call(page, "shop-00.shop", "data-00.data")
    assert lines_to_copy(page) == {
        "Wireshark, at the packet": "wireshark -r 'my capture/node-a.pcap.gz' -g 5432",
        "display filter, the packet": "frame.number == 5432",
        "display filter, all of the port": "tcp.port == 5432",
        "tcpdump, the packet": (
            "gzip -dc 'my capture/node-a.pcap.gz' | tcpdump -r - -nn -# -c 5432 | tail -n 1"
        ),
        "tcpdump, all of the port": (
            "gzip -dc 'my capture/node-a.pcap.gz' | tcpdump -r - -nn -# tcp port 5432"
        ),
    }


def test_packets_that_nobody_has_are_not_offered(page: Page) -> None:
    """A table that a node made cannot be opened in Wireshark."""
    use = Use("TCP", 80, 1, (1, 1), (1, 1), 5, 6, (), (), (), Evidence("a.conntable", 3, 5, "S30"))
    call = Call(Workload("a", "x"), Workload("b", "x"), uses=(use,))
    page.show(picture_of_graph(ServiceGraph((call,))))
    choose_call(page, "a.x", "b.x")
    assert lines_to_copy(page) == {}
    assert page.text(".packets") == "Its packets were reduced on the node."


@pytest.mark.parametrize("file", ["$(touch x).pcap", "a'b; ls.pcap", "-r.pcap", "`x`.pcap", "ä b"])
def test_lines_quote_any_file_name(page: Page, file: str) -> None:
    """What is pasted into a shell runs nothing but what it says."""
    evidence = Evidence(file, 3, 5, "S30")
    use = Use("TCP", 80, 1, (1, 1), (1, 1), 5, 6, (), (), (), evidence)
    call = Call(Workload("a", "x"), Workload("b", "x"), uses=(use,))
    page.show(picture_of_graph(ServiceGraph((call,))))
    choose_call(page, "a.x", "b.x")
    line = lines_to_copy(page)["Wireshark, at the packet"]
    word = "./" + file if file.startswith("-") else file
    shown = subprocess.run(
        ["sh", "-c", line.replace("wireshark", "printf '%s\\n'", 1)],
        capture_output=True,
        check=True,
        text=True,
    )
    assert shown.stdout.split("\n") == ["-r", word, "-g", "3", ""]


@pytest.mark.skipif(shutil.which("tcpdump") is None, reason="tcpdump is not installed")
def test_lines_show_the_packet_of_a_real_capture(page: Page) -> None:
    """The line for tcpdump prints that packet: number, port and all."""
    (capture,) = open_captures([FIXTURES / "tutorial-before"])
    page.show(picture_of_graph(graph_capture(capture)))
    choose_call(page, "checkout.shop", "kafka.shop")
    line = lines_to_copy(page)["tcpdump, the packet"]
    number = lines_to_copy(page)["display filter, the packet"].rpartition(" ")[2]
    shown = subprocess.run(["sh", "-c", line], capture_output=True, check=True, text=True)
    (packet,) = shown.stdout.splitlines()
    assert packet.split()[0] == number
    assert ".9092: Flags [S]" in packet


def test_what_is_uncertain_is_said(page: Page) -> None:
    """An inferred direction, connections that may be the call, names from labels, gaps."""
    page.show(THREE, origins=ORIGINS)
    choose_call(page, "shop-00.shop", "data-00.data")
    assert page.names(".doubts li")[-2:] == [
        f"Who is the client was inferred in some connections, by S35: {Rule.PORT.text}.",
        "7 more connections may be this call (TCP): ambiguous.",
    ]
    choose_call(page, "web-00.web", "shop-00.shop")
    assert page.names("#panel-body .doubts li") == [
        "web-00.web is named by what its pods say: label app."
    ]
    page.run("select({ workload: workloadNamed('shop-00.shop').index })")
    assert page.names("#panel-body .doubts li") == [
        "More calls may be missing: node node-b was not captured (no image)."
    ]
    choose_call(page, "data-05.data", "web-02.web")
    assert page.names("#panel-body .doubts li") == [
        "Only attempted: no connection was established."
    ]


def test_shared_addresses_and_owners_are_said(page: Page) -> None:
    """Whose address it was at another time, and who owns it."""
    page.show(THREE, "#at=web-06", origins=ORIGINS)
    (doubt,) = page.names("#panel-body .doubts li")
    assert doubt.startswith("2 addresses of web-06.web belonged to web-07.web at another time")
    page.run("select({ workload: workloadNamed('web-00').index })")
    assert "owned by\nweb-set.web" in page.text("#panel-body dl")


def test_calls_of_a_workload(page: Page) -> None:
    """What it calls and what calls it; each leads to its evidence."""
    page.show(SMALL)
    page.click("kafka StatefulSet, ")
    text = page.text("#panel-body")
    assert "calls (2)" in text
    assert "called by (2)" in text
    page.click("checkout.shop", "#panel-body .calls button")
    assert page.text("#panel-body h2") == "checkout.shop → kafka.infra"


def test_the_head_says_where_the_page_comes_from(page: Page) -> None:
    """Packets, time, length, coverage, gaps and the version, and more where it is opened."""
    page.show(THREE, origins=ORIGINS)
    assert page.text("#origin-line").replace("\u202f", " ") == (
        "my capture/node-a.pcap.gz: 1 234 packets in 1 file · 2026-09-21 14:13:20 UTC, 90.0 s · "
        f"1 of 2 nodes captured · 2 gaps · otterize-pcap {__version__}"
    )
    page.run("document.getElementById('origin').open = true")
    text = page.text("#origin-parts")
    for said in (
        "2026-09-21T14:14:50.000000000Z",
        "node node-b was not captured (no image)",
        "3 packets were dropped while capturing",
        "my capture/node-a.pcap.gz",
        "ambiguous",
        "the snapshot was taken once",
    ):
        assert said in text


def test_the_head_of_a_diff_has_both_sides(page: Page) -> None:
    """Old and new apart; a document was not captured."""
    page.show(DIFF, origins=(Origin(BEFORE, "old"), Origin(GRAPH_OF_THREE, "new")))
    lines = page.text("#origin-line").split("\n")
    assert lines[0] == "old: declared in documents, not captured"
    assert lines[1].startswith("new: my capture/node-a.pcap.gz: 1\u202f234 packets")


def rows(page: Page, column: str) -> list[str]:
    """The texts of a column of the table."""
    script = """
        const heads = [...document.querySelectorAll("#table th")];
        const place = heads.findIndex((head) => head.textContent.startsWith(arguments[0]));
        return [...document.querySelectorAll("#table tbody tr")]
          .map((row) => row.cells[place].textContent.trim());
    """
    return list(page.run(script, column))


def test_table_is_sorted_by_any_column(page: Page) -> None:
    """Numbers as numbers, a second press the other way round, and it says so."""
    page.show(THREE, "#view=table")
    page.click("connections", "#table th button")
    numbers = [int(text.replace("\u202f", "")) for text in rows(page, "connections")]
    assert numbers == sorted(numbers)
    page.click("connections", "#table th button")
    numbers = [int(text.replace("\u202f", "")) for text in rows(page, "connections")]
    assert numbers == sorted(numbers, reverse=True)
    sorts = page.run(
        "return [...document.querySelectorAll('#table th')].map((h) => h.getAttribute('aria-sort'))"
    )
    assert sorts.count("descending") == 1
    assert page.focused().startswith("connections")


def test_table_is_filtered_by_the_search_and_shows_evidence(page: Page) -> None:
    """A row leads to the evidence of its call."""
    page.show(THREE, "#view=table&q=port:9090")
    assert rows(page, "client") == ["web-00"]
    assert rows(page, "port") == ["9090"]
    page.click("web-00.web → shop-00.shop", "#table td button")
    assert page.text("#panel-body h2") == "web-00.web → shop-00.shop"


def test_csv_has_all_rows_and_no_formulas(page: Page) -> None:
    """Also the rows that are not drawn yet, in the table's order; cells are quoted as needed."""
    page.show(SMALL, "#view=table")
    text = page.run("return tableCsv(tableRows(presentPicture.entries))")
    records = list(csv.DictReader(io.StringIO(text)))
    assert len(records) == sum(len(call.uses) or 1 for call in GRAPH.calls)
    assert {record["server"] for record in records if record["server"].startswith("'")} == {
        "'=cmd()"
    }
    (refused,) = [record for record in records if record["server"] == "legacy"]
    assert refused == {
        "client": "checkout",
        "clientNamespace": "shop",
        "server": "legacy",
        "serverNamespace": "shop",
        "protocol": "TCP",
        "port": "80",
        "connections": "2",
        "status": "attempted",
        "firstSeen": "2026-09-21T14:13:20.000000000Z",
        "lastSeen": "2026-09-21T14:14:21.500000000Z",
        "clientKind": "Deployment",
        "serverKind": "Pod",
        "services": "",
        "evidence": "pcap/node-a.pcap packet 17",
    }


def test_copy_as_csv_copies(page: Page) -> None:
    """What the button puts on the clipboard is that text."""
    page.show(SMALL, "#view=table")
    page.run("window.copied = []; window.copy = async (text) => { window.copied.push(text); }")
    page.click("Copy as CSV", "#table .copy")
    (copied,) = page.run("return window.copied")
    assert copied == page.run("return tableCsv(tableRows(presentPicture.entries))")

"""S50: which name an address outside goes by, and which Service is behind a load balancer's."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from otterize_pcap.addresses import parse_address
from otterize_pcap.files.captures import open_captures
from otterize_pcap.resolve.build_graph import HIDDEN_EXTERNAL, SHOWN, Inclusion
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import MappedCapture, map_capture
from otterize_pcap.resolve.resolution import AMBIGUOUS, Party, Resolved
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.capture_counts import Payload
from otterize_pcap.table.read import ReadOptions
from tests.cluster_builder import (
    NODE_A,
    OUTSIDE,
    START,
    Json,
    call,
    capture,
    edges,
    fates,
    pod,
    service,
    snapshot,
)
from tests.cluster_builder import (
    node as made_node,
)
from tests.conftest import FIXTURES
from tests.connections.test_names import name, record, response

FORGER = "10.1.0.66"
WEB, RESOLVER, VIP = "10.1.0.1", "10.96.0.10", "10.96.0.1"
A, CNAME = 1, 5
BALANCER = "k8s-shop-1234.elb.example"
INTERNET = Rules(inclusion=Inclusion(internet=True))


def told(*chain: str, at: int = -1) -> tuple[str, str, Payload]:
    """A DNS answer to the pod: the name asked for, its aliases, and the address outside."""
    aliases = [record(one, CNAME, name(other)) for one, other in pairwise(chain)]
    answer = response(chain[0], [*aliases, record(chain[-1], A, parse_address(OUTSIDE)[12:])])
    source, target = (parse_address(RESOLVER), 53), (parse_address(WEB), 40000)
    payload = Payload(17, source, target, 0, START + at * 1_000_000_000, 1, answer)
    return "a", "a.pcap", payload


def mapped(
    known: Snapshot, *answers: tuple[str, str, Payload], rules: Rules | None = None, port: int = 443
) -> MappedCapture:
    """A call to an address outside by a client that was told of it."""
    made = capture(known, call(f"{WEB}:40000", f"{OUTSIDE}:{port}"))
    return map_capture(Capture(replace(contents_of(made), payloads=answers)), rules or Rules())


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        pytest.param(["api.example"], "api.example", id="as it is"),
        pytest.param(["www.example", "cdn.example"], "www.example", id="alias: the name asked for"),
        pytest.param(
            ["api.example.app.svc.cluster.local", "api.example"], "api.example", id="autopath"
        ),
        pytest.param(
            ["api.example.cluster.local", "api.example"], "api.example", id="the domain's own part"
        ),
        pytest.param(
            ["pg.app.svc.k8s.corp", "pg.example", "shard.example"],
            "pg.example",
            id="ExternalName, another cluster domain",
        ),
        pytest.param(["x.svc.example"], "x.svc.example", id="no namespace before svc"),
        pytest.param(["pg.app.svc.cluster.local"], OUTSIDE, id="nothing but the cluster's name"),
    ],
)
def test_a_cluster_name_is_no_internet_domain(chain: list[str], expected: str) -> None:
    """S50: what only this cluster knows is never exported; the name behind it is."""
    found = mapped(snapshot(pod("web", WEB)), told(*chain), rules=INTERNET)
    assert edges(found) == {f"web -> {expected}:443"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("*.com", OUTSIDE),
        ("*", OUTSIDE),
        ("a b.example", OUTSIDE),
        ("-a.example", OUTSIDE),
        ("9.9.9.9", OUTSIDE),
        ("x\n::error::y", OUTSIDE),
        ("a" * 64 + ".example", OUTSIDE),
        ("_dmarc.a-b.example", "_dmarc.a-b.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("4.example", "4.example"),
    ],
)
def test_only_a_hosts_name_is_a_name(asked: str, expected: str) -> None:
    """S50: who asks for a pattern at a resolver that answers it is not exported as one."""
    found = mapped(snapshot(pod("web", WEB)), told(asked), rules=INTERNET)
    assert edges(found) == {f"web -> {expected}:443"}


def test_an_address_of_several_names_has_none() -> None:
    """S50: whoever owns the second name may have given it that address to be allowed with it."""
    found = mapped(
        snapshot(pod("web", WEB)), told("api.example"), told("evil.example"), rules=INTERNET
    )
    assert edges(found) == {f"web -> {OUTSIDE}:443"}


@pytest.mark.parametrize("case", ["autopath", "externalname"])
def test_recorded_cluster_names(case: str) -> None:
    """S50: autopath and ExternalName, as CoreDNS answers them."""
    path = FIXTURES / "cases" / "internal-name-as-internet-domain" / case
    (found,) = open_captures([path], None, ReadOptions(collect_names=True))
    (only,) = map_capture(found, INTERNET).graph.calls
    expected = {"autopath": "api.github.com", "externalname": "orders.rds.amazonaws.com"}
    assert only.server.name == expected[case]


def balanced(*items: Json, **status: str) -> Snapshot:
    """A Service whose load balancer the cloud knows by name."""
    ingress = status or {"hostname": BALANCER}
    return snapshot(
        pod("web", WEB),
        service(
            "orders",
            VIP,
            443,
            target=8443,
            type="LoadBalancer",
            status={"loadBalancer": {"ingress": [ingress]}},
        ),
        *items,
    )


@pytest.mark.parametrize("chain", [[BALANCER], ["shop.example", BALANCER], [BALANCER.upper()]])
def test_load_balancer_known_by_name(chain: list[str]) -> None:
    """S21, S50: who calls a load balancer's address, by DNS, calls the Service behind it."""
    found = mapped(balanced(pod("orders", "10.1.0.2")), told(*chain))
    assert edges(found) == {"web -> orders:8443"}
    (only,) = found.graph.calls
    assert only.uses[0].services == ("orders.app",)
    (explained,) = found.select(lambda one: isinstance(one.server, Party))
    assert isinstance(explained, Resolved)


@pytest.mark.parametrize(
    ("answers", "port"),
    [
        pytest.param([told("shop.example")], 443, id="another name"),
        pytest.param([], 443, id="never asked"),
        pytest.param([told(BALANCER, at=5)], 443, id="asked later"),
        pytest.param([told(BALANCER)], 9999, id="no port of the Service"),
    ],
)
def test_address_that_no_answer_gave_to_a_load_balancer(
    answers: list[tuple[str, str, Payload]], port: int
) -> None:
    """S50: an address outside stays outside."""
    found = mapped(balanced(pod("orders", "10.1.0.2")), *answers, port=port)
    assert (edges(found), fates(found)) == (set(), {HIDDEN_EXTERNAL: 1})


@pytest.mark.parametrize("sender", [FORGER, NODE_A])
def test_pods_answer_makes_no_load_balancer(sender: str) -> None:
    """S50: where questions are not kept, only the cluster's DNS and who is outside is believed.

    A pod's answer names nothing, nor does what it sent through a node's address.
    """
    node, file, payload = told(BALANCER)
    known = balanced(pod("orders", "10.1.0.2"), pod("forger", FORGER), made_node("a", NODE_A))
    forged = mapped(known, (node, file, payload._replace(source=(parse_address(sender), 53))))
    assert (edges(forged), fates(forged)) == (set(), {HIDDEN_EXTERNAL: 1})


def test_load_balancer_before_two_workloads() -> None:
    """S21: as with any Service's address, backends of two workloads are ambiguous."""
    labels = {"app": "orders"}
    found = mapped(
        balanced(pod("orders", "10.1.0.2"), pod("canary", "10.1.0.3", labels=labels)),
        told(BALANCER),
    )
    assert (edges(found), fates(found)) == (set(), {AMBIGUOUS: 1})


@pytest.mark.parametrize("threads", [1, 2])
def test_dns_is_read_where_a_load_balancer_has_only_a_name(threads: int) -> None:
    """S50: without any option; the address that nobody asked for stays outside."""
    path = FIXTURES / "load-balancer-name"
    (found,) = open_captures([path], None, ReadOptions(threads=threads))
    graph = map_capture(found)
    assert edges(graph) == {"buyer -> orders:8080", "partner -> orders:8080"}
    assert fates(graph)[HIDDEN_EXTERNAL] == 1
    assert fates(graph)[SHOWN] == 2


@pytest.mark.parametrize("fast", [True, False], ids=["compiled", "readable"])
def test_only_messages_with_a_wanted_label_are_kept(fast: bool) -> None:
    """S50: a capture can hold hundreds of thousands of answers about other names."""
    path = FIXTURES / "names-dns"
    (everything,) = open_captures([path], None, ReadOptions(collect_names=True))
    label = b"\x02mq"
    wanted = [entry for entry in contents_of(everything).payloads if label in entry[2].content]
    assert 0 < len(wanted) < len(contents_of(everything).payloads)
    (found,) = open_captures([path], None, ReadOptions(fast=fast, answers_about=frozenset({label})))
    assert list(contents_of(found).payloads) == wanted
    assert found.files == everything.files


@pytest.mark.parametrize("spelt", [b"\x02mq", b"\x02mQ", b"\x02Mq", b"\x02MQ"])
@pytest.mark.parametrize("fast", [True, False], ids=["compiled", "readable"])
def test_a_label_in_any_case_is_wanted(fast: bool, spelt: bytes, tmp_path: Path) -> None:
    """S50: DNS takes letters of either case for the same (RFC 4343)."""
    copy = tmp_path / "capture"
    shutil.copytree(FIXTURES / "names-dns", copy)
    for path in copy.glob("pcap/*.pcap"):
        path.write_bytes(path.read_bytes().replace(b"\x02mq", spelt))
    (everything,) = open_captures([copy], None, ReadOptions(collect_names=True))
    wanted = [entry for entry in contents_of(everything).payloads if spelt in entry[2].content]
    options = ReadOptions(fast=fast, answers_about=frozenset({b"\x02mq"}))
    (found,) = open_captures([copy], None, options)
    assert wanted
    assert list(contents_of(found).payloads) == wanted

"""`explain` and `snapshot inspect` on recorded captures."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.explain.asked_pair import Question, asked_services
from otterize_pcap.explain.explain import explain
from otterize_pcap.files.captures import each_capture
from otterize_pcap.files.read_recording import unwatched
from otterize_pcap.graph.naming import full_name
from otterize_pcap.resolve.capture_lookup import DEFAULT_RULES, identities_under
from otterize_pcap.resolve.map_capture import MappedCapture, map_capture
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.chunk import ReadOptions
from tests.conftest import FIXTURES, ROOT, Otterize
from tests.strategies import laws

Golden = Callable[[str, str], None]

QUESTIONS = [
    pytest.param("two-nodes", "gateway", "orders", id="edge"),
    pytest.param("outcomes", "refused", "target", id="attempt"),
    pytest.param("outcomes", "scanner.app", "target.app", id="half-open"),
    pytest.param("midstream", "idle", "cache", id="conntrack"),
    pytest.param("two-namespaces", "web.prod", "db.prod", id="nothing"),
    pytest.param("outside", "shopper", "coredns", id="cluster DNS"),
    pytest.param("outside", "shopper", "inventory", id="looked up"),
    pytest.param("handover-one-mac", "old-a", "audit-a", id="address changed hands"),
    pytest.param("snapshot-early", "old-a", "audit-a", id="stale snapshot"),
]


@pytest.mark.parametrize(("scenario", "client", "server"), QUESTIONS)
def test_explanations(
    scenario: str, client: str, server: str, otterize: Otterize, golden: Golden
) -> None:
    """Each pair's connections, with every rule, packet, address and interval that decided."""
    result = otterize("explain", client, server, FIXTURES / scenario)
    assert result.returncode == 0, result.stderr
    golden(f"explain/{scenario}-{client}-{server}.txt", result.stdout.replace(f"{ROOT}/", ""))


def test_explanation_as_json(otterize: Otterize) -> None:
    """JSON holds all that text shows, and the evidence points at a packet of a file."""
    path = FIXTURES / "two-nodes"
    result = otterize("explain", "gateway", "orders", path, "--format", "json")
    found = json.loads(result.stdout)
    assert found["is_edge"] is True
    assert found["fates"] == [["resolved", 2]]
    first = found["connections"][0]
    assert first["rule"] == "S30"
    assert first["services"] == ["orders.app"]
    assert first["client"]["pod"].startswith("app/gateway-")
    assert first["recorded"][0]["file"] == str(path / "pcap" / "node-a.pcap")


def mapped_for(path: Path, server: str | None) -> MappedCapture:
    """A capture read with all names, or with those alone that tell who looked a server up."""

    def asked(snapshot: Snapshot) -> frozenset[str] | None:
        if server is None:
            return None
        question = Question("", server)
        return asked_services(question, snapshot, identities_under(DEFAULT_RULES, snapshot))

    (capture,) = each_capture([path], None, ReadOptions(), unwatched, asked)
    return map_capture(capture)


@pytest.mark.parametrize("scenario", ["outside", "node-local-dns", "names-dns", "two-nodes"])
def test_names_of_others_tell_nothing(scenario: str) -> None:
    """S42: an explanation is the same with all names that packets have and with the server's."""
    every = mapped_for(FIXTURES / scenario, None)
    clients = {one.name for holders in every.held.values() for one in holders}
    for server in [*sorted(clients), "kubernetes", "nobody"]:
        found = mapped_for(FIXTURES / scenario, server)
        for client in sorted(clients):
            question = Question(client, server)
            assert explain(question, found) == explain(question, every)


@laws
@given(st.lists(st.booleans(), min_size=9, max_size=9))
def test_names_in_any_case_are_the_servers(upper: list[bool]) -> None:
    """S42: DNS takes letters of either case for the same (RFC 4343), and some clients mix them."""
    spelt = bytes(one - 32 * up for one, up in zip(b"inventory", upper, strict=True))
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "capture"
        shutil.copytree(FIXTURES / "outside", copy)
        for path in copy.glob("pcap/*.pcap"):
            path.write_bytes(path.read_bytes().replace(b"\x09inventory", b"\x09" + spelt))
        question = Question("shopper", "inventory")
        found = explain(question, mapped_for(copy, "inventory"))
        assert found.looked_up == explain(question, mapped_for(copy, None)).looked_up > 0


def test_unknown_name_is_an_error(otterize: Otterize, golden: Golden) -> None:
    """Exit code 1, and the names that were perhaps meant, on both streams."""
    result = otterize("explain", "orders", "gatewa", FIXTURES / "two-nodes")
    assert result.returncode == 1
    golden("explain/two-nodes-orders-gatewa.txt", result.stdout)
    meant = "no workload gatewa in the snapshot; did you mean gateway, gateway.app?"
    assert result.stderr == f"otterize: {meant}\n"
    both = (FIXTURES / "two-nodes", FIXTURES / "tutorial-before")
    assert otterize("explain", "checkuot", "kafka", *both).returncode == 1


@pytest.mark.parametrize(
    ("client", "server"),
    [
        ("checkout", "kafka"),
        ("checkout.shop", "shop/kafka"),
        ("checkout-26b5bmk59-rgjzh", "shop/kafka-8zxq68s6z-dp4sw"),
        ("checkout-26b5bmk59-rgjzh.shop", "10.244.1.2"),
        ("10.244.1.3", "10.96.20.10"),
    ],
)
def test_pods_and_addresses_are_understood(client: str, server: str, otterize: Otterize) -> None:
    """A name may be a workload's or a pod's, with its namespace on either side, or an address."""
    done = otterize("explain", client, server, FIXTURES / "tutorial-before", "--format", "json")
    found = json.loads(done.stdout)
    assert (found["is_edge"], found["fates"]) == (True, [["resolved", 2]])


@pytest.mark.parametrize("scenario", ["two-nodes", "ip-reuse", "outside"])
def test_pods_of_a_workload_share_its_connections(scenario: str) -> None:
    """A pod's connections are its own; those of all pods are the workload's."""
    mapped = mapped_for(FIXTURES / scenario, None)

    def resolved(client: str, server: str) -> int:
        return dict(explain(Question(client, server), mapped).fates).get("resolved", 0)

    for call in mapped.graph.calls:
        pods = [
            pod for pod in mapped.snapshot.pods if mapped.identities.of(pod).workload == call.client
        ]
        names = {f"{pod.namespace}/{pod.name}" for pod in pods}
        of_pods = sum(resolved(name, full_name(call.server)) for name in names)
        assert of_pods == resolved(full_name(call.client), full_name(call.server)) > 0


def test_several_captures_have_one_explanation(otterize: Otterize) -> None:
    """Their connections are counted together, and JSON is one document; -o has all of it."""
    captures = (FIXTURES / "tutorial-before", FIXTURES / "tutorial-after", FIXTURES / "two-nodes")
    question = ("explain", "checkout", "kafka")
    each = [json.loads(otterize(*question, one, "--format", "json").stdout) for one in captures]
    found = json.loads(otterize(*question, *captures, "--format", "json").stdout)
    counts = [sum(count for _, count in one["fates"]) for one in (*each, found)]
    assert counts[-1] == sum(counts[:-1]) == len(found["connections"])
    assert (found["is_edge"], found["hints"], found["unknown"]) == (True, [], [])
    firsts = [one["first"] for one in found["connections"]]
    assert firsts == sorted(firsts)
    assert otterize(*question, *captures).stdout.count("checkout → kafka") == 1
    assert (
        len(
            json.loads(otterize(*question, *captures, "--most=1", "--format=json").stdout)[
                "connections"
            ]
        )
        == 1
    )


def test_lookup_is_an_edge_where_asked_for(otterize: Otterize) -> None:
    """S42: the DNS answer is the evidence of an edge that --include-lookups adds."""
    path = FIXTURES / "outside"
    arguments = ("explain", "shopper", "inventory", path, "--include-lookups")
    assert otterize(*arguments).stdout.startswith("shopper → inventory is an edge\n")
    found = json.loads(otterize(*arguments, "--format", "json").stdout)
    assert (found["is_edge"], found["connections"]) == (True, [])
    assert found["looked_up"] == len(found["lookups"]) > 0
    assert found["lookups"][0]["name"] == "inventory.shop.svc.cluster.local"
    assert found["lookups"][0]["file"].endswith(".pcap")


def test_ambiguous_pair_names_its_candidates(otterize: Otterize) -> None:
    """S12: where two workloads held an address, the explanation names both."""
    path = FIXTURES / "owner-change"
    truth = json.loads((path / "truth.json").read_text())
    ambiguous = next(edge for edge in truth["notEdges"] if "ambiguous" in edge["why"])
    names = (ambiguous["client"]["name"], ambiguous["server"]["name"])
    result = otterize("explain", *names, path)
    assert "is no edge" in result.stdout
    assert "not known: " in result.stdout
    assert " or " in result.stdout


def test_filtered_edge_says_so(otterize: Otterize) -> None:
    """S60: an edge that the options leave out is explained as filtered."""
    result = otterize("explain", "gateway", "orders", FIXTURES / "two-nodes", "-n", "elsewhere")
    assert result.stdout.startswith("gateway → orders is no edge\n")
    assert "the options given filter it out" in result.stdout


@pytest.mark.parametrize("scenario", ["two-nodes", "identity", "ip-reuse"])
def test_inspection(scenario: str, otterize: Otterize, golden: Golden) -> None:
    """What a snapshot holds and lacks."""
    result = otterize("snapshot", "inspect", FIXTURES / scenario / "snapshot.json")
    assert result.returncode == 0, result.stderr
    golden(f"inspect/{scenario}.txt", result.stdout)


def test_inspection_of_little(otterize: Otterize) -> None:
    """A snapshot of pods alone lacks all that the other rules need."""
    pod = {"kind": "Pod", "metadata": {"name": "a"}, "status": {"podIP": "10.0.0.1"}}
    document = json.dumps({"kind": "List", "items": [pod]}).encode()
    result = otterize("snapshot", "inspect", "-", "--format", "json", stdin=document)
    lacks = json.loads(result.stdout)["lacks"]
    assert [lack.split(":")[0] for lack in lacks] == ["no Services", "no Nodes", "no watch"]


def test_undirected_pair_is_explained(otterize: Otterize, tmp_path: Path) -> None:
    """S36: a connection without a direction speaks of its two pods, either way round."""
    path = tmp_path / "capture"
    shutil.copytree(FIXTURES / "midstream", path)
    shutil.rmtree(path / "node")
    for names in (("plain", "peer"), ("peer", "plain")):
        result = otterize("explain", *names, path)
        assert result.stdout.startswith(f"{names[0]} → {names[1]} is no edge\n")
        assert "1 undirected: no rule tells client from server" in result.stdout


def test_unknown_client_may_be_the_one(otterize: Otterize) -> None:
    """S14: what came from a node's address could be a hostNetwork pod, and is told as such."""
    result = otterize("explain", "exporter", "web", FIXTURES / "hostnetwork")
    assert "is no edge" in result.stdout
    assert "2 unresolved: node as client" in result.stdout


def test_stranger_outside_is_not_the_client(otterize: Otterize) -> None:
    """S51: who called from outside is no workload, so that nothing speaks of the pair."""
    result = otterize("explain", "raw-client", "orders", FIXTURES / "outside")
    assert "no connection between the two was recorded" in result.stdout

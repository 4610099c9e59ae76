"""`otterize netpol export`: what it writes, for whom, and that the API takes it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.generated_names import GENERATED_LABELS
from otterize_pcap.policies.generate import Wanted, make_policies
from otterize_pcap.policies.observation import observe
from otterize_pcap.policies.verdict import ACCEPTABLE, Gates
from otterize_pcap.render.cilium_policy import cilium_document
from otterize_pcap.render.network_policy import commented_document, render_policies
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.identity import NamedBy
from otterize_pcap.resolve.map_capture import map_capture
from tests.conftest import FIXTURES, Otterize
from tests.policies.policy_rules import problems
from tests.policies.recordings import RECORDED

Golden = Callable[[str, str], None]
TUTORIAL = FIXTURES / "tutorial-before"


def documents(text: str) -> list[dict[str, Any]]:
    """The documents of a YAML stream."""
    return [document for document in yaml.safe_load_all(text) if document is not None]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("tutorial.yaml", (TUTORIAL,)),
        ("nodeport.yaml", (FIXTURES / "nodeport",)),
        ("webhooks.yaml", (FIXTURES / "webhooks",)),
        ("node-local-dns.yaml", (FIXTURES / "node-local-dns",)),
        ("load-balancer-name.yaml", (FIXTURES / "load-balancer-name",)),
        ("hostnetwork.json", (FIXTURES / "hostnetwork", "--format", "json")),
        ("outside-cilium.yaml", (FIXTURES / "outside", "--cilium", "--internet", "-n", "shop")),
        ("nodeport-cilium.yaml", (FIXTURES / "nodeport", "--cilium")),
        ("node-local-dns-cilium.yaml", (FIXTURES / "node-local-dns", "--cilium")),
    ],
)
def test_export_is_as_it_was(
    otterize: Otterize, golden: Golden, name: str, arguments: tuple[object, ...]
) -> None:
    """Whole outputs, byte for byte."""
    done = otterize("netpol", "export", *arguments, "-q")
    assert done.returncode == 0, done.stderr
    golden(f"netpol/{name}", done.stdout.replace(str(FIXTURES), "fixtures"))


@pytest.mark.parametrize("directory", RECORDED, ids=lambda path: path.name)
def test_every_policy_is_one_that_the_api_takes(directory: Path) -> None:
    """No field, name, label, port or range that would be refused; no isolation without rules.

    Nor a label that a rollout changes: the policy would select nothing after it.
    """
    (capture,) = open_captures([directory])
    mapped = map_capture(capture, Rules(inclusion=Inclusion(internet=True), owner=NamedBy.NEAREST))
    accepted = Gates(accepted=frozenset(ACCEPTABLE))
    made = make_policies([observe(mapped)], Wanted(gates=accepted))
    for form in (commented_document, cilium_document):
        text = render_policies(made, form)
        for document in documents(text):
            assert list(problems(document)) == [], document["metadata"]["name"]
            assert not GENERATED_LABELS & set(texts(document))


def test_a_file_a_workload(otterize: Otterize, tmp_path: Path) -> None:
    """`-o DIR` writes what one stream holds, each policy into a file of its own.

    All files one after the other, as `cat` gives them, are that stream again.
    """
    one = otterize("netpol", "export", TUTORIAL)
    done = otterize("netpol", "export", TUTORIAL, "-o", "policies")
    assert done.stdout == ""
    files = sorted((tmp_path / "policies").iterdir())
    assert [path.name for path in files] == [
        "otterize-checkout.shop.yaml",
        "otterize-kafka.shop.yaml",
        "otterize-zookeeper.shop.yaml",
    ]
    assert [each for path in files for each in documents(path.read_text())] == documents(one.stdout)
    assert documents("".join(path.read_text() for path in files)) == documents(one.stdout)


@pytest.mark.parametrize("name", ["all.yaml", "all.yml", "-"])
def test_one_file_by_its_suffix(otterize: Otterize, tmp_path: Path, name: str) -> None:
    """A name that ends as YAML does is a file."""
    done = otterize("netpol", "export", TUTORIAL, "-o", name)
    text = done.stdout if name == "-" else (tmp_path / name).read_text()
    assert len(documents(text)) == 3


@pytest.mark.parametrize(
    ("option", "types"),
    [("--ingress-only", {"kafka", "zookeeper"}), ("--egress-only", {"checkout", "kafka"})],
)
def test_one_direction_alone(otterize: Otterize, option: str, types: set[str]) -> None:
    """The other direction is not isolated, and a workload without this one has no policy."""
    found = documents(otterize("netpol", "export", TUTORIAL, option).stdout)
    assert {each["metadata"]["name"].removeprefix("otterize-") for each in found} == types
    way = option.removeprefix("--").removesuffix("-only").capitalize()
    assert all(each["spec"]["policyTypes"] == [way] for each in found)


def workloads(text: str) -> dict[str, Any]:
    """The workloads of the JSON form, by name."""
    return {each["workload"]["name"]: each for each in json.loads(text)["workloads"]}


@pytest.mark.parametrize(
    ("options", "kind", "left_out"),
    [
        (("--min-observed", "24h"), "observed", ["Ingress", "Egress"]),
        (("--min-captures", "2"), "captures", ["Ingress", "Egress"]),
        (("--require-restart",), "restart", ["Ingress", "Egress"]),
        (("--require-ports",), "ports", ["Ingress"]),
    ],
)
def test_gates_leave_out(
    otterize: Otterize, options: tuple[str, ...], kind: str, left_out: list[str]
) -> None:
    """What is asked for and was not seen leaves directions out, and says so."""
    done = otterize("netpol", "export", TUTORIAL, *options, "--format", "json")
    found = workloads(done.stdout)["checkout"]
    reasons = [each for each in found["reasons"] if each["kind"] == kind]
    assert [each["leavesOut"] for each in reasons] == [left_out]
    if left_out != ["Ingress"]:
        assert found["policy"] is None


def test_services_that_were_looked_up_only(otterize: Otterize) -> None:
    """S42: what was asked for and not called is said, and leaves egress out where asked."""
    found = workloads(otterize("netpol", "export", FIXTURES / "outside", "--format", "json").stdout)
    (reason,) = (each for each in found["shopper"]["reasons"] if each["kind"] == "lookups")
    assert reason == {
        "kind": "lookups",
        "text": "it asked DNS for inventory.shop and was not seen to call them",
        "leavesOut": [],
    }
    asked = (FIXTURES / "outside", "--format", "json", "--require-lookups")
    found = workloads(otterize("netpol", "export", *asked).stdout)
    assert found["shopper"]["policy"] is None


def test_undecided_connections_leave_out_until_accepted(otterize: Otterize) -> None:
    """A direction in which somebody unknown took part is no policy's, unless it is accepted."""
    arguments = ("netpol", "export", FIXTURES / "snapshot-late", "--format", "json")
    found = workloads(otterize(*arguments).stdout)
    assert found["probe-a"]["policy"] is None
    assert [each["kind"] for each in found["probe-a"]["reasons"] if each["leavesOut"]] == [
        "undecided",
        "quiet",
    ]
    found = workloads(otterize(*arguments, "--accept", "undecided").stdout)
    assert found["probe-a"]["policy"]["spec"]["policyTypes"] == ["Egress"]


def test_captures_add_up(otterize: Otterize) -> None:
    """Several captures make the policies of all of them, whatever their order."""
    after = FIXTURES / "tutorial-after"
    one = otterize("netpol", "export", TUTORIAL, after, "--format", "json")
    other = otterize("netpol", "export", after, TUTORIAL, "--format", "json")
    assert one.stdout == other.stdout
    found = workloads(one.stdout)
    assert {name: each["captures"] for name, each in found.items()} == {
        "checkout": 2,
        "client": 1,
        "kafka": 2,
        "server": 1,
        "zookeeper": 2,
    }


def test_system_namespaces_only_where_asked(otterize: Otterize) -> None:
    """A policy for the cluster's own workloads is never made by the way."""
    outside = FIXTURES / "outside"
    usual = workloads(otterize("netpol", "export", outside, "--format", "json").stdout)
    assert "coredns" not in usual
    asked = otterize("netpol", "export", outside, "-n", "kube-system", "--format", "json")
    found = workloads(asked.stdout)
    assert list(found) == ["coredns"]
    # Whoever comes next asks DNS, too.
    assert found["coredns"]["policy"]["spec"]["ingress"] == [
        {"ports": [{"protocol": "TCP", "port": 53}, {"protocol": "UDP", "port": 53}]}
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--ingress-only", "--egress-only"),
            "--ingress-only and --egress-only leave nothing; give one of them",
        ),
        (("--node-cidr", "x"), "--node-cidr: not a range of IP addresses: 'x'; expected a range"),
        (("--min-observed", "soon"), "--min-observed 'soon' is no duration"),
        (("--min-observed", "4000d"), "--min-observed is longer than 3660d"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    otterize: Otterize, arguments: tuple[str, ...], message: str
) -> None:
    """One line that says what is wrong with the options given."""
    done = otterize("netpol", "export", TUTORIAL, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"otterize: {message}")


def test_node_range_takes_the_place_of_addresses(otterize: Otterize) -> None:
    """Nodes come and go: their range outlives them."""
    done = otterize("netpol", "export", FIXTURES / "webhooks", "--node-cidr", "192.168.77.0/24")
    (policy,) = (each for each in documents(done.stdout) if "policy" in each["metadata"]["name"])
    blocks = [
        peer["ipBlock"]
        for rule in policy["spec"]["ingress"]
        for peer in rule["from"]
        if "ipBlock" in peer
    ]
    assert {"cidr": "192.168.77.0/24"} in blocks


def test_what_a_range_has_is_no_rule_of_its_own(otterize: Otterize) -> None:
    """Where anybody outside may come, so may nodes: one rule, whose comment names both."""
    done = otterize("netpol", "export", FIXTURES / "nodeport", "--node-cidr", "192.168.77.0/24")
    assert "    # from anybody outside, nodes, through Service web.app\n" in done.stdout
    (web,) = (each for each in documents(done.stdout) if "web" in each["metadata"]["name"])
    (rule,) = (each for each in web["spec"]["ingress"] if "ipBlock" in each["from"][0])
    assert [peer["ipBlock"]["cidr"] for peer in rule["from"]] == ["0.0.0.0/0", "::/0"]


def test_any_public_address_in_place_of_those_seen(otterize: Otterize) -> None:
    """`--any-outside` opens a port to all of the internet, and to nothing inside; others stay."""
    found = {
        each["metadata"]["name"]: each["spec"]["egress"][-1]
        for each in documents(
            otterize("netpol", "export", FIXTURES / "outside", "--any-outside").stdout
        )
        if "egress" in each["spec"]
    }
    assert found["otterize-browser"]["ports"] == [
        {"protocol": "TCP", "port": 80},
        {"protocol": "TCP", "port": 443},
    ]
    four, six = (peer["ipBlock"] for peer in found["otterize-browser"]["to"])
    assert (four["cidr"], six["cidr"]) == ("0.0.0.0/0", "::/0")
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} < set(four["except"])
    assert found["otterize-hermit"]["to"] == [{"ipBlock": {"cidr": "172.20.5.5/32"}}]


def test_strict_refuses_damage(otterize: Otterize, tmp_path: Path) -> None:
    """`--strict` fails where a file is cut, as it does elsewhere."""
    copied = tmp_path / "cut"
    (copied / "pcap").mkdir(parents=True)
    (copied / "snapshot.json").write_bytes((TUTORIAL / "snapshot.json").read_bytes())
    for path in (TUTORIAL / "pcap").iterdir():
        content = path.read_bytes()
        (copied / "pcap" / path.name).write_bytes(content[: len(content) - 7])
    assert otterize("netpol", "export", copied, "--strict").returncode == 6


def texts(value: object) -> Iterator[str]:
    """Every text of a document."""
    match value:
        case str():
            yield value
        case dict():
            for key, entry in value.items():
                yield key
                yield from texts(entry)
        case list():
            for entry in value:
                yield from texts(entry)


@pytest.mark.parametrize("option", ["--server", "--exclude-labels", "--exclude-self"])
def test_options_that_leave_calls_out_are_none_of_its(otterize: Otterize, option: str) -> None:
    """A policy that is made without some calls would deny them."""
    done = otterize("netpol", "export", TUTORIAL, option)
    assert done.returncode == 2
    assert f"{option} is no option" in done.stderr


def test_workloads_are_left_out_by_name(otterize: Otterize) -> None:
    """No policy for them; others' still allow them."""
    for options in (("--exclude-services", "kafka"), ("--exclude-services", "kafka.shop")):
        found = documents(otterize("netpol", "export", TUTORIAL, *options).stdout)
        names = [each["metadata"]["name"] for each in found]
        assert names == ["otterize-checkout", "otterize-zookeeper"]
        assert "kafka" in set(texts(found[0]))
    assert not documents(
        otterize("netpol", "export", TUTORIAL, "--exclude-namespaces", "shop").stdout
    )


@pytest.mark.parametrize("asked", [(), ("--min-observed", "1s"), ("-q",)])
def test_policies_of_a_short_time_are_warned_of(asked: tuple[str, ...], otterize: Otterize) -> None:
    """Unless somebody said how long is long enough: 12 seconds deny what runs once a minute."""
    done = otterize("netpol", "export", FIXTURES / "real-cluster" / "capture-12s", *asked)
    warned = "calls that are made less often were not seen, and would be denied" in done.stderr
    assert warned == (asked == ())

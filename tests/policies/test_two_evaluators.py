"""Two evaluators of NetworkPolicy, each written from the API's documentation, say the same."""

import json

from hypothesis import event, given, settings
from hypothesis import strategies as st

from otterize_pcap.addresses import parse_address
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.intents.sort_files import NamedFile
from otterize_pcap.policies.evaluate import Evaluator
from otterize_pcap.policies.flow_ends import FlowEnd, NodeEnd, OutsideEnd, PodEnd
from otterize_pcap.policies.judgement import Outcome
from otterize_pcap.policies.read_policies import read_policies
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.cluster_builder import NODE_A, NODE_B, node, pod, snapshot
from tests.policies.judged import flow
from tests.policies.second_evaluator import Host, Json, passes

NAMESPACES = ("ops", "shop")
NODES = {"a": (NODE_A, "fd00:192::1"), "b": (NODE_B, "fd00:192::2")}
OUTSIDE = ("203.0.113.9", "203.0.113.200", "2001:db8::9", "2001:db8:0:1::9", "10.1.7.7")
BLOCKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("0.0.0.0/0", ("10.0.0.0/8", "203.0.113.0/25", "10.1.0.1/32", "192.168.0.0/30")),
    ("::/0", ("2001:db8::/48", "fd00::/8", "fd00:10::1/128", "2001:db8:0:1::/64")),
    ("203.0.113.0/24", ("203.0.113.128/25",)),
    ("10.1.0.0/29", ("10.1.0.2/31",)),
    ("fd00:10::/64", ("fd00:10::2/127",)),
    ("203.0.113.9/32", ()),
    ("2001:db8::9/128", ()),
    ("192.168.0.1/32", ()),
)
NUMBERS = (53, 80, 8080, 8081, 9090)
PROTOCOLS = ("TCP", "UDP", "SCTP")
NAMED = ("dns", "web")

few_labels = st.dictionaries(st.sampled_from("xyz"), st.sampled_from("ab"), max_size=3)


@st.composite
def selectors(draw: st.DrawFn, keys: tuple[str, ...] = ("x", "y", "z")) -> Json:
    """A label selector."""
    found: Json = {}
    if draw(st.booleans()):
        found["matchLabels"] = draw(
            st.dictionaries(st.sampled_from(keys), st.sampled_from("ab"), max_size=2)
        )
    if draw(st.booleans()):
        found["matchExpressions"] = [
            {"key": draw(st.sampled_from(keys)), "operator": operator}
            | (
                {"values": draw(st.lists(st.sampled_from("ab"), min_size=1, max_size=2))}
                if operator in ("In", "NotIn")
                else {}
            )
            for operator in draw(
                st.lists(st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist")), max_size=2)
            )
        ]
    return found


def named_namespace(name: str) -> Json:
    """The selector of one namespace, as most policies write it."""
    return {"matchLabels": {"kubernetes.io/metadata.name": name}}


namespace_selectors = selectors(("x", "team")) | st.sampled_from(NAMESPACES).map(named_namespace)


@st.composite
def blocks(draw: st.DrawFn) -> Json:
    """An ipBlock, with exceptions or without."""
    cidr, within = draw(st.sampled_from(BLOCKS))
    block: Json = {"cidr": cidr}
    if within:
        excepted = draw(st.lists(st.sampled_from(within), max_size=2, unique=True))
        block |= {"except": excepted} if excepted else {}
    return {"ipBlock": block}


peers = st.one_of(
    blocks(),
    st.fixed_dictionaries({"podSelector": selectors()}),
    st.fixed_dictionaries({"namespaceSelector": namespace_selectors}),
    st.fixed_dictionaries({"podSelector": selectors(), "namespaceSelector": namespace_selectors}),
)


@st.composite
def policy_ports(draw: st.DrawFn) -> Json:
    """A port of a rule: none, a number, a range, or a name."""
    port: Json = {}
    if draw(st.booleans()):
        port["protocol"] = draw(st.sampled_from(PROTOCOLS))
    match draw(st.sampled_from(("any", "number", "range", "name"))):
        case "number":
            port["port"] = draw(st.sampled_from(NUMBERS))
        case "range":
            port["port"] = draw(st.sampled_from(NUMBERS))
            port["endPort"] = port["port"] + draw(st.sampled_from((0, 1, 1000)))
        case "name":
            port["port"] = draw(st.sampled_from(NAMED))
    return port


def rules(field: str) -> st.SearchStrategy[Json]:
    """Rules of one direction; an empty list and none are the same."""
    return st.fixed_dictionaries(
        {},
        optional={
            field: st.lists(peers, max_size=3),
            "ports": st.lists(policy_ports(), max_size=3),
        },
    )


@st.composite
def documents(draw: st.DrawFn) -> list[Json]:
    """Some policies."""
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": f"p{number}", "namespace": draw(st.sampled_from(NAMESPACES))},
            "spec": draw(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "podSelector": selectors(),
                        "policyTypes": st.sampled_from(
                            ([], ["Ingress"], ["Egress"], ["Ingress", "Egress"])
                        ),
                        "ingress": st.lists(rules("from"), max_size=3),
                        "egress": st.lists(rules("to"), max_size=3),
                    },
                )
            ),
        }
        for number in range(draw(st.integers(1, 4)))
    ]


@st.composite
def containers_ports(draw: st.DrawFn) -> list[Json | int]:
    """The ports that a container declares, no two of one name."""
    return [
        {
            "name": name,
            "protocol": draw(st.sampled_from(PROTOCOLS)),
            "containerPort": draw(st.sampled_from(NUMBERS)),
        }
        for name in draw(st.lists(st.sampled_from(NAMED), unique=True))
    ]


@st.composite
def pods(draw: st.DrawFn) -> tuple[Json, ...]:
    """The objects of three pods of both families, one of them perhaps on its node's network."""
    return tuple(
        pod(
            f"w{number}",
            NODES[at] if on_host else (f"10.1.0.{number}", f"fd00:10::{number}"),
            namespace=draw(st.sampled_from(NAMESPACES)),
            node=at,
            host_network=on_host,
            labels=draw(few_labels),
            ports=draw(containers_ports()),
        )
        for number, (at, on_host) in enumerate(
            (
                (draw(st.sampled_from("ab")), each == 3 and draw(st.booleans()))
                for each in (1, 2, 3)
            ),
            start=1,
        )
    )


def ends(cluster: Snapshot, items: tuple[Json, ...], family: int) -> list[tuple[FlowEnd, Host]]:
    """All who can call or be called by one family, as each evaluator has them."""
    found: list[tuple[FlowEnd, Host]] = []
    by_name = {each["metadata"]["name"]: each for each in items}
    for each in cluster.pods:
        item, address = by_name[each.name], each.addresses[family]
        text = item["status"]["podIPs"][family]["ip"]
        if each.host_network:
            end: FlowEnd = NodeEnd(address, (each.node,), each, Workload(each.name, each.namespace))
            found.append((end, Host(each.name, text, each.node)))
            continue
        ports = tuple(
            (port["name"], port["protocol"], port["containerPort"])
            for port in item["spec"]["containers"][0]["ports"]
        )
        meta = item["metadata"]
        host = Host(each.name, text, each.node, each.namespace, meta["labels"], ports)
        found.append((PodEnd(each, Workload(each.name, each.namespace), address), host))
    for name, addresses in NODES.items():
        text = addresses[family]
        found.append((NodeEnd(parse_address(text), (name,)), Host(name, text, name)))
    outside = (text for text in OUTSIDE if (":" in text) == bool(family))
    return [*found, *((OutsideEnd(parse_address(text)), Host("outside", text)) for text in outside)]


def read(texts: list[Json], cluster: Snapshot) -> Evaluator:
    """Our evaluator of policies as a file has them."""
    content = "\n---\n".join(map(json.dumps, texts)).encode()
    found = read_policies([NamedFile("p.yaml", content)])
    assert len(found.policies) == len(texts), found.remarks
    return Evaluator(found.policies, cluster)


@settings(max_examples=60)
@given(
    documents(),
    pods(),
    st.fixed_dictionaries(dict.fromkeys(NAMESPACES, few_labels)),
    st.data(),
)
def test_both_say_the_same_of_every_call(
    texts: list[Json],
    items: tuple[Json, ...],
    namespaces: dict[str, dict[str, str]],
    data: st.DataObject,
) -> None:
    """Between any two of pods, nodes and the outside, at any port, by either family."""
    spaces = [
        {"kind": "Namespace", "metadata": {"name": name, "labels": found}}
        for name, found in namespaces.items()
    ]
    cluster = snapshot(*items, *spaces, *(node(name, *found) for name, found in NODES.items()))
    evaluator = read(texts, cluster)
    family, protocol = data.draw(st.integers(0, 1)), data.draw(st.sampled_from(PROTOCOLS))
    everybody = ends(cluster, items, family)
    for number in NUMBERS:
        for client, calling in everybody:
            for server, called in everybody:
                said = evaluator.judge(flow(client, server, number, protocol)).outcome
                expected = passes(texts, namespaces, calling, called, protocol, number)
                event(str(said))
                assert said is (Outcome.ALLOWED if expected else Outcome.DENIED), (
                    calling,
                    called,
                    protocol,
                    number,
                )

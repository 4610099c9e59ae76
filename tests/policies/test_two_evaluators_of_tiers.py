"""Two evaluators of Cilium's and administrators' policies, each from their documentation."""

import json
from collections.abc import Callable, Sequence

from hypothesis import event, given, settings
from hypothesis import strategies as st

from otterize_pcap.intents.sort_files import NamedFile
from otterize_pcap.policies.evaluate import Evaluator
from otterize_pcap.policies.judgement import Outcome
from otterize_pcap.policies.read_policies import read_policies
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.cluster_builder import node, snapshot
from tests.policies.judged import flow
from tests.policies.second_evaluator import Json
from tests.policies.second_tiers import (
    NAMESPACE,
    OF_NAMESPACE,
    Way,
    cilium_passes,
    tiers_pass,
    ways,
)
from tests.policies.test_two_evaluators import (
    BLOCKS,
    NAMED,
    NAMESPACES,
    NODES,
    NUMBERS,
    PROTOCOLS,
    documents,
    ends,
    few_labels,
    namespace_selectors,
    pods,
    selectors,
)

tiers = settings(max_examples=60)
KEYS = ("x", "k8s:y", "any:z", f"k8s:{NAMESPACE}", f"k8s:{OF_NAMESPACE}x", "reserved:world")
VALUES = ("a", "b", *NAMESPACES)


@st.composite
def endpoint_selectors(draw: st.DrawFn, keys: tuple[str, ...] = KEYS) -> Json:
    """A selector by labels with their sources, of namespaces, or reserved."""
    found: Json = {}
    if draw(st.booleans()):
        found["matchLabels"] = draw(
            st.dictionaries(st.sampled_from(keys), st.sampled_from(VALUES), max_size=2)
        )
    if draw(st.booleans()):
        operator = draw(st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist")))
        values = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=2))
        found["matchExpressions"] = [
            {"key": draw(st.sampled_from(keys)), "operator": operator}
            | ({"values": values} if operator.endswith("In") else {})
        ]
    return found


@st.composite
def cidr_sets(draw: st.DrawFn) -> Json:
    """A range, with exceptions or without."""
    cidr, within = draw(st.sampled_from(BLOCKS))
    excepted = draw(st.lists(st.sampled_from(within), max_size=2, unique=True)) if within else []
    return {"cidr": cidr} | ({"except": excepted} if excepted else {})


@st.composite
def ports_of_cilium(draw: st.DrawFn, *, named: bool) -> Json:
    """A port: a number, all of them, a range, or a name."""
    port: Json = {"port": draw(st.sampled_from(tuple(map(str, (0, *NUMBERS)))))}
    if draw(st.booleans()):
        port["protocol"] = draw(st.sampled_from((*PROTOCOLS, "ANY")))
    if draw(st.booleans()):
        port["endPort"] = draw(st.sampled_from((1, 8081, 9090)))
    return {**port, "port": draw(st.sampled_from(NAMED))} if named and draw(st.booleans()) else port


@st.composite
def rules_of_cilium(draw: st.DrawFn, way: str) -> Json:
    """A rule with one kind of peers at most. Names of ports in egress rules are of all pods."""
    kinds = {
        f"{way}Endpoints": endpoint_selectors(),
        f"{way}Entities": st.sampled_from(
            ("world", "cluster", "host", "remote-node", "all", "none")
        ),
        f"{way}CIDR": st.sampled_from([cidr for cidr, _ in BLOCKS]),
        f"{way}CIDRSet": cidr_sets(),
    }
    kind = draw(st.sampled_from((None, *kinds)))
    rule: Json = {kind: draw(st.lists(kinds[kind], min_size=1, max_size=2))} if kind else {}
    if draw(st.booleans()):
        port = ports_of_cilium(named=way == "from")
        rule["toPorts"] = [{"ports": draw(st.lists(port, min_size=1, max_size=2))}]
    return rule


@st.composite
def cilium_documents(draw: st.DrawFn) -> list[Json]:
    """Some policies, of a namespace or of all."""
    found: list[Json] = []
    for number in range(draw(st.integers(1, 3))):
        namespace = draw(st.sampled_from((*NAMESPACES, None)))
        kind = "CiliumNetworkPolicy" if namespace else "CiliumClusterwideNetworkPolicy"
        meta = {"name": f"c{number}"} | ({"namespace": namespace} if namespace else {})
        rules = {
            section: st.lists(rules_of_cilium(way), max_size=2)
            for way, sections in (
                ("from", ("ingress", "ingressDeny")),
                ("to", ("egress", "egressDeny")),
            )
            for section in sections
        }
        flags = st.fixed_dictionaries(
            {}, optional={"ingress": st.booleans(), "egress": st.booleans()}
        )
        subject = endpoint_selectors(("x", "k8s:y", f"k8s:{OF_NAMESPACE}x"))
        spec = draw(
            st.fixed_dictionaries(
                {"endpointSelector": subject}, optional={**rules, "enableDefaultDeny": flags}
            )
        )
        found.append({"apiVersion": "cilium.io/v2", "kind": kind, "metadata": meta, "spec": spec})
    return found


def subjects() -> st.SearchStrategy[Json]:
    """Whom an administrator's policy, or a rule of one, is for."""
    both = {"namespaceSelector": namespace_selectors, "podSelector": selectors()}
    return st.one_of(
        st.fixed_dictionaries({"namespaces": namespace_selectors}),
        st.fixed_dictionaries({"pods": st.fixed_dictionaries(both)}),
    )


@st.composite
def admin_rules(draw: st.DrawFn, way: str, actions: Sequence[str]) -> Json:
    """A rule of an administrator's policy."""
    networks = st.lists(st.sampled_from([cidr for cidr, _ in BLOCKS]), min_size=1, max_size=2)
    outside = st.fixed_dictionaries({"networks": networks})
    peer = st.one_of(subjects(), outside) if way == "to" else subjects()
    rule: Json = {
        "action": draw(st.sampled_from(actions)),
        way: draw(st.lists(peer, min_size=1, max_size=2)),
    }
    protocol, number = st.sampled_from(PROTOCOLS), st.sampled_from(NUMBERS)
    port = st.one_of(
        st.fixed_dictionaries(
            {"portNumber": st.fixed_dictionaries({"protocol": protocol, "port": number})}
        ),
        st.fixed_dictionaries(
            {
                "portRange": st.fixed_dictionaries(
                    {"protocol": protocol, "start": st.just(50), "end": number}
                )
            }
        ),
        st.fixed_dictionaries({"namedPort": st.sampled_from(NAMED)}),
    )
    if draw(st.booleans()):
        rule["ports"] = draw(st.lists(port, min_size=1, max_size=2))
    return rule


@st.composite
def admin_documents(draw: st.DrawFn) -> list[Json]:
    """Administrators' policies of different priorities, and perhaps the baseline."""
    found: list[Json] = []
    priorities = draw(st.lists(st.integers(0, 1000), max_size=3, unique=True))
    for priority in (*priorities, *([None] if draw(st.booleans()) else [])):
        actions = ("Allow", "Deny") if priority is None else ("Allow", "Deny", "Pass")
        rules = {
            "ingress": st.lists(admin_rules("from", actions), max_size=3),
            "egress": st.lists(admin_rules("to", actions), max_size=3),
        }
        spec = draw(st.fixed_dictionaries({"subject": subjects()}, optional=rules))
        kind = "BaselineAdminNetworkPolicy" if priority is None else "AdminNetworkPolicy"
        found.append(
            {
                "apiVersion": "policy.networking.k8s.io/v1alpha1",
                "kind": kind,
                "metadata": {"name": "default" if priority is None else f"a{priority}"},
                "spec": spec if priority is None else {**spec, "priority": priority},
            }
        )
    return found


Passes = Callable[[Way], bool]
spaces = st.fixed_dictionaries(dict.fromkeys(NAMESPACES, few_labels))


def cluster_of(items: tuple[Json, ...], namespaces: dict[str, dict[str, str]]) -> Snapshot:
    """The snapshot of pods, namespaces and nodes."""
    named = [
        {"kind": "Namespace", "metadata": {"name": name, "labels": found}}
        for name, found in namespaces.items()
    ]
    return snapshot(*items, *named, *(node(name, *found) for name, found in NODES.items()))


def both_agree(
    texts: list[Json],
    cluster: Snapshot,
    items: tuple[Json, ...],
    data: st.DataObject,
    expected: Passes,
) -> None:
    """Between any two of pods, nodes and the outside, at any port, by either family."""
    content = "\n---\n".join(map(json.dumps, texts)).encode()
    found = read_policies([NamedFile("p.yaml", content)])
    assert not [each for each in found.remarks if each.rule.level == "error"], found.remarks
    evaluator = Evaluator(found.policies, cluster)
    family, protocol = data.draw(st.integers(0, 1)), data.draw(st.sampled_from(PROTOCOLS))
    everybody = ends(cluster, items, family)
    for number in NUMBERS:
        for client, calling in everybody:
            for server, called in everybody:
                said = evaluator.judge(flow(client, server, number, protocol)).outcome
                event(str(said))
                passes = all(map(expected, ways(calling, called, protocol, number)))
                assert said is (Outcome.ALLOWED if passes else Outcome.DENIED), (
                    calling,
                    called,
                    protocol,
                    number,
                )


@tiers
@given(
    cilium_documents(),
    st.just([]) | documents(),
    pods(),
    spaces,
    st.data(),
)
def test_both_say_the_same_of_ciliums_policies(
    own: list[Json],
    natives: list[Json],
    items: tuple[Json, ...],
    namespaces: dict[str, dict[str, str]],
    data: st.DataObject,
) -> None:
    """With NetworkPolicies beside them or without."""

    def expected(seen: Way) -> bool:
        return cilium_passes(own, natives, namespaces, seen)

    both_agree([*own, *natives], cluster_of(items, namespaces), items, data, expected)


@tiers
@given(
    admin_documents().filter(bool),
    st.just([]) | documents(),
    pods(),
    spaces,
    st.data(),
)
def test_both_say_the_same_of_administrators_policies(
    admins: list[Json],
    natives: list[Json],
    items: tuple[Json, ...],
    namespaces: dict[str, dict[str, str]],
    data: st.DataObject,
) -> None:
    """Before NetworkPolicies, and after them."""

    def expected(seen: Way) -> bool:
        return tiers_pass(admins, natives, namespaces, seen)

    both_agree([*admins, *natives], cluster_of(items, namespaces), items, data, expected)

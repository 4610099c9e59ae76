"""Policies out of files as repositories have them, and what is odd about them."""

import json

import pytest

from otterize_pcap.errors import PolicyError
from otterize_pcap.intents.sort_files import NamedFile
from otterize_pcap.policies.network_policy import (
    EGRESS,
    INGRESS,
    LabelSelector,
    NetworkPolicy,
    PolicyPort,
)
from otterize_pcap.policies.policy_of_item import policy_of
from otterize_pcap.policies.read_policies import PolicySet, read_policies
from otterize_pcap.policies.validate import problems_of
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from tests.cluster_builder import Json, pod

HEAD = (
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db, namespace: shop}\n"
)
BROKEN = (
    r"0\.yaml: neither JSON nor YAML \(a syntax error at line \d, column \d\); "
    "render templates first, for example by `helm template`"
)
STREAM = """\
# Source: shop/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: db}
---
# Source: shop/templates/netpol.yaml
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: db
  labels: {team: a}
spec:
  podSelector:
    matchLabels: {app: db}
  ingress:
  - from:
    - podSelector: {}
  - ports:
    - port: 53
      protocol: UDP
---
---
apiVersion: v1
kind: List
items:
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: web, namespace: shop}
  spec: {policyTypes: [Egress], egress: [{}]}
- {apiVersion: projectcalico.org/v3, kind: NetworkPolicy, metadata: {name: web}}
- apiVersion: v1
"""


def read(*texts: str, in_folder: bool = False) -> PolicySet:
    """Policies of files `0.yaml`, `1.yaml`, ..."""
    return read_policies(
        NamedFile(f"{number}.yaml", text.encode(), in_folder) for number, text in enumerate(texts)
    )


def places(found: PolicySet) -> list[tuple[str, int]]:
    """Each policy's line, then its rules'."""
    return [
        (policy.name, place.line)
        for policy in found.policies
        for place in (policy.place, *(rule.place for rule in (*policy.ingress, *policy.egress)))
        if place is not None
    ]


def test_a_rendered_stream_of_all_kinds() -> None:
    """Policies with the lines of each rule; all else counted, another group's of that kind too."""
    found = read(STREAM)
    assert places(found) == [("db", 7), ("db", 16), ("db", 18), ("web", 26), ("web", 29)]
    db, web = (each for each in found.policies if isinstance(each, NetworkPolicy))
    assert (db.namespace, db.pod_selector, db.labels) == (
        "default",
        LabelSelector((("app", "db"),)),
        (("team", "a"),),
    )
    assert [db.policy_types, web.policy_types] == [frozenset({INGRESS}), frozenset({EGRESS})]
    assert db.ingress[1].ports == (PolicyPort("UDP", 53),)
    assert found.homeless == 1
    assert dict(found.left_out) == {
        "Deployment": 1,
        "NetworkPolicy.projectcalico.org": 1,
        "without a kind": 1,
    }
    assert found.remarks == ()


def test_json_also_in_tabs() -> None:
    """What `kubectl get -o json` prints, and JSON that YAML's scanner refuses."""
    item = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }
    whole = {"apiVersion": "v1", "kind": "List", "items": [item]}
    expected = read(json.dumps(item)).policies
    for indent in (None, 4, "\t"):
        assert read(json.dumps(whole, indent=indent)).policies == expected


def test_namespace_of_those_that_name_none() -> None:
    """As `kubectl apply -n` has it."""
    (policy,) = read_policies(
        [NamedFile("p.yaml", HEAD.replace(", namespace: shop", "").encode())], "ops"
    ).policies
    assert policy.namespace == "ops"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"0\.yaml: empty; expected network policies, YAML or JSON"),
        ("kind: {{ .Values.kind }}\n  x: 1", BROKEN),
        ('{"a": ', BROKEN),
    ],
)
def test_a_file_that_was_named_and_cannot_be_read(text: str, said: str) -> None:
    """It is an error."""
    with pytest.raises(PolicyError, match=rf"\A{said}\Z"):
        read(text)


def test_files_of_folders() -> None:
    """Empty and foreign files are counted; a template that speaks of policies is an error."""
    found = read("", "x: {{ y }}\n  z", "a: 1", in_folder=True)
    assert dict(found.left_out) == {"empty": 1, "neither JSON nor YAML": 1, "without a kind": 1}
    assert found.unparsed == ("1.yaml",)
    with pytest.raises(PolicyError, match=r"0\.yaml: neither JSON nor YAML"):
        read("kind: NetworkPolicy\nspec: {{ y }}\n  z", in_folder=True)


@pytest.mark.parametrize(
    ("spec", "rule", "line", "text"),
    [
        ("x: 1", "policy-unknown-field", 5, "spec.x means nothing to the API server"),
        (
            "ingress:\n  - from:\n    - podSelecter: {}\n      podSelector: {}",
            "policy-unknown-field",
            7,
            "spec.ingress[0].from[0].podSelecter means nothing to the API server",
        ),
        (
            "ingress:\n  - from: []",
            "policy-empty-peers",
            6,
            "`from: []` allows everybody; leave the rule out to allow nobody",
        ),
        (
            "policyTypes: [Egress]\n  egress:\n  - to: []",
            "policy-empty-peers",
            7,
            "`to: []` allows everybody; leave the rule out to allow nobody",
        ),
        (
            "policyTypes: [Ingress]\n  egress:\n  - {}",
            "policy-rules-without-type",
            7,
            "its rules of egress mean nothing without policyTypes: Egress",
        ),
        ("ingress: 1", "policy-invalid", 5, "spec.ingress is 1; expected a list or null"),
        (
            "policyTypes: [ingress]",
            "policy-invalid",
            5,
            "spec.policyTypes[0]: 'ingress' is neither Ingress nor Egress",
        ),
        (
            "podSelector: {matchExpressions: [{key: a, operator: Is}]}",
            "policy-invalid",
            5,
            (
                "spec.podSelector.matchExpressions[0].operator: "
                "'Is' is none of In, NotIn, Exists, DoesNotExist"
            ),
        ),
        (
            "podSelector: {matchExpressions: [{key: a, operator: In}]}",
            "policy-invalid",
            5,
            "spec.podSelector.matchExpressions[0]: In needs values",
        ),
        (
            "podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}",
            "policy-invalid",
            5,
            "spec.podSelector.matchExpressions[0]: Exists takes no values",
        ),
        (
            "ingress: [{from: [{}]}]",
            "policy-invalid",
            5,
            (
                "spec.ingress[0].from[0]: "
                "a peer needs a podSelector, a namespaceSelector or an ipBlock"
            ),
        ),
        (
            "ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]",
            "policy-invalid",
            5,
            "spec.ingress[0].from[0]: an ipBlock stands alone, without selectors",
        ),
        (
            "egress: [{to: [{ipBlock: {cidr: 10.0.0.1}}]}]",
            "policy-invalid",
            5,
            (
                "spec.egress[0].to[0].ipBlock.cidr: "
                "'10.0.0.1' is not a range of addresses such as 10.0.0.0/8"
            ),
        ),
        (
            "egress: [{to: [{ipBlock: {cidr: 010.0.0.0/8}}]}]",
            "policy-invalid",
            5,
            (
                "spec.egress[0].to[0].ipBlock.cidr: '010.0.0.0/8' has leading zeros, "
                "which not everybody takes alike; write 10.0.0.0/8"
            ),
        ),
        (
            "egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/9]}}]}]",
            "policy-invalid",
            5,
            "spec.egress[0].to[0].ipBlock.except[0]: 11.0.0.0/9 does not lie within 10.0.0.0/8",
        ),
        (
            "egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]",
            "policy-invalid",
            5,
            "spec.egress[0].to[0].ipBlock.except[0]: 10.0.0.0/8 does not lie within 10.0.0.0/8",
        ),
        (
            "egress: [{ports: [{protocol: ICMP}]}]",
            "policy-invalid",
            5,
            "spec.egress[0].ports[0].protocol: 'ICMP' is none of TCP, UDP, SCTP",
        ),
        (
            "egress: [{ports: [{port: '80'}]}]",
            "policy-invalid",
            5,
            "spec.egress[0].ports[0].port: '80' is neither a number nor the name of a port",
        ),
        (
            "egress: [{ports: [{port: 65536}]}]",
            "policy-invalid",
            5,
            "spec.egress[0].ports[0].port: 65536 is no port",
        ),
        (
            "egress: [{ports: [{port: http, endPort: 90}]}]",
            "policy-invalid",
            5,
            "spec.egress[0].ports[0].endPort: needs a port that is a number",
        ),
        (
            "egress: [{ports: [{port: 90, endPort: 80}]}]",
            "policy-invalid",
            5,
            "spec.egress[0].ports[0].endPort: 80 does not end a range from 90",
        ),
    ],
)
def test_remarks(spec: str, rule: str, line: int, text: str) -> None:
    """What the API server refuses is left out and said; what it takes to mean else is said."""
    found = read(f"{HEAD}spec:\n  {spec}\n")
    (remark,) = found.remarks
    assert remark.place is not None
    assert (remark.rule.name, remark.place.line, remark.text) == (rule, line, text)
    assert str(remark.policy) == "NetworkPolicy shop/db"
    assert len(found.policies) == (rule != "policy-invalid")


def test_the_line_of_a_field_whose_name_is_a_number() -> None:
    """YAML's number is a name of JSON, and has a line like others."""
    found = read(HEAD + "spec:\n  podSelector:\n    matchLabels:\n      app: db\n      1: 2\n")
    (remark,) = found.remarks
    assert remark.text == "spec.podSelector.matchLabels.1 is 2; expected text"
    assert remark.place is not None
    assert remark.place.line == 8


def test_a_policy_without_a_name() -> None:
    """The API server refuses it."""
    (remark,) = read(HEAD.replace("name: db, ", "")).remarks
    assert (remark.rule.name, remark.text) == ("policy-invalid", "metadata.name is missing")


def test_a_policy_that_is_there_twice() -> None:
    """The later one counts, as with `kubectl apply`; the same name elsewhere is another."""
    elsewhere = HEAD.replace("shop", "ops")
    found = read(f"{HEAD}spec: {{egress: [{{}}]}}", elsewhere, HEAD)
    assert [(each.namespace, len(each.egress)) for each in found.policies] == [
        ("ops", 0),
        ("shop", 0),
    ]
    (remark,) = found.remarks
    assert remark.place is not None
    assert (remark.rule.name, remark.place.file) == ("policy-twice", "2.yaml")
    assert remark.text == "it is at 0.yaml:1 as well"


def test_a_snapshots_policies_are_the_same_values() -> None:
    """What a capture recorded means what the file says."""
    found = read(STREAM.replace("{team: a}", "{}"))
    items: list[Json] = [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "db", "namespace": "default", "uid": "1"},
            "spec": {
                "podSelector": {"matchLabels": {"app": "db"}},
                "policyTypes": ["Ingress"],
                "ingress": [
                    {"from": [{"podSelector": {}}]},
                    {"ports": [{"port": 53, "protocol": "UDP"}]},
                ],
            },
        },
        pod("a", "10.0.0.1"),
    ]
    (item,) = parse_snapshot(
        [("s", json.dumps({"kind": "List", "items": items}).encode())]
    ).policies
    assert item.spec is not None
    assert list(problems_of(item.spec)) == []
    assert policy_of(item, "default") == found.policies[0]


@pytest.mark.parametrize(
    ("label", "remark"),
    [
        ("1: a", None),
        ("2026-01-01: a", None),
        ("on: a", "spec.podSelector.matchLabels has no JSON form; quote its keys, and its values"),
        ("~: a", "spec.podSelector.matchLabels has no JSON form; quote its keys, and its values"),
    ],
)
def test_keys_that_are_no_text(label: str, remark: str | None) -> None:
    """What YAML takes for a number is text in the JSON that the API server gets; others are not."""
    found = read(HEAD + f"spec: {{podSelector: {{matchLabels: {{{label}}}}}}}\n")
    assert [each.text for each in found.remarks] == ([remark] if remark else [])
    assert len(found.policies) == (0 if remark else 1)

"""A whole check of policies: what it suggests, and how it finds what is odd."""

from pathlib import Path

import pytest

from otterize_pcap.files.captures import open_captures
from otterize_pcap.policies.action_rule import ActionRule, CiliumPolicy
from otterize_pcap.policies.network_policy import (
    EGRESS,
    INGRESS,
    LabelSelector,
    NetworkPolicy,
    Peer,
    PolicyPort,
    PolicyRule,
)
from otterize_pcap.policies.policy_rules import Remark
from otterize_pcap.resolve.map_capture import map_capture
from otterize_pcap.table.read import ReadOptions
from tests.cluster_builder import Json, call, mapped, pod, service, snapshot
from tests.policies.judged import OBJECTS, check_policies, policies
from tests.policies.recordings import RECORDED

BOTH = frozenset({INGRESS, EGRESS})


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_suggested_rules_allow_what_is_denied(path: Path) -> None:
    """Where everything is denied, the rules that are suggested allow it, and all are used."""
    capture = map_capture(open_captures([path], None, ReadOptions())[0])
    namespaces = sorted({each.namespace for each in capture.snapshot.pods})
    closed = [NetworkPolicy("all", name, policy_types=BOTH) for name in namespaces]
    denied, _ = check_policies(closed, [capture], attempts=True)
    added = {
        (side.pod.namespace, direction, rule)
        for each in denied.denied
        for direction, rule in each.remedies
        for side in each.denying
        if side.direction == direction and isinstance(rule, PolicyRule)
    }
    opened = [
        NetworkPolicy(
            f"p{number}",
            namespace,
            policy_types=frozenset({direction}),
            ingress=(rule,) if direction == INGRESS else (),
            egress=(rule,) if direction == EGRESS else (),
        )
        for number, (namespace, direction, rule) in enumerate(added)
    ]
    check, _ = check_policies([*closed, *opened], [capture], attempts=True)
    assert check.denied == ()
    assert check.unused == ()


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_suggested_rules_of_cilium_allow_what_is_denied(path: Path) -> None:
    """Where Cilium's own policies deny everything, its own rules are suggested, and allow it."""
    capture = map_capture(open_captures([path], None, ReadOptions())[0])
    everything = LabelSelector()
    kind = "CiliumClusterwideNetworkPolicy"
    closed = CiliumPolicy(kind, "all", "", everything, BOTH)
    denied, _ = check_policies([closed], [capture], attempts=True)
    added = {
        (side.pod.namespace, direction, rule)
        for each in denied.denied
        for direction, rule in each.remedies
        for side in each.denying
        if side.direction == direction and isinstance(rule, ActionRule)
    }
    opened = [
        CiliumPolicy(
            "CiliumNetworkPolicy",
            f"p{number}",
            namespace,
            everything,
            ingress=(rule,) if direction == INGRESS else (),
            egress=(rule,) if direction == EGRESS else (),
        )
        for number, (namespace, direction, rule) in enumerate(added)
    ]
    check, _ = check_policies([closed, *opened], [capture], attempts=True)
    assert check.denied == ()
    assert check.unused == ()


def remarks(text: str, *more: Json) -> list[str]:
    """What is odd about policies in the small cluster, where the web calls the database."""
    known = snapshot(*OBJECTS, *more)
    seen = call("10.1.0.1:40000", "10.1.0.2:5432")
    _, found = check_policies(policies(text), [mapped(known, seen)])
    return [said(each) for each in found]


def said(remark: Remark) -> str:
    """A remark as a line."""
    return f"{remark.rule.name}: {remark.text}"


INTO_DB = "p: {podSelector: {matchLabels: {app: db}}, ingress: [%s]}"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}", []),
        ("{from: [{podSelector: {}}, {namespaceSelector: {}}]}", []),
        (
            "{from: [{namespaceSelector: {matchLabels: {team: c}}}]}",
            ["policy-no-namespace: no namespace has team=c"],
        ),
        (
            "{from: [{podSelector: {matchLabels: {app: monitor}}}]}",
            [
                (
                    "policy-no-peer-pod: no pod of shop has app=monitor, but pods of ops have: "
                    "a podSelector alone means the policy's own namespace"
                )
            ],
        ),
        (
            "{from: [{podSelector: {matchExpressions: [{key: a, operator: In, values: [x, y]}]}}]}",
            ["policy-no-peer-pod: no pod of shop has a in (x, y)"],
        ),
        (
            "{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: x}}}]}",
            ["policy-no-peer-pod: no pod of such namespaces has app=x"],
        ),
        (
            "{ports: [{port: mysql}]}",
            ["policy-no-port-name: no pod that it speaks of has a TCP port 'mysql'"],
        ),
        (
            "{ports: [{port: dns}]}",
            ["policy-no-port-name: no pod that it speaks of has a TCP port 'dns'"],
        ),
        ("{ports: [{port: postgres}]}", []),
        (
            "{ports: [{port: 80}]}",
            [
                (
                    "policy-service-port: 80 is the port of Service shop/db; its pods have 5432, "
                    "which is what policies see"
                )
            ],
        ),
        ("{ports: [{port: 81}]}", []),
    ],
)
def test_mistakes(rule: str, expected: list[str]) -> None:
    """What probably means something else than it says, by what the cluster has."""
    front = service("db", "10.96.0.9", 80, target=5432, namespace="shop")
    assert remarks(INTO_DB % rule, front) == expected


def test_a_service_port_in_an_egress_rule() -> None:
    """The pods that the rule means have another one."""
    front = service("db", "10.96.0.9", 80, target=5432, namespace="shop")
    rule = "{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 80}, {port: 5432}]}"
    dns = "{ports: [{port: 53}, {port: 53, protocol: UDP}]}"
    text = "p: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [%s]}"
    assert [each.partition(":")[0] for each in remarks(text % f"{rule}, {dns}", front)] == [
        "policy-service-port"
    ]


def test_namespaces_that_were_not_recorded_are_nobodys_mistake() -> None:
    """Without them nobody knows which labels there are."""
    known = snapshot(pod("web", "10.1.0.1"), pod("db", "10.1.0.2"))
    capture = mapped(known, call("10.1.0.1:40000", "10.1.0.2:5432"))
    text = (
        "app/p: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {a: b}}}]}]}"
    )
    check, found = check_policies(policies(text), [capture])
    assert found == ()
    assert [each.reasons for each in check.unused] == [("whether a call needs it is not known",)]


def test_what_nothing_used_of_a_rule() -> None:
    """A rule as a whole, else single peers and ports of it; and whom no policy selects."""
    capture = mapped(snapshot(*OBJECTS), call("10.1.0.1:40000", "10.1.0.2:5432"))
    web, all_ops = "{podSelector: {matchLabels: {app: web}}}", "{namespaceSelector: {}}"
    text = f"""
      p: {{podSelector: {{matchLabels: {{app: db}}}}, ingress: [
        {{from: [{web}, {{ipBlock: {{cidr: 10.9.0.0/16}}}}], ports: [{{port: 5432}}, {{port: 1}}]}},
        {{from: [{all_ops}], ports: [{{port: 2}}]}}]}}
      none: {{podSelector: {{matchLabels: {{app: nobody}}}}, ingress: [{{}}]}}
    """
    check, _ = check_policies(policies(text), [capture])
    assert [(each.part.rule, each.part.peer, each.part.port) for each in check.unused] == [
        (0, 1, None),
        (0, None, 1),
        (1, None, None),
    ]
    assert [each.name for each in check.selecting_nothing] == ["none"]
    assert [
        (each.namespace, each.workload.name if each.workload else None, each.pods)
        for each in check.not_selected
    ] == [("ops", None, 2), ("shop", "web", 1), ("unlisted", None, 1)]


def test_suggested_rule_of_another_namespace() -> None:
    """Its pods are named by label and namespace."""
    capture = mapped(snapshot(*OBJECTS), call("10.2.0.1:40000", "10.1.0.2:5432"))
    check, _ = check_policies(policies("p: {podSelector: {}}"), [capture])
    ((direction, rule),) = check.denied[0].remedies
    assert direction == INGRESS
    assert rule.ports == (PolicyPort("TCP", 5432),)
    assert isinstance(rule, PolicyRule)
    (peer,) = rule.peers
    assert isinstance(peer, Peer)
    assert peer.pod_selector is not None
    assert peer.namespace_selector is not None
    assert peer.pod_selector.match_labels == (("app", "monitor"),)
    assert peer.namespace_selector.match_labels == (("kubernetes.io/metadata.name", "ops"),)

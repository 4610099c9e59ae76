"""Policies mean what the API's documentation says, feature by feature.

https://kubernetes.io/docs/concepts/services-networking/network-policies/, and the types of
networking.k8s.io/v1. Each case is a policy, a call, and what the documentation says of it.
"""

import pytest
from msgspec.structs import replace

from otterize_pcap.addresses import parse_address
from otterize_pcap.policies.evaluate import Evaluator
from otterize_pcap.policies.flow_ends import ApiServerEnd, NodeEnd, PodEnd, ServiceEnd
from otterize_pcap.policies.judgement import (
    NOT_ISOLATED,
    OWN_NODE,
    PERHAPS_OWN_NODE,
    SOME_ADDRESSES,
    SOME_BACKENDS,
    Outcome,
)
from otterize_pcap.policies.peers import NAMESPACE_UNKNOWN
from tests.cluster_builder import NODE_A, NODE_B
from tests.policies.judged import CLUSTER, end, flow, judged, policies, verdict

ALLOWED, DENIED, UNKNOWN = "allowed", "denied", "unknown"
DB = "podSelector: {matchLabels: {app: db}}"
FROM_DB = f"p: {{{DB}, policyTypes: [Ingress], ingress: [{{from: [%s]}}]}}"
BY_TEAM_B = "{namespaceSelector: {matchLabels: {team: b}}}"
EXCEPTED = "{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.0/28]}}"
WEB, MONITOR, OPS_WEB, OUTSIDE = "shop/web", "ops/monitor", "ops/web", "203.0.113.9"


@pytest.mark.parametrize(
    ("peer", "client", "expected"),
    [
        ("{podSelector: {matchLabels: {app: web}}}", WEB, ALLOWED),
        # podSelector alone: pods of the policy's own namespace.
        ("{podSelector: {matchLabels: {app: web}}}", OPS_WEB, DENIED),
        ("{podSelector: {matchLabels: {app: web}}}", "shop/db-2", DENIED),
        # An empty one: all pods of the namespace.
        ("{podSelector: {}}", WEB, ALLOWED),
        ("{podSelector: {}}", MONITOR, DENIED),
        ("{podSelector: {}}", OUTSIDE, DENIED),
        # namespaceSelector alone: all pods of such namespaces.
        (BY_TEAM_B, MONITOR, ALLOWED),
        (BY_TEAM_B, WEB, DENIED),
        ("{namespaceSelector: {}}", MONITOR, ALLOWED),
        ("{namespaceSelector: {}}", WEB, ALLOWED),
        ("{namespaceSelector: {}}", OUTSIDE, DENIED),
        # Both in one peer: such pods of such namespaces.
        (
            "{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: web}}}",
            OPS_WEB,
            ALLOWED,
        ),
        (
            "{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: web}}}",
            MONITOR,
            DENIED,
        ),
        (
            "{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: web}}}",
            WEB,
            DENIED,
        ),
        # In two peers: either.
        (
            BY_TEAM_B + ", {podSelector: {matchLabels: {app: web}}}",
            MONITOR,
            ALLOWED,
        ),
        (
            BY_TEAM_B + ", {podSelector: {matchLabels: {app: web}}}",
            WEB,
            ALLOWED,
        ),
        # By name, which every namespace is labelled with.
        (
            "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}}",
            MONITOR,
            ALLOWED,
        ),
        ("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}}", WEB, DENIED),
        (
            "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: unlisted}}}",
            "unlisted/web",
            ALLOWED,
        ),
        # matchExpressions.
        (
            "{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [b]}]}}",
            WEB,
            ALLOWED,
        ),
        (
            "{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [b]}]}}",
            MONITOR,
            DENIED,
        ),
        ("{podSelector: {matchExpressions: [{key: tier, operator: Exists}]}}", WEB, ALLOWED),
        ("{podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}}", WEB, DENIED),
        # ipBlock, and what is excepted from it.
        ("{ipBlock: {cidr: 203.0.113.0/24}}", OUTSIDE, ALLOWED),
        (EXCEPTED, OUTSIDE, DENIED),
        ("{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.128/25]}}", OUTSIDE, ALLOWED),
        (
            EXCEPTED + ", {ipBlock: {cidr: 203.0.113.9/32}}",
            OUTSIDE,
            ALLOWED,
        ),
        ("{ipBlock: {cidr: 0.0.0.0/0}}", OUTSIDE, ALLOWED),
        ("{ipBlock: {cidr: 0.0.0.0/0}}", "2001:db8::9", DENIED),
        ("{ipBlock: {cidr: '::/0'}}", "2001:db8::9", ALLOWED),
        ("{ipBlock: {cidr: '::/0'}}", OUTSIDE, DENIED),
        # The conformance tests allow pods by their addresses.
        ("{ipBlock: {cidr: 10.2.0.1/32}}", MONITOR, ALLOWED),
        # Pods on their node's network are that node's addresses, and nobody's pods.
        ("{podSelector: {}}", "shop/agent", ALLOWED),
        ("{podSelector: {}}", NODE_A, DENIED),
        (f"{{ipBlock: {{cidr: {NODE_A}/32}}}}", NODE_A, ALLOWED),
    ],
)
def test_peers(peer: str, client: str, expected: str) -> None:
    """Whom a peer of an ingress rule means; the agent is on the database's own node."""
    assert verdict(FROM_DB % peer, client, "shop/db") == expected


@pytest.mark.parametrize(
    ("port", "server", "called", "expected"),
    [
        ("{port: 5432}", "shop/db", (5432, "TCP"), ALLOWED),
        ("{port: 5432}", "shop/db", (5433, "TCP"), DENIED),
        # The protocol is TCP where none is stated.
        ("{port: 53}", "shop/db", (53, "UDP"), DENIED),
        ("{port: 53, protocol: UDP}", "shop/db", (53, "UDP"), ALLOWED),
        ("{port: 53, protocol: UDP}", "shop/db", (53, "TCP"), DENIED),
        ("{port: 3868, protocol: SCTP}", "shop/db", (3868, "SCTP"), ALLOWED),
        ("{port: 3868, protocol: SCTP}", "shop/db", (3868, "TCP"), DENIED),
        # Without a port all of the protocol's.
        ("{protocol: SCTP}", "shop/db", (3868, "SCTP"), ALLOWED),
        ("{protocol: SCTP}", "shop/db", (3868, "UDP"), DENIED),
        ("{}", "shop/db", (9999, "TCP"), ALLOWED),
        ("{}", "shop/db", (9999, "UDP"), DENIED),
        # A range, both ends included.
        ("{port: 32000, endPort: 32768}", "shop/db", (32000, "TCP"), ALLOWED),
        ("{port: 32000, endPort: 32768}", "shop/db", (32768, "TCP"), ALLOWED),
        ("{port: 32000, endPort: 32768}", "shop/db", (31999, "TCP"), DENIED),
        ("{port: 32000, endPort: 32768}", "shop/db", (32769, "TCP"), DENIED),
        # A name is each selected pod's own, and of its protocol.
        ("{port: postgres}", "shop/db", (5432, "TCP"), ALLOWED),
        ("{port: postgres}", "shop/db-2", (6432, "TCP"), ALLOWED),
        ("{port: postgres}", "shop/db-2", (5432, "TCP"), DENIED),
        ("{port: dns}", "shop/db", (53, "TCP"), DENIED),
        ("{port: dns, protocol: UDP}", "shop/db", (53, "UDP"), ALLOWED),
        ("{port: nobody}", "shop/db", (5432, "TCP"), DENIED),
        ("{port: 80}, {port: 5432}", "shop/db", (5432, "TCP"), ALLOWED),
    ],
)
def test_ports(port: str, server: str, called: tuple[int, str], expected: str) -> None:
    """Which ports a rule means, of ingress and of egress alike."""
    ingress = f"p: {{podSelector: {{}}, policyTypes: [Ingress], ingress: [{{ports: [{port}]}}]}}"
    egress = f"p: {{podSelector: {{}}, policyTypes: [Egress], egress: [{{ports: [{port}]}}]}}"
    assert verdict(ingress, WEB, server, *called) == expected
    assert verdict(egress, WEB, server, *called) == expected


DENY_IN = f"in: {{{DB}, policyTypes: [Ingress]}}"
DENY_OUT = "out: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]}"


@pytest.mark.parametrize(
    ("text", "client", "server", "expected"),
    [
        # A pod that nothing selects lets everything pass.
        (DENY_IN, WEB, MONITOR, ALLOWED),
        (DENY_IN, "shop/db", WEB, ALLOWED),
        (DENY_IN, WEB, "shop/db", DENIED),
        (DENY_OUT, WEB, MONITOR, DENIED),
        (DENY_OUT, MONITOR, WEB, ALLOWED),
        # Of its own namespace only.
        (DENY_OUT, OPS_WEB, MONITOR, ALLOWED),
        # An empty selector: all pods of the namespace.
        ("all: {podSelector: {}, policyTypes: [Ingress, Egress]}", WEB, "shop/db", DENIED),
        ("all: {podSelector: {}, policyTypes: [Egress]}", WEB, OUTSIDE, DENIED),
        ("all: {podSelector: {}, policyTypes: [Egress]}", OUTSIDE, WEB, ALLOWED),
        # Both sides have to allow.
        (f"{DENY_IN}\nout: {{podSelector: {{}}, policyTypes: [Egress], egress: [{{}}]}}", WEB,
         "shop/db", DENIED),
        (f"in: {{{DB}, ingress: [{{}}]}}\n{DENY_OUT}", WEB, "shop/db", DENIED),
        (f"in: {{{DB}, ingress: [{{}}]}}\nout: {{podSelector: {{}}, egress: [{{}}]}}", WEB,
         "shop/db", ALLOWED),
        # Policies add up: any of them may allow.
        (f"{DENY_IN}\nmore: {{{DB}, ingress: [{{from: [{{podSelector: {{}}}}]}}]}}", WEB,
         "shop/db", ALLOWED),
        # Within a rule peers and ports both have to match; rules are alternatives.
        (f"p: {{{DB}, ingress: [{{from: [{{podSelector: {{}}}}], ports: [{{port: 80}}]}}]}}", WEB,
         "shop/db", DENIED),
        (f"p: {{{DB}, ingress: [{{ports: [{{port: 80}}]}}, {{from: [{{podSelector: {{}}}}]}}]}}",
         WEB, "shop/db", ALLOWED),
        # Without policyTypes: Ingress always, Egress where there are rules of it.
        (f"p: {{{DB}}}", "shop/db", WEB, ALLOWED),
        (f"p: {{{DB}}}", WEB, "shop/db", DENIED),
        (f"p: {{{DB}, egress: [{{ports: [{{port: 1}}]}}]}}", "shop/db", WEB, DENIED),
        # An empty rule allows everything.
        (f"p: {{{DB}, policyTypes: [Ingress], ingress: [{{}}]}}", OUTSIDE, "shop/db", ALLOWED),
        # Nobody's policy selects a pod on its node's network.
        ("all: {podSelector: {}, policyTypes: [Ingress, Egress]}", "shop/agent", OUTSIDE, ALLOWED),
        ("all: {podSelector: {}, policyTypes: [Ingress, Egress]}", OUTSIDE, "shop/agent", ALLOWED),
        # A pod reaches itself; and its own node reaches it, another does not.
        ("all: {podSelector: {}, policyTypes: [Ingress, Egress]}", WEB, WEB, ALLOWED),
        (DENY_IN, NODE_B, "shop/db", ALLOWED),
        (DENY_IN, NODE_A, "shop/db", DENIED),
        # But a pod does not reach its own node.
        (DENY_OUT, WEB, NODE_A, DENIED),
    ],
)  # fmt: skip
def test_isolation(text: str, client: str, server: str, expected: str) -> None:
    """Which pods are isolated, one way or the other, and what that leaves."""
    assert verdict(text, client, server) == expected


def test_the_rules_that_allow_are_told() -> None:
    """Each policy, rule, peer and port that allows a call; the pod's other policies isolate too."""
    found = judged(
        f"""
        a: {{{DB}, ingress: [{{from: [{{podSelector: {{}}}}]}}]}}
        b:
          podSelector: {{}}
          ingress:
          - {{ports: [{{port: 1}}]}}
          - from: [{{ipBlock: {{cidr: 10.0.0.0/8}}}}, {{namespaceSelector: {{}}}}]
            ports: [{{port: 1}}, {{port: 5432}}, {{}}]
        c: {{{DB}}}
        """,
        flow(end(WEB), end("shop/db")),
    )
    egress, ingress = found.sides
    assert (egress.outcome, egress.reason) == (Outcome.ALLOWED, NOT_ISOLATED)
    assert [policy.name for policy in ingress.policies] == ["a", "b", "c"]
    assert [(each.policy.name, each.rule, each.peers, each.ports) for each in ingress.allowing] == [
        ("a", 0, (0,), ()),
        ("b", 1, (0, 1), (1, 2)),
    ]


def test_labels_of_namespaces_that_are_not_known() -> None:
    """What asks for them may allow or not; what another rule decides is known all the same."""
    by_team = "{namespaceSelector: {matchLabels: {team: a}}}"
    client, server = end("unlisted/web"), end("shop/db")
    found = judged(FROM_DB % by_team, flow(client, server))
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, NAMESPACE_UNKNOWN)
    name = "kubernetes.io/metadata.name"
    both = f"{{namespaceSelector: {{matchLabels: {{team: a, {name}: shop}}}}}}"
    assert judged(FROM_DB % both, flow(client, server)).outcome is Outcome.DENIED
    either = f"{by_team}, {{namespaceSelector: {{}}}}"
    assert judged(FROM_DB % either, flow(client, server)).outcome is Outcome.ALLOWED


def test_named_port_where_several_pods_are_behind_a_service() -> None:
    """A backend that was not seen: known only where all of them say the same."""
    one, two = end("shop/db"), end("shop/db-2")
    assert isinstance(one, PodEnd)
    assert isinstance(two, PodEnd)
    behind = flow(end(WEB), ServiceEnd(("db.shop",), (one, two)))
    found = judged(f"p: {{{DB}, ingress: [{{ports: [{{port: postgres}}]}}]}}", behind)
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, SOME_BACKENDS)
    assert judged(f"p: {{{DB}}}", behind).outcome is Outcome.DENIED
    assert judged(f"p: {{{DB}, ingress: [{{}}]}}", behind).outcome is Outcome.ALLOWED


def test_what_a_node_put_its_own_address_in() -> None:
    """Each side's filter sees what it sees: the node that was sent to, and the one it came from."""
    front = end(NODE_A)
    through = flow(
        end(WEB), end("shop/db"), port=30000, server_port=5432, source=front, destination=front
    )
    by_web = FROM_DB % "{podSelector: {matchLabels: {app: web}}}"
    assert judged(by_web, through).outcome is Outcome.DENIED
    by_node = FROM_DB % f"{{ipBlock: {{cidr: {NODE_A}/32}}}}"
    assert judged(by_node, through).outcome is Outcome.ALLOWED
    to_node = f"{{ipBlock: {{cidr: {NODE_A}/32}}}}"
    for port, outcome in ((30000, Outcome.ALLOWED), (5432, Outcome.DENIED)):
        text = f"p: {{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{to_node}], "
        text += f"ports: [{{port: {port}}}]}}]}}"
        assert judged(text, through).outcome is outcome


def test_an_address_that_several_nodes_have() -> None:
    """From a pod's own node all is allowed; where it may be that node, nobody knows."""
    shared = NodeEnd(parse_address(NODE_A), ("a", "b"))
    found = judged(DENY_IN, flow(shared, end("shop/db")))
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, PERHAPS_OWN_NODE)
    allowed = judged(FROM_DB % f"{{ipBlock: {{cidr: {NODE_A}/32}}}}", flow(shared, end("shop/db")))
    assert allowed.outcome is Outcome.ALLOWED


def test_the_api_server_at_several_addresses() -> None:
    """It is allowed where all of its addresses are, by one rule or by several."""
    api = ApiServerEnd((parse_address("192.0.2.1"), parse_address("192.0.2.2")))
    called = flow(end(WEB), api, 6443)
    one, two = (f"{{to: [{{ipBlock: {{cidr: 192.0.2.{last}/32}}}}]}}" for last in (1, 2))
    text = "p: {podSelector: {}, policyTypes: [Egress], egress: [%s]}"
    assert judged(text % f"{one}, {two}", called).outcome is Outcome.ALLOWED
    found = judged(text % one, called)
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, SOME_ADDRESSES)
    assert judged(text % "{to: [{podSelector: {}}]}", called).outcome is Outcome.DENIED
    on_node = ApiServerEnd((parse_address(NODE_B),))
    side = judged(DENY_IN, flow(on_node, end("shop/db"))).sides[0]
    assert (side.outcome, side.reason) == (Outcome.ALLOWED, OWN_NODE)


def test_pods_are_found_by_any_selector() -> None:
    """The index of policies selects what their selectors do."""
    texts = [
        "matchLabels: {app: db}",
        "matchLabels: {app: db, tier: front}",
        "matchExpressions: [{key: app, operator: In, values: [db, web, db]}]",
        "matchExpressions: [{key: app, operator: NotIn, values: [db]}]",
        "matchExpressions: [{key: tier, operator: Exists}]",
        "matchExpressions: [{key: tier, operator: DoesNotExist}]",
        "matchLabels: {}",
    ]
    found = policies(
        "\n".join(f"p{at}: {{podSelector: {{{text}}}}}" for at, text in enumerate(texts))
    )
    index = Evaluator(found, CLUSTER).index
    for pod in CLUSTER.pods:
        expected = [
            policy
            for policy in found
            if policy.namespace == pod.namespace
            and not pod.host_network
            and policy.pod_selector.matches(pod.labels)
        ]
        assert list(index.selecting(pod).policies) == expected
        assert index.selecting(replace(pod, host_network=True)).policies == ()

"""Cilium's policies mean what Cilium's documentation says, feature by feature.

https://docs.cilium.io/en/stable/security/policy/ ("Policy Enforcement Modes", "Layer 3", "Layer 4",
"Layer 7", "Deny Policies", "Using Kubernetes Constructs In Policy") and pkg/policy/api. Each case
is a policy, a call, and what is said of it.
"""

import pytest

from otterize_pcap.addresses import parse_address
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.policies.cilium_identity import NO_SERVICE_ACCOUNT
from otterize_pcap.policies.cilium_of_item import (
    AUTHENTICATION,
    CIDR_GROUPS,
    GROUPS,
    NODE_LABELS,
    REQUIRES,
)
from otterize_pcap.policies.flow_ends import ApiServerEnd, NodeEnd, OutsideEnd, PodEnd
from otterize_pcap.policies.judgement import HOST_POLICY, OWN_NODE, Outcome
from otterize_pcap.policies.peer_matcher import NO_NAME, WHERE_UNKNOWN
from otterize_pcap.policies.peers import NAMESPACE_UNKNOWN
from otterize_pcap.policies.rule_matcher import SEVERAL_PORTS
from tests.cluster_builder import NODE_A, NODE_B, Json, endpoint_slice, pod, service, snapshot
from tests.policies.judged import OBJECTS, end, flow, judged, of_cilium, policies, verdict

ALLOWED, DENIED, UNKNOWN = "allowed", "denied", "unknown"
WEB, DB, MONITOR, OPS_WEB, OUTSIDE = "shop/web", "shop/db", "ops/monitor", "ops/web", "203.0.113.9"
INTO_DB = "p: {endpointSelector: {matchLabels: {app: db}}, ingress: [%s]}"
FROM_WEB = "p: {endpointSelector: {matchLabels: {app: web}}, egress: [%s]}"


@pytest.mark.parametrize(
    ("rule", "client", "expected"),
    [
        # A rule with nothing in it isolates, and allows nobody.
        ("{}", WEB, DENIED),
        # fromEndpoints: pods of the policy's own namespace, unless it says otherwise.
        ("{fromEndpoints: [{}]}", WEB, ALLOWED),
        ("{fromEndpoints: [{}]}", MONITOR, DENIED),
        ("{fromEndpoints: [{}]}", OUTSIDE, DENIED),
        ("{fromEndpoints: [{}]}", NODE_A, DENIED),
        ("{fromEndpoints: [{matchLabels: {app: web}}]}", WEB, ALLOWED),
        ("{fromEndpoints: [{matchLabels: {app: web}}]}", OPS_WEB, DENIED),
        ("{fromEndpoints: [{matchLabels: {'k8s:app': web}}]}", WEB, ALLOWED),
        ("{fromEndpoints: [{matchLabels: {'any:app': web}}]}", WEB, ALLOWED),
        ("{fromEndpoints: [{matchLabels: {'container:app': web}}]}", WEB, DENIED),
        ("{fromEndpoints: [{matchLabels: {app: web}}, {matchLabels: {app: x}}]}", WEB, ALLOWED),
        ("{fromEndpoints: [{matchLabels: {app: web, tier: back}}]}", WEB, DENIED),
        # An empty list selects nobody.
        ("{fromEndpoints: [{matchLabels: {'$NS': ops}}]}", MONITOR, ALLOWED),
        ("{fromEndpoints: [{matchLabels: {'$NS': ops}}]}", WEB, DENIED),
        ("{fromEndpoints: [{matchLabels: {'$NS': ops, app: web}}]}", OPS_WEB, ALLOWED),
        ("{fromEndpoints: [{matchLabels: {'$NS': ops, app: web}}]}", MONITOR, DENIED),
        ("{fromEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: ops}}]}", MONITOR, ALLOWED),
        # By the labels of namespaces.
        ("{fromEndpoints: [{matchLabels: {'$TEAM': b}}]}", MONITOR, ALLOWED),
        ("{fromEndpoints: [{matchLabels: {'$TEAM': b}}]}", WEB, DENIED),
        ("{fromEndpoints: [{matchLabels: {'$TEAM': b}}]}", "unlisted/web", UNKNOWN),
        # matchExpressions.
        (
            "{fromEndpoints: [{matchExpressions: [{key: tier, operator: Exists}]}]}",
            WEB,
            ALLOWED,
        ),
        (
            "{fromEndpoints: [{matchExpressions: [{key: tier, operator: DoesNotExist}]}]}",
            WEB,
            DENIED,
        ),
        (
            "{fromEndpoints: [{matchExpressions: [{key: app, operator: NotIn, values: [x]}]}]}",
            WEB,
            ALLOWED,
        ),
        (
            "{fromEndpoints: [{matchExpressions: [{key: app, operator: NotIn, values: [x]}]}]}",
            OUTSIDE,
            DENIED,
        ),
        (
            (
                "{fromEndpoints: [{matchExpressions: "
                "[{key: '$NS', operator: In, values: [shop, ops]}]}]}"
            ),
            MONITOR,
            ALLOWED,
        ),
        (
            "{fromEndpoints: [{matchExpressions: [{key: '$NS', operator: Exists}]}]}",
            MONITOR,
            ALLOWED,
        ),
        # Reserved labels are the entities.
        ("{fromEndpoints: [{matchLabels: {'reserved:world': ''}}]}", OUTSIDE, ALLOWED),
        ("{fromEndpoints: [{matchLabels: {'reserved:remote-node': ''}}]}", NODE_A, ALLOWED),
        ("{fromEndpoints: [{matchLabels: {'reserved:world': ''}}]}", WEB, DENIED),
        # Labels of single pods are no part of an identity.
        (
            "{fromEndpoints: [{matchExpressions: [{key: pod-template-hash, operator: Exists}]}]}",
            WEB,
            DENIED,
        ),
        # CIDR: what is outside, never pods nor nodes.
        ("{fromCIDR: [203.0.113.0/24]}", OUTSIDE, ALLOWED),
        ("{fromCIDR: [203.0.113.9]}", OUTSIDE, ALLOWED),
        ("{fromCIDR: [203.0.114.0/24]}", OUTSIDE, DENIED),
        ("{fromCIDR: [0.0.0.0/0]}", OUTSIDE, ALLOWED),
        ("{fromCIDR: [0.0.0.0/0]}", WEB, DENIED),
        ("{fromCIDR: [0.0.0.0/0]}", NODE_A, DENIED),
        ("{fromCIDR: ['::/0']}", OUTSIDE, DENIED),
        ("{fromCIDR: ['::/0']}", "2001:db8::9", ALLOWED),
        ("{fromCIDRSet: [{cidr: 203.0.113.0/24}]}", OUTSIDE, ALLOWED),
        ("{fromCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.0/28]}]}", OUTSIDE, DENIED),
        (
            (
                "{fromCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.0/28]}, "
                "{cidr: 203.0.113.9/32}]}"
            ),
            OUTSIDE,
            ALLOWED,
        ),
        # Entities. The database is on node b.
        ("{fromEntities: [world]}", OUTSIDE, ALLOWED),
        ("{fromEntities: [world]}", WEB, DENIED),
        ("{fromEntities: [world]}", NODE_A, DENIED),
        ("{fromEntities: [cluster]}", WEB, ALLOWED),
        ("{fromEntities: [cluster]}", MONITOR, ALLOWED),
        ("{fromEntities: [cluster]}", NODE_A, ALLOWED),
        ("{fromEntities: [cluster]}", OUTSIDE, DENIED),
        ("{fromEntities: [all]}", OUTSIDE, ALLOWED),
        ("{fromEntities: [all]}", MONITOR, ALLOWED),
        ("{fromEntities: [none]}", WEB, DENIED),
        ("{fromEntities: [remote-node]}", NODE_A, ALLOWED),
        ("{fromEntities: [remote-node]}", WEB, DENIED),
        ("{fromEntities: [host]}", NODE_A, DENIED),
        ("{fromEntities: [init, health, unmanaged, ingress]}", WEB, DENIED),
        ("{fromEntities: [init, health, unmanaged, ingress]}", OUTSIDE, DENIED),
        ("{fromEntities: [kube-apiserver]}", WEB, DENIED),
        # The local host is allowed, whatever rules say: Kubernetes' probes.
        ("{}", NODE_B, ALLOWED),
        ("{fromEntities: [none]}", "shop/agent", ALLOWED),
        # Ports, names, ranges, protocols.
        ("{toPorts: [{ports: [{port: '5432', protocol: TCP}]}]}", MONITOR, ALLOWED),
        ("{toPorts: [{ports: [{port: '5432', protocol: TCP}]}]}", OUTSIDE, ALLOWED),
        ("{toPorts: [{ports: [{port: '5432'}]}]}", WEB, ALLOWED),
        ("{toPorts: [{ports: [{port: '5432', protocol: ANY}]}]}", WEB, ALLOWED),
        ("{toPorts: [{ports: [{port: '5432', protocol: UDP}]}]}", WEB, DENIED),
        ("{toPorts: [{ports: [{port: '5433', protocol: TCP}]}]}", WEB, DENIED),
        ("{toPorts: [{ports: [{port: '0', protocol: TCP}]}]}", WEB, ALLOWED),
        ("{toPorts: [{ports: [{port: '0', protocol: UDP}]}]}", WEB, DENIED),
        ("{toPorts: [{ports: [{port: '5000', endPort: 6000}]}]}", WEB, ALLOWED),
        ("{toPorts: [{ports: [{port: '5000', endPort: 5431}]}]}", WEB, DENIED),
        ("{toPorts: [{ports: [{port: postgres, protocol: TCP}]}]}", WEB, ALLOWED),
        ("{toPorts: [{ports: [{port: POSTGRES, protocol: TCP}]}]}", WEB, ALLOWED),
        ("{toPorts: [{ports: [{port: dns, protocol: TCP}]}]}", WEB, DENIED),
        (
            "{toPorts: [{ports: [{port: '1'}]}, {ports: [{port: '2'}, {port: '5432'}]}]}",
            WEB,
            ALLOWED,
        ),
        (
            "{fromEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: '5432'}]}]}",
            WEB,
            ALLOWED,
        ),
        (
            "{fromEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: '80'}]}]}",
            WEB,
            DENIED,
        ),
        # ICMP rules allow no port.
        ("{icmps: [{fields: [{type: 8, family: IPv4}]}]}", WEB, DENIED),
        ("{fromEndpoints: [{}], icmps: [{fields: [{type: 8, family: IPv4}]}]}", WEB, DENIED),
    ],
)
def test_ingress_rules(rule: str, client: str, expected: str) -> None:
    """Whom a rule of ingress means."""
    assert verdict(of_cilium(INTO_DB % rule), client, DB) == expected


@pytest.mark.parametrize(
    ("rule", "server", "expected"),
    [
        ("{}", DB, DENIED),
        ("{toEndpoints: [{}]}", DB, ALLOWED),
        ("{toEndpoints: [{}]}", MONITOR, DENIED),
        ("{toEndpoints: [{matchLabels: {app: db}}]}", DB, ALLOWED),
        ("{toCIDR: [0.0.0.0/0]}", OUTSIDE, ALLOWED),
        ("{toCIDR: [0.0.0.0/0]}", DB, DENIED),
        ("{toCIDR: [0.0.0.0/0]}", NODE_B, DENIED),
        ("{toCIDRSet: [{cidr: 0.0.0.0/0, except: [203.0.113.0/24]}]}", OUTSIDE, DENIED),
        ("{toEntities: [world]}", OUTSIDE, ALLOWED),
        # The web is on node a: there is no exception for what it sends to its own.
        ("{toEntities: [host]}", NODE_A, ALLOWED),
        ("{toEntities: [host]}", NODE_B, DENIED),
        ("{toEntities: [remote-node]}", NODE_B, ALLOWED),
        ("{toEntities: [remote-node]}", NODE_A, DENIED),
        ("{toEntities: [remote-node]}", "shop/agent", ALLOWED),
        ("{}", NODE_A, DENIED),
        ("{toEntities: [cluster]}", NODE_B, ALLOWED),
        ("{toServices: [{k8sService: {serviceName: db, namespace: shop}}]}", DB, ALLOWED),
        ("{toServices: [{k8sService: {serviceName: db}}]}", DB, ALLOWED),
        ("{toServices: [{k8sService: {serviceName: db, namespace: ops}}]}", DB, DENIED),
        ("{toServices: [{k8sService: {serviceName: db, namespace: shop}}]}", MONITOR, DENIED),
        ("{toServices: [{k8sServiceSelector: {selector: {matchLabels: {env: x}}}}]}", DB, ALLOWED),
        ("{toServices: [{k8sServiceSelector: {selector: {matchLabels: {env: y}}}}]}", DB, DENIED),
        ("{toServices: [{k8sService: {serviceName: far, namespace: shop}}]}", OUTSIDE, ALLOWED),
        ("{toServices: [{k8sService: {serviceName: far, namespace: shop}}]}", NODE_B, DENIED),
        # Names of ports are looked up among all pods: of one kind here, of two there.
        ("{toPorts: [{ports: [{port: dns, protocol: UDP}]}]}", DB, DENIED),
        ("{toPorts: [{ports: [{port: postgres, protocol: TCP}]}]}", DB, UNKNOWN),
    ],
)
def test_egress_rules(rule: str, server: str, expected: str) -> None:
    """Whom a rule of egress means."""
    cluster = snapshot(
        *OBJECTS,
        service("db", "10.96.0.1", 5432, namespace="shop", labels={"env": "x"}),
        service("far", "10.96.0.2", 443, namespace="shop", selector={}),
        endpoint_slice("far", [OUTSIDE, NODE_B], 443, namespace="shop"),
    )
    call = flow(end(WEB), end(server))
    assert judged(of_cilium(FROM_WEB % rule), call, cluster).outcome.value == expected


@pytest.mark.parametrize(
    ("text", "client", "expected"),
    [
        # Without rules of a direction, nothing is isolated; an empty list is none.
        ("p: {$SUBJECT}", WEB, ALLOWED),
        ("p: {$SUBJECT, egress: [{}]}", WEB, ALLOWED),
        ("p: {$SUBJECT, ingress: [{}]}", WEB, DENIED),
        # What denies isolates as well, and wins over whatever allows.
        ("p: {$SUBJECT, $DENY_WEB}", WEB, DENIED),
        ("p: {$SUBJECT, $DENY_WEB}", MONITOR, DENIED),
        ("p: {$SUBJECT, $DENY_WEB, ingress: [{fromEntities: [all]}]}", WEB, DENIED),
        ("p: {$SUBJECT, $DENY_WEB, ingress: [{fromEntities: [all]}]}", MONITOR, ALLOWED),
        (
            "p: {$SUBJECT, $DENY_WEB}\nq: {$SUBJECT, ingress: [{fromEntities: [all]}]}",
            WEB,
            DENIED,
        ),
        (
            (
                "p: {$SUBJECT, ingressDeny: [{fromEntities: [all], "
                "toPorts: [{ports: [{port: '80'}]}]}], ingress: [{fromEntities: [all]}]}"
            ),
            WEB,
            ALLOWED,
        ),
        ("p: {$SUBJECT, ingressDeny: [{}], ingress: [{fromEntities: [all]}]}", WEB, ALLOWED),
        # Even the local host is denied where a rule says so.
        ("p: {$SUBJECT, ingressDeny: [{fromEntities: [host]}]}", NODE_B, DENIED),
        ("p: {$SUBJECT, ingressDeny: [{fromEntities: [remote-node]}]}", NODE_B, ALLOWED),
        # enableDefaultDeny: rules without isolation, and isolation without rules.
        ("p: {$SUBJECT, $DENY_WEB, enableDefaultDeny: {ingress: false}}", WEB, DENIED),
        ("p: {$SUBJECT, $DENY_WEB, enableDefaultDeny: {ingress: false}}", MONITOR, ALLOWED),
        ("p: {$SUBJECT, ingress: [{}], enableDefaultDeny: {ingress: false}}", WEB, ALLOWED),
        (
            (
                "p: {$SUBJECT, ingress: [{}], enableDefaultDeny: {ingress: false}}\n"
                "q: {$SUBJECT, ingress: [{}]}"
            ),
            WEB,
            DENIED,
        ),
        ("p: {$SUBJECT, enableDefaultDeny: {ingress: true}}", WEB, DENIED),
        # Several specs of one object count as several policies.
        (
            "p: [{$SUBJECT, ingress: [{}]}, {$SUBJECT, ingress: [{fromEndpoints: [{}]}]}]",
            WEB,
            ALLOWED,
        ),
        # Who is selected: pods of its own namespace, whatever it says; of all where it has none.
        ("p: {endpointSelector: {}, ingress: [{}]}", WEB, DENIED),
        ("ops/p: {endpointSelector: {}, ingress: [{}]}", WEB, ALLOWED),
        ("p: {endpointSelector: {matchLabels: {'$NS': ops}}, ingress: [{}]}", WEB, DENIED),
        ("all/p: {endpointSelector: {}, ingress: [{}]}", WEB, DENIED),
        ("all/p: {endpointSelector: {matchLabels: {'$NS': ops}}, ingress: [{}]}", WEB, ALLOWED),
        ("all/p: {endpointSelector: {matchLabels: {'$NS': shop}}, ingress: [{}]}", WEB, DENIED),
        ("all/p: {endpointSelector: {matchLabels: {'$TEAM': a}}, ingress: [{}]}", WEB, DENIED),
        ("all/p: {endpointSelector: {matchLabels: {'$TEAM': b}}, ingress: [{}]}", WEB, ALLOWED),
        # Peers of a policy of the whole cluster are pods of all namespaces.
        ("all/p: {endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}", MONITOR, ALLOWED),
        ("all/p: {endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}", OUTSIDE, DENIED),
        (
            (
                "all/p: {endpointSelector: {}, ingress: [{fromEndpoints: "
                "[{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}]}]}"
            ),
            OUTSIDE,
            DENIED,
        ),
        (
            (
                "all/p: {endpointSelector: {}, ingress: [{fromEndpoints: "
                "[{matchExpressions: [{key: '$NS', operator: DoesNotExist}]}]}]}"
            ),
            OUTSIDE,
            ALLOWED,
        ),
    ],
)
def test_what_policies_do_together(text: str, client: str, expected: str) -> None:
    """Default deny, what denies, and whom policies select."""
    assert verdict(of_cilium(text), client, DB) == expected


@pytest.mark.parametrize(
    ("native", "own", "client", "expected"),
    [
        # Either isolates, and either allows.
        ("n: {podSelector: {matchLabels: {app: db}}}", "p: {$SUBJECT}", WEB, DENIED),
        (
            "n: {podSelector: {matchLabels: {app: db}}}",
            "p: {$SUBJECT, ingress: [{fromEndpoints: [{}]}]}",
            WEB,
            ALLOWED,
        ),
        (
            "n: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}",
            "p: {$SUBJECT, ingress: [{}]}",
            WEB,
            ALLOWED,
        ),
        # What denies wins over what the other kind allows.
        (
            "n: {podSelector: {}, ingress: [{}]}",
            "p: {$SUBJECT, ingressDeny: [{fromEndpoints: [{}]}]}",
            WEB,
            DENIED,
        ),
        # Cilium takes no ipBlock for a pod or a node, whoever's policy has it.
        (
            "n: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}",
            "p: {$SUBJECT}",
            WEB,
            DENIED,
        ),
        (
            "n: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}",
            "p: {$SUBJECT}",
            OUTSIDE,
            ALLOWED,
        ),
    ],
)
def test_both_kinds_count(native: str, own: str, client: str, expected: str) -> None:
    """NetworkPolicies and Cilium's own add up."""
    assert verdict((*policies(native), *of_cilium(own)), client, DB) == expected


@pytest.mark.parametrize(
    ("text", "client", "expected"),
    [
        (INTO_DB % "{fromNodes: [{matchLabels: {x: y}}]}", NODE_A, NODE_LABELS),
        (INTO_DB % "{fromNodes: [{matchLabels: {x: y}}]}", WEB, ""),
        (INTO_DB % "{fromGroups: [{aws: {}}]}", OUTSIDE, GROUPS),
        (INTO_DB % "{fromGroups: [{aws: {}}]}", WEB, ""),
        (INTO_DB % "{fromCIDRSet: [{cidrGroupRef: g}]}", OUTSIDE, CIDR_GROUPS),
        (
            INTO_DB % "{fromEntities: [all], authentication: {mode: required}}",
            WEB,
            AUTHENTICATION,
        ),
        (INTO_DB % "{fromEntities: [world], authentication: {mode: required}}", WEB, ""),
        (
            INTO_DB % "{fromRequires: [{matchLabels: {env: prod}}]}, {fromEntities: [all]}",
            WEB,
            REQUIRES.format("fromRequires"),
        ),
        (INTO_DB % "{fromRequires: [{matchLabels: {env: prod}}]}", WEB, ""),
        (
            INTO_DB
            % "{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.serviceaccount: web}}]}",
            WEB,
            NO_SERVICE_ACCOUNT,
        ),
        (
            (
                "p: {$SUBJECT, ingress: [{fromEntities: [all]}], "
                "ingressDeny: [{fromEndpoints: [{matchLabels: {'$TEAM': b}}]}]}"
            ),
            "unlisted/web",
            NAMESPACE_UNKNOWN,
        ),
        (
            (
                "all/p: {endpointSelector: {matchLabels: "
                "{io.cilium.k8s.policy.serviceaccount: db}}, ingress: [{}]}"
            ),
            WEB,
            NO_SERVICE_ACCOUNT,
        ),
    ],
)
def test_what_cannot_be_judged(text: str, client: str, expected: str) -> None:
    """It is unknown where it matters, with the reason, and denied where it does not."""
    found = judged(of_cilium(text), flow(end(client), end(DB)))
    assert (found.outcome, found.reason) == (
        Outcome.UNKNOWN if expected else Outcome.DENIED,
        expected,
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{toFQDNs: [{matchName: api.example.com}]}", ALLOWED),
        ("{toFQDNs: [{matchName: API.example.com.}]}", ALLOWED),
        ("{toFQDNs: [{matchName: example.com}]}", DENIED),
        ("{toFQDNs: [{matchPattern: '*.example.com'}]}", ALLOWED),
        ("{toFQDNs: [{matchPattern: '*.com'}]}", DENIED),
        ("{toFQDNs: [{matchPattern: '**.com'}]}", ALLOWED),
        ("{toFQDNs: [{matchPattern: '**.api.example.com'}]}", DENIED),
        ("{toFQDNs: [{matchPattern: 'a*i.example.com'}]}", ALLOWED),
        ("{toFQDNs: [{matchPattern: '*'}]}", ALLOWED),
        ("{toFQDNs: [{matchName: api.example.com}], toPorts: [{ports: [{port: '80'}]}]}", DENIED),
    ],
)
def test_names_of_what_is_outside(rule: str, expected: str) -> None:
    """ToFQDNs go by the name that the client asked DNS for."""
    server = OutsideEnd(parse_address(OUTSIDE), "api.example.com")
    found = judged(of_cilium(FROM_WEB % rule), flow(end(WEB), server, 443))
    assert found.outcome.value == expected


def test_a_server_without_a_name_is_not_judged_by_names() -> None:
    """No answer of DNS tells how it was called; pods and nodes are never meant."""
    rules = of_cilium(FROM_WEB % "{toFQDNs: [{matchName: api.example.com}]}")
    found = judged(rules, flow(end(WEB), end(OUTSIDE)))
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, NO_NAME)
    assert verdict(rules, WEB, DB) == DENIED
    assert verdict(rules, WEB, NODE_B) == DENIED


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ("{ports: [{port: '5432', protocol: TCP}]}", ""),
        ("{ports: [{port: '5432', protocol: TCP}], rules: {http: [{method: GET}]}}", "HTTP"),
        ("{ports: [{port: '5432', protocol: TCP}], rules: {http: [{}]}}", ""),
        ("{ports: [{port: '5432', protocol: TCP}], rules: {kafka: [{role: produce}]}}", "Kafka"),
        ("{ports: [{port: '5432', protocol: TCP}], rules: {l7proto: x, l7: [{}]}}", "layer 7"),
        ("{ports: [{port: '5432', protocol: TCP}], serverNames: [x.y]}", "TLS server name"),
        (
            (
                "{ports: [{port: '5432', protocol: TCP}], rules: {http: [{path: /}]}}, "
                "{ports: [{port: '5432', protocol: TCP}]}"
            ),
            "",
        ),
    ],
)
def test_rules_of_layer_7_are_said(ports: str, expected: str) -> None:
    """They are allowed as far as ports say, and may be denied some of it."""
    text = INTO_DB % ("{fromEndpoints: [{}], toPorts: [%s]}".replace("%s", ports))
    found = judged(of_cilium(text), flow(end(WEB), end(DB)))
    assert found.outcome is Outcome.ALLOWED
    assert (found.is_filtered, found.sides[-1].filtered_by) == (bool(expected), expected)


def test_dns_rules_that_let_everything_be_asked_deny_nothing() -> None:
    """They are how Cilium learns of names."""
    for pattern, expected in (("*", ""), ("*.example.com", "DNS")):
        text = FROM_WEB % (
            "{toEndpoints: [{}], toPorts: [{ports: [{port: '5432', protocol: ANY}], "
            "rules: {dns: [{matchPattern: '%s'}]}}]}".replace("%s", pattern)
        )
        found = judged(of_cilium(text), flow(end(WEB), end(DB)))
        assert found.sides[0].filtered_by == expected


API = "10.9.9.9"


@pytest.mark.parametrize(
    ("rule", "address", "expected"),
    [
        ("{toEntities: [kube-apiserver]}", API, ALLOWED),
        ("{toEntities: [kube-apiserver]}", NODE_B, ALLOWED),
        ("{toEntities: [world]}", API, ALLOWED),
        ("{toEntities: [world]}", NODE_B, DENIED),
        ("{toEntities: [remote-node]}", NODE_B, ALLOWED),
        ("{toEntities: [host]}", NODE_B, DENIED),
        ("{toEntities: [cluster]}", API, ALLOWED),
        ("{toCIDR: [10.9.0.0/16]}", API, ALLOWED),
        ("{toCIDR: [0.0.0.0/0]}", NODE_B, DENIED),
    ],
)
def test_the_api_server_is_an_entity(rule: str, address: str, expected: str) -> None:
    """On a node it is that as well, elsewhere the world and its address."""
    server = ApiServerEnd((parse_address(address),))
    found = judged(of_cilium(FROM_WEB % rule), flow(end(WEB), server, 6443))
    assert found.outcome.value == expected


def test_a_node_with_the_api_server_is_that_entity_at_any_port() -> None:
    """Cilium goes by addresses, not by ports."""
    cluster = snapshot(
        *OBJECTS,
        service("kubernetes", "10.96.0.1", 443, namespace="default", selector={}),
        endpoint_slice("kubernetes", [NODE_B], 6443, namespace="default"),
    )
    rules = of_cilium(FROM_WEB % "{toEntities: [kube-apiserver]}")
    for address, expected in ((NODE_B, ALLOWED), (NODE_A, DENIED)):
        found = judged(rules, flow(end(WEB), end(address), 10250), cluster)
        assert found.outcome.value == expected


def test_an_address_of_no_single_node_is_on_a_node_or_outside() -> None:
    """A node's own cache of DNS: Cilium may take it for the host or for the world."""
    cache = NodeEnd(parse_address("169.254.20.10"), ())
    for rule, expected in (
        ("{toEntities: [host]}", UNKNOWN),
        ("{toCIDR: [169.254.20.10/32]}", UNKNOWN),
        ("{toEntities: [host]}, {toCIDR: [169.254.20.10/32]}", ALLOWED),
        ("{toEntities: [remote-node]}", DENIED),
    ):
        found = judged(of_cilium(FROM_WEB % rule), flow(end(WEB), cache, 53, "UDP"))
        assert found.outcome.value == expected


def test_the_own_node_of_a_pod_may_not_be_known() -> None:
    """Without the node of a pod, host and remote-node are not told apart; together they are."""
    homeless = pod("lone", "10.1.0.9", namespace="shop", node="")
    cluster = snapshot(*OBJECTS, homeless)
    lone = next(each for each in cluster.pods if each.name == "lone-pod")
    client = PodEnd(lone, Workload("lone", "shop"), lone.addresses[0])
    rule = "p: {endpointSelector: {matchLabels: {app: lone}}, egress: [{toEntities: [%s]}]}"
    found = judged(of_cilium(rule % "host"), flow(client, end(NODE_A)), cluster)
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, WHERE_UNKNOWN)
    found = judged(of_cilium(rule % "cluster"), flow(client, end(NODE_A)), cluster)
    assert found.outcome is Outcome.UNKNOWN


def test_policies_for_nodes_leave_what_goes_to_and_from_nodes_open() -> None:
    """A host policy selects nodes by labels: what it denies at the other end is not known."""
    host = of_cilium("all/h: {nodeSelector: {matchLabels: {type: db}}, ingress: [{}]}")
    reason = HOST_POLICY.format("CiliumClusterwideNetworkPolicy h")
    found = judged(host, flow(end(WEB), end(NODE_B)))
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, reason)
    found = judged(host, flow(end(NODE_A), end(DB)))
    assert found.outcome is Outcome.ALLOWED
    found = judged(host, flow(end(WEB), end(DB)))
    assert found.outcome is Outcome.ALLOWED
    closed = (*host, *of_cilium(FROM_WEB % "{}"))
    assert judged(closed, flow(end(WEB), end(NODE_B))).outcome is Outcome.DENIED


def test_names_of_ports_in_egress_rules() -> None:
    """They are looked up among all pods: of several numbers nobody can tell which counts."""
    rules = of_cilium(FROM_WEB % "{toPorts: [{ports: [{port: postgres, protocol: TCP}]}]}")
    found = judged(rules, flow(end(WEB), end(DB)))
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, SEVERAL_PORTS)
    assert judged(rules, flow(end(WEB), end(DB), 80)).outcome is Outcome.DENIED
    only = of_cilium(FROM_WEB % "{toPorts: [{ports: [{port: dns, protocol: UDP}]}]}")
    assert judged(only, flow(end(WEB), end(OUTSIDE), 53, "UDP")).outcome is Outcome.ALLOWED


def with_account(found: Json, name: str) -> Json:
    """A pod that runs as a service account."""
    return {**found, "spec": {**found["spec"], "serviceAccountName": name}}


@pytest.mark.parametrize(("account", "expected"), [("web", ALLOWED), ("other", DENIED)])
def test_service_accounts(account: str, expected: str) -> None:
    """io.cilium.k8s.policy.serviceaccount, as the snapshot has it."""
    known, *rest = OBJECTS
    cluster = snapshot(with_account(known, account), *rest)
    text = INTO_DB % "{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.serviceaccount: web}}]}"
    call = flow(end(WEB, cluster), end(DB, cluster))
    assert judged(of_cilium(text), call, cluster).outcome.value == expected


def test_the_own_node_is_said() -> None:
    """With the rule that it is allowed by, and no policy's."""
    (side,) = judged(of_cilium(INTO_DB % "{}"), flow(end(NODE_B), end(DB))).sides
    assert (side.outcome, side.reason) == (Outcome.ALLOWED, OWN_NODE)

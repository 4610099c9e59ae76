"""Administrators' policies mean what their types say, feature by feature.

network-policy-api, apis/v1alpha1 (AdminNetworkPolicySpec, AdminNetworkPolicyRuleAction and the
types of peers and ports) and https://network-policy-api.sigs.k8s.io/api-overview/.
"""

import pytest

from otterize_pcap.addresses import parse_address
from otterize_pcap.policies.admin_tier import SAME_PRIORITY
from otterize_pcap.policies.cilium_of_item import NODE_LABELS
from otterize_pcap.policies.flow_ends import OutsideEnd
from otterize_pcap.policies.judgement import Outcome
from otterize_pcap.policies.peers import NAMESPACE_UNKNOWN
from otterize_pcap.policies.rule_text import title_of
from tests.cluster_builder import NODE_A, NODE_B
from tests.policies.judged import end, flow, judged, of_administrators, policies, verdict

ALLOWED, DENIED = "allowed", "denied"
WEB, DB, MONITOR, OPS_WEB, OUTSIDE = "shop/web", "shop/db", "ops/monitor", "ops/web", "203.0.113.9"
INTO = "a: {priority: 1, $ANY, ingress: [%s]}"
OUT_OF = "a: {priority: 1, $ANY, egress: [%s]}"


@pytest.mark.parametrize(
    ("rule", "client", "expected"),
    [
        ("{action: Deny, from: [{namespaces: {}}]}", WEB, DENIED),
        ("{action: Deny, from: [{namespaces: {}}]}", MONITOR, DENIED),
        ("{action: Deny, from: [{namespaces: {matchLabels: {team: b}}}]}", MONITOR, DENIED),
        ("{action: Deny, from: [{namespaces: {matchLabels: {team: b}}}]}", WEB, ALLOWED),
        # Host-networked pods, nodes and the outside are no pods of namespaces.
        ("{action: Deny, from: [{namespaces: {}}]}", OUTSIDE, ALLOWED),
        ("{action: Deny, from: [{namespaces: {}}]}", NODE_A, ALLOWED),
        ("{action: Deny, from: [{namespaces: {}}]}", "shop/agent", ALLOWED),
        (
            ("{action: Deny, from: [{pods: $WEB_OF_B}]}"),
            OPS_WEB,
            DENIED,
        ),
        (
            ("{action: Deny, from: [{pods: $WEB_OF_B}]}"),
            MONITOR,
            ALLOWED,
        ),
        ("{action: Deny, from: [{pods: {namespaceSelector: {}, podSelector: {}}}]}", WEB, DENIED),
        # The first rule that means a call decides.
        (
            "{action: Allow, from: [{namespaces: {}}]}, {action: Deny, from: [{namespaces: {}}]}",
            WEB,
            ALLOWED,
        ),
        (
            "{action: Deny, from: [{namespaces: {}}]}, {action: Allow, from: [{namespaces: {}}]}",
            WEB,
            DENIED,
        ),
        # Ports.
        (
            (
                "{action: Deny, from: [{namespaces: {}}], "
                "ports: [{portNumber: {protocol: TCP, port: 5432}}]}"
            ),
            WEB,
            DENIED,
        ),
        (
            (
                "{action: Deny, from: [{namespaces: {}}], "
                "ports: [{portNumber: {protocol: UDP, port: 5432}}]}"
            ),
            WEB,
            ALLOWED,
        ),
        (
            "{action: Deny, from: [{namespaces: {}}], ports: [{portNumber: {port: 5432}}]}",
            WEB,
            DENIED,
        ),
        (
            (
                "{action: Deny, from: [{namespaces: {}}], "
                "ports: [{portRange: {protocol: TCP, start: 5000, end: 5432}}]}"
            ),
            WEB,
            DENIED,
        ),
        (
            (
                "{action: Deny, from: [{namespaces: {}}], "
                "ports: [{portRange: {protocol: TCP, start: 5433, end: 6000}}]}"
            ),
            WEB,
            ALLOWED,
        ),
        ("{action: Deny, from: [{namespaces: {}}], ports: [{namedPort: postgres}]}", WEB, DENIED),
        ("{action: Deny, from: [{namespaces: {}}], ports: [{namedPort: dns}]}", WEB, ALLOWED),
    ],
)
def test_ingress_rules(rule: str, client: str, expected: str) -> None:
    """Whom a rule of ingress means."""
    assert verdict(of_administrators(INTO % rule), client, DB) == expected


@pytest.mark.parametrize(
    ("rule", "server", "expected"),
    [
        ("{action: Deny, to: [{namespaces: {}}]}", DB, DENIED),
        # Networks mean pods and nodes as well.
        ("{action: Deny, to: [{networks: [0.0.0.0/0]}]}", DB, DENIED),
        ("{action: Deny, to: [{networks: [0.0.0.0/0]}]}", OUTSIDE, DENIED),
        ("{action: Deny, to: [{networks: [0.0.0.0/0]}]}", NODE_B, DENIED),
        ("{action: Deny, to: [{networks: ['::/0', 10.2.0.0/16]}]}", DB, ALLOWED),
        ("{action: Deny, to: [{networks: ['::/0', 10.2.0.0/16]}]}", MONITOR, DENIED),
        (
            (
                "{action: Pass, to: [{namespaces: {}}]}, "
                "{action: Deny, to: [{networks: [0.0.0.0/0]}]}"
            ),
            DB,
            ALLOWED,
        ),
    ],
)
def test_egress_rules(rule: str, server: str, expected: str) -> None:
    """Whom a rule of egress means."""
    assert verdict(of_administrators(OUT_OF % rule), WEB, server) == expected


@pytest.mark.parametrize(
    ("admins", "native", "expected"),
    [
        # Lower numbers come first, whatever their order in files.
        (
            (
                "z: {priority: 1, $ANY, ingress: [{action: Deny, from: $ALL}]}\n"
                "a: {priority: 2, $ANY, ingress: [{action: Allow, from: $ALL}]}"
            ),
            "",
            DENIED,
        ),
        # Allow wins over a NetworkPolicy that would deny, Deny over one that allows.
        (INTO % "{action: Allow, from: $ALL}", "p: {podSelector: {}}", ALLOWED),
        (INTO % "{action: Deny, from: $ALL}", "p: {podSelector: {}, ingress: [{}]}", DENIED),
        # Pass leaves it to these, and skips what administrators say later.
        (
            INTO % "{action: Pass, from: $ALL}, {action: Allow, from: $ALL}",
            "p: {podSelector: {}}",
            DENIED,
        ),
        (INTO % "{action: Pass, from: $ALL}, {action: Deny, from: $ALL}", "", ALLOWED),
        (
            (
                "a: {priority: 1, $ANY, ingress: [{action: Pass, from: $ALL}]}\n"
                "b: {priority: 2, $ANY, ingress: [{action: Deny, from: $ALL}]}"
            ),
            "",
            ALLOWED,
        ),
        # The baseline counts where no NetworkPolicy isolates the pod for the direction.
        ("default: {$ANY, ingress: [{action: Deny, from: $ALL}]}", "", DENIED),
        (
            "default: {$ANY, ingress: [{action: Deny, from: $ALL}]}",
            "p: {podSelector: {}, ingress: [{}]}",
            ALLOWED,
        ),
        (
            "default: {$ANY, ingress: [{action: Deny, from: $ALL}]}",
            "p: {podSelector: {}, policyTypes: [Egress], egress: [{}]}",
            DENIED,
        ),
        (
            ("default: {$ANY, ingress: [{action: Allow, from: $ALL}, {action: Deny, from: $ALL}]}"),
            "",
            ALLOWED,
        ),
        (
            (
                "a: {priority: 0, $ANY, ingress: [{action: Pass, from: $ALL}]}\n"
                "default: {$ANY, ingress: [{action: Deny, from: $ALL}]}"
            ),
            "",
            DENIED,
        ),
        # Whom a policy is for.
        (
            (
                "a: {priority: 1, subject: {namespaces: {matchLabels: {team: b}}}, "
                "ingress: [{action: Deny, from: $ALL}]}"
            ),
            "",
            ALLOWED,
        ),
        (
            (
                "a: {priority: 1, subject: {pods: {namespaceSelector: {}, "
                "podSelector: {matchLabels: {app: db}}}}, ingress: [{action: Deny, from: $ALL}]}"
            ),
            "",
            DENIED,
        ),
        (
            (
                "a: {priority: 1, subject: {pods: {namespaceSelector: {}, "
                "podSelector: {matchLabels: {app: x}}}}, ingress: [{action: Deny, from: $ALL}]}"
            ),
            "",
            ALLOWED,
        ),
    ],
)
def test_the_order_of_tiers(admins: str, native: str, expected: str) -> None:
    """Administrators, then NetworkPolicies, then the baseline."""
    known = of_administrators(admins)
    both = (*known, *(policies(native) if native else ()))
    assert verdict(both, WEB, DB) == expected


@pytest.mark.parametrize(
    ("text", "client", "server", "expected"),
    [
        # Two of one priority that say different things.
        (
            (
                "a: {priority: 1, $ANY, ingress: [{action: Deny, from: $ALL}]}\n"
                "b: {priority: 1, $ANY, ingress: [{action: Allow, from: $ALL}]}"
            ),
            WEB,
            DB,
            SAME_PRIORITY,
        ),
        # Nodes by their labels.
        (OUT_OF % "{action: Deny, to: [{nodes: {matchLabels: {x: y}}}]}", WEB, NODE_B, NODE_LABELS),
        # Labels of a namespace that the snapshot lacks.
        (
            INTO % "{action: Deny, from: [{namespaces: {matchLabels: {team: b}}}]}",
            "unlisted/web",
            DB,
            NAMESPACE_UNKNOWN,
        ),
        (
            (
                "a: {priority: 1, subject: {namespaces: {matchLabels: {team: b}}}, "
                "egress: [{action: Deny, to: $ALL}]}"
            ),
            "unlisted/web",
            DB,
            NAMESPACE_UNKNOWN,
        ),
        # It does not matter where what comes next says the same.
        (
            INTO
            % (
                "{action: Deny, from: [{namespaces: {matchLabels: {team: b}}}]}, "
                "{action: Deny, from: $ALL}"
            ),
            "unlisted/web",
            DB,
            "",
        ),
    ],
)
def test_what_cannot_be_judged(text: str, client: str, server: str, expected: str) -> None:
    """It is unknown, with the reason, where that decides."""
    found = judged(of_administrators(text), flow(end(client), end(server)))
    assert (found.outcome, found.reason) == (
        Outcome.UNKNOWN if expected else Outcome.DENIED,
        expected,
    )


def test_names_of_servers_outside() -> None:
    """`*.` is all below a name, however deep."""
    for pattern, expected in (("*.example.com", ALLOWED), ("example.com", DENIED)):
        rules = of_administrators(
            OUT_OF
            % (
                "{action: Allow, to: [{domainNames: ['%s']}]}, "
                "{action: Deny, to: [{networks: [0.0.0.0/0]}]}"
            ).replace("%s", pattern)
        )
        server = OutsideEnd(parse_address(OUTSIDE), "a.b.example.com")
        assert judged(rules, flow(end(WEB), server, 443)).outcome.value == expected


def test_the_rule_that_decides_is_told() -> None:
    """By its policy, place in it and action; what allows in the next tier as well."""
    admins = of_administrators(INTO % "{action: Deny, from: [{namespaces: {}}]}")
    (_, side) = judged(admins, flow(end(WEB), end(DB))).sides
    (match,) = side.denying
    assert title_of(match.policy, match.direction, match.rule) == "ingress rule 1 (Deny)"
    admins = of_administrators(INTO % "{action: Allow, from: [{namespaces: {}}]}")
    both = (*admins, *policies("p: {podSelector: {}, ingress: [{}]}"))
    (_, side) = judged(both, flow(end(WEB), end(DB))).sides
    assert [match.policy.name for match in side.allowing] == ["a", "p"]

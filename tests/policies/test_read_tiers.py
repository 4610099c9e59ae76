"""Cilium's and administrators' policies out of files, and what is odd about them."""

import pytest
import yaml

from otterize_pcap.intents.sort_files import NamedFile
from otterize_pcap.policies.action_rule import AdminPolicy, CiliumPolicy
from otterize_pcap.policies.read_policies import PolicySet, read_policies
from tests.hostile.policy_documents import ADMIN, CILIUM

ORDERS = """\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: orders
  namespace: app
%s
"""


def read(text: str) -> PolicySet:
    """The policies of one file."""
    return read_policies([NamedFile("p.yaml", text.encode())])


def test_every_field_is_known() -> None:
    """Nothing that Cilium and network-policy-api document is odd."""
    for text, count in ((CILIUM, 3), (ADMIN, 2)):
        found = read(text)
        assert found.remarks == ()
        assert len(found.policies) == count
        assert found.homeless == 0


def test_places_of_policies_and_rules() -> None:
    """The line of the object or, of several specs, of each; and of each rule."""
    found = read(
        ORDERS % "specs:\n- endpointSelector: {}\n  ingress:\n  - {}\n"
        "- endpointSelector: {}\n  egressDeny:\n  - {toEntities: [world]}"
    )
    lines = [
        (policy.place.line, [rule.place.line for rule in (*policy.ingress, *policy.egress)])  # type: ignore[union-attr]
        for policy in found.policies
        if isinstance(policy, CiliumPolicy)
    ]
    assert lines == [(7, [9]), (10, [12])]
    assert [rule.section for policy in found.policies for rule in policy.rules("Egress")] == [  # type: ignore[union-attr]
        "egressDeny"
    ]


def test_policies_of_the_cluster_have_no_namespace() -> None:
    """Whatever they say; one that needs a namespace and names none is applied to the one given."""
    wide = ORDERS.replace("NetworkPolicy", "ClusterwideNetworkPolicy")
    found = read(wide % "spec: {endpointSelector: {}}")
    assert [(policy.namespace, found.homeless) for policy in found.policies] == [("", 0)]
    found = read((ORDERS % "spec: {endpointSelector: {}}").replace("  namespace: app\n", ""))
    assert [(policy.namespace, found.homeless) for policy in found.policies] == [("default", 1)]


@pytest.mark.parametrize(
    ("spec", "rule", "text"),
    [
        ("status: {}", "policy-invalid", "it has neither spec nor specs"),
        (
            "spec: {ingress: [{}]}",
            "policy-invalid",
            "spec: has neither endpointSelector nor nodeSelector",
        ),
        (
            "spec: {nodeSelector: {}}",
            "policy-invalid",
            "spec.nodeSelector: is for CiliumClusterwideNetworkPolicies only",
        ),
        (
            (
                "spec: {endpointSelector: {}, "
                "ingress: [{fromEndpoints: [{}], fromCIDR: [10.0.0.0/8]}]}"
            ),
            "policy-invalid",
            (
                "spec.ingress[0]: has fromEndpoints and fromCIDR; "
                "Cilium takes one kind of peer a rule"
            ),
        ),
        (
            "spec: {endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: 80}]}]}]}",
            "policy-invalid",
            "spec.ingress[0].toPorts[0].ports[0].port is 80; expected text",
        ),
        (
            "spec: {endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '65536'}]}]}]}",
            "policy-invalid",
            (
                "spec.ingress[0].toPorts[0].ports[0].port: "
                "'65536' is neither a number nor the name of a port"
            ),
        ),
        (
            "spec: {endpointSelector: {}, egress: [{toEntities: [internet]}]}",
            "policy-invalid",
            (
                "spec.egress[0].toEntities[0]: 'internet' is no entity; these are: all, cluster, "
                "health, host, ingress, init, kube-apiserver, none, remote-node, unmanaged, world"
            ),
        ),
        (
            "spec: {endpointSelector: {}, egress: [{toCIDR: [10.0.0.0/33]}]}",
            "policy-invalid",
            (
                "spec.egress[0].toCIDR[0]: "
                "'10.0.0.0/33' is not a range of addresses such as 10.0.0.0/8"
            ),
        ),
        (
            "spec: {endpointSelector: {}, egress: [{toCIDRSet: [{cidr: 10.0.0.1}]}]}",
            "policy-invalid",
            (
                "spec.egress[0].toCIDRSet[0].cidr: "
                "'10.0.0.1' is not a range of addresses such as 10.0.0.0/8"
            ),
        ),
        (
            (
                "spec: {endpointSelector: {}, "
                "egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]}]}"
            ),
            "policy-invalid",
            "spec.egress[0].toCIDRSet[0].except[0]: 11.0.0.0/16 does not lie within 10.0.0.0/8",
        ),
        (
            "spec: {endpointSelector: {}, egress: [{toFQDNs: [{}]}]}",
            "policy-invalid",
            "spec.egress[0].toFQDNs[0]: needs a matchName or a matchPattern, and one of them",
        ),
        (
            (
                "spec: {endpointSelector: {}, "
                "ingress: [{icmps: [{fields: []}], toPorts: [{ports: [{port: '1'}]}]}]}"
            ),
            "policy-invalid",
            "spec.ingress[0]: has icmps and toPorts; Cilium takes one of them a rule",
        ),
        (
            (
                "spec: {endpointSelector: {}, ingress: [{toPorts: "
                "[{ports: [{port: '80'}], rules: {http: [{}]}}]}]}"
            ),
            "policy-invalid",
            ("spec.ingress[0].toPorts[0].ports[0]: rules of layer 7 but DNS need protocol: TCP"),
        ),
        (
            "spec: {endpointSelector: {matchExpressions: [{key: a, operator: Is}]}}",
            "policy-invalid",
            (
                "spec.endpointSelector.matchExpressions[0].operator: "
                "'Is' is none of In, NotIn, Exists, DoesNotExist"
            ),
        ),
        (
            "spec: {endpointSelector: {}, ingres: [{}]}",
            "policy-unjudged-field",
            "spec.ingres is not known here: what it may change is not judged",
        ),
        (
            "spec: {endpointSelector: {}, ingress: [{fromAnybody: true}]}",
            "policy-unjudged-field",
            "spec.ingress[0].fromAnybody is not known here: what it may change is not judged",
        ),
        (
            "spec: {endpointSelector: {}, ingress: []}",
            "policy-empty-list",
            "`ingress: []` isolates nobody; `ingress: [{}]` does",
        ),
        (
            "spec: {endpointSelector: {}, egress: [{toEndpoints: []}]}",
            "policy-empty-list",
            "`toEndpoints: []` means nobody, so that its rule says nothing",
        ),
    ],
)
def test_remarks_on_ciliums_policies(spec: str, rule: str, text: str) -> None:
    """What Cilium refuses, what is not known here, and what says nothing."""
    (remark,) = read(ORDERS % spec).remarks
    assert (remark.rule.name, remark.text) == (rule, text)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("{subject: {namespaces: {}}}", "spec.priority: needs a number from 0 to 1000"),
        (
            "{priority: 1001, subject: {namespaces: {}}}",
            "spec.priority: needs a number from 0 to 1000",
        ),
        ("{priority: 1, subject: null}", "spec.subject: a subject needs one field, and has none"),
        (
            (
                "{priority: 1, subject: {namespaces: {}, "
                "pods: {podSelector: {}, namespaceSelector: {}}}}"
            ),
            "spec.subject: a subject needs one field, and has namespaces and pods",
        ),
        (
            (
                "{priority: 1, subject: {namespaces: {}}, "
                "ingress: [{action: Accept, from: [{namespaces: {}}]}]}"
            ),
            "spec.ingress[0].action: 'Accept' is none of Allow, Deny, Pass",
        ),
        (
            "{priority: 1, subject: {namespaces: {}}, egress: [{action: Deny}]}",
            "spec.egress[0]: needs to",
        ),
        (
            (
                "{priority: 1, subject: {namespaces: {}}, egress: "
                "[{action: Deny, to: [{networks: [10.0.0.0]}]}]}"
            ),
            (
                "spec.egress[0].to[0].networks[0]: "
                "'10.0.0.0' is not a range of addresses such as 10.0.0.0/8"
            ),
        ),
        (
            (
                "{priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, "
                "to: [{namespaces: {}}], ports: [{portRange: {start: 9, end: 8}}]}]}"
            ),
            "spec.egress[0].ports[0].portRange: 9 to 8 is no range of ports",
        ),
        (
            "{priority: 1, subject: {pods: {podSelector: {}}}}",
            "spec.subject.pods: needs a namespaceSelector, which may be empty",
        ),
    ],
)
def test_remarks_on_administrators_policies(spec: str, text: str) -> None:
    """What the API server refuses."""
    document = {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "metadata": {"name": "a"},
        "spec": yaml.safe_load(spec),
    }
    (remark,) = read(yaml.safe_dump(document)).remarks
    assert (remark.rule.name, remark.text) == ("policy-invalid", text)


def test_the_baseline_is_called_default() -> None:
    """And has neither priority nor Pass."""
    text = ADMIN.split("---\n")[1]
    assert [each.text for each in read(text.replace("default", "base")).remarks] == [
        "metadata.name: 'base' is not 'default'"
    ]
    assert [each.text for each in read(text.replace("action: Deny", "action: Pass")).remarks] == [
        "spec.ingress[0].action: 'Pass' is none of Allow, Deny"
    ]
    (policy,) = read(text).policies
    assert isinstance(policy, AdminPolicy)
    assert policy.is_baseline

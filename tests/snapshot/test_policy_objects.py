"""Namespaces and NetworkPolicies in snapshots: what `netpol check` asks of them."""

import json
from typing import Any

from otterize_pcap.snapshot.policy_objects import NetworkPolicySpec
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.cluster_builder import pod

Json = dict[str, Any]


def namespace(name: str, api_version: str = "v1", **labels: str) -> Json:
    """A namespace with labels."""
    return {
        "apiVersion": api_version,
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    }


def policy(name: str, spec: Json, *, version: str = "1", api: str = "networking.k8s.io/v1") -> Json:
    """A NetworkPolicy of namespace app."""
    meta = {"name": name, "namespace": "app", "uid": name, "resourceVersion": version}
    return {"apiVersion": api, "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


def read(*documents: list[Json]) -> Snapshot:
    """A snapshot of lists, each with a pod besides."""
    return parse_snapshot(
        (
            f"{number}",
            json.dumps({"kind": "List", "items": [pod("a", "10.1.0.1"), *items]}).encode(),
        )
        for number, items in enumerate(documents)
    )


def test_namespaces_are_known_by_name() -> None:
    """Labels of each namespace; another group's Namespace is none."""
    snapshot = read([namespace("shop", team="a"), namespace("shop", "x.example/v1", team="b")])
    assert snapshot.namespaces == {"shop": {"team": "a"}}


def test_the_newest_state_of_a_policy_counts() -> None:
    """A policy that was changed between two snapshots is as it was last."""
    old = policy("p", {"podSelector": {}, "ingress": [{}]}, version="9")
    new = policy("p", {"podSelector": {}, "policyTypes": ["Ingress"]}, version="10")
    for documents in ([old], [new]), ([new], [old]):
        (found,) = read(*documents).policies
        assert found.spec is not None
        assert found.spec.ingress is None


def test_policies_of_other_groups_are_none() -> None:
    """Calico's NetworkPolicy is another kind, with other fields."""
    assert read([policy("p", {"selector": "all()"}, api="crd.projectcalico.org/v1")]).policies == ()


def test_a_policy_with_one_odd_field_is_left_out_whole() -> None:
    """Without one of its peers a rule would allow less, without any it would allow everybody."""
    odd = policy("p", {"podSelector": {}, "ingress": [{"from": [{"podSelector": 1}]}]})
    snapshot = read([odd, policy("q", {})])
    assert [found.metadata.name for found in snapshot.policies] == ["q"]
    assert [found.spec for found in snapshot.policies] == [NetworkPolicySpec()]
    path = "$.spec.ingress[0].from[0].podSelector"
    said = f"NetworkPolicy app/p: {path} is 1; expected an object or null"
    assert snapshot.left_out == (said,)

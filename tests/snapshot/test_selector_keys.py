"""The labels by which workloads select their own pods, as a snapshot keeps them."""

import json

from otterize_pcap.cluster.snapshot.kept_objects import kept_object
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from tests.cluster_builder import Json, pod


def workload(kind: str, name: str, selector: object) -> Json:
    """A workload with a selector."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "app", "uid": f"{kind}/{name}"},
        "spec": {"replicas": 1, "selector": selector},
    }


ITEMS = [
    pod("web", "10.1.0.1"),
    workload("Deployment", "web", {"matchLabels": {"app": "web", "tier": "front"}}),
    workload("StatefulSet", "db", {"matchExpressions": [{"key": "role", "operator": "Exists"}]}),
    workload("DaemonSet", "odd", 7),
    workload("ReplicaSet", "web-1", {"matchLabels": {"pod-template-hash": "1"}}),
]


def test_keys_are_those_of_workloads_that_keep_them() -> None:
    """By labels or expressions; an odd field costs itself, and ReplicaSets are not asked."""
    document = json.dumps({"kind": "List", "items": ITEMS}).encode()
    assert parse_snapshot([("snapshot.json", document)]).selector_keys == {
        ("Deployment", "app", "web"): frozenset({"app", "tier"}),
        ("StatefulSet", "app", "db"): frozenset({"role"}),
    }


def test_capture_keeps_the_selector_and_no_more_of_a_spec() -> None:
    """What else a Deployment has is nobody's concern."""
    selector = {"matchLabels": {"app": "web"}}
    kept = kept_object("Deployment", "apps/v1", workload("Deployment", "web", selector))
    assert kept["spec"] == {"selector": selector}

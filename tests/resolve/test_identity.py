"""S1 to S7: whose pod it is."""

import json

import pytest

from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.resolve.identity import Identities
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from tests.cluster_builder import Json, item, only_identity, owner, pod, snapshot
from tests.conftest import FIXTURES

ADDRESS = "10.1.0.1"
NAME, OLD_NAME = "intents.otterize.com/workload-name", "intents.otterize.com/service-name"


def identity(*items: Json, **rules: object) -> Workload:
    """Who the one pod at `ADDRESS` is."""
    return only_identity(snapshot(*items), **rules)


@pytest.mark.parametrize(
    ("annotations", "name"),
    [
        pytest.param({NAME: "my.name"}, "my.name", id="verbatim, dots too"),
        pytest.param({NAME: "new", OLD_NAME: "old"}, "new", id="workload-name wins"),
        pytest.param({OLD_NAME: "old"}, "old", id="service-name alone"),
    ],
)
def test_annotation_names_the_workload(annotations: dict[str, str], name: str) -> None:
    """S1: an annotation wins over owners, verbatim; it stands for no kind."""
    assert identity(pod("web", ADDRESS, annotations=annotations)) == Workload(name, "app")


def test_empty_annotation_names_nothing() -> None:
    """S1: an empty annotation is none."""
    assert identity(pod("web", ADDRESS, annotations={NAME: ""})).name == "web"


def test_annotation_key_can_be_overridden() -> None:
    """S1: the key is an option."""
    made = pod("web", ADDRESS, annotations={"team/name": "mine", NAME: "theirs"})
    assert identity(made, annotation="team/name").name == "mine"


@pytest.mark.parametrize(
    ("kind", "above"),
    [
        ("ReplicaSet", "Deployment"),
        ("ReplicaSet", "Rollout"),
        ("Job", "CronJob"),
        ("StatefulSet", None),
        ("DaemonSet", None),
        ("ReplicationController", None),
        ("StrimziPodSet", "Kafka"),
    ],
)
def test_owners_are_followed_to_the_root(kind: str, above: str | None) -> None:
    """S2: owner references are followed to the root, custom resources too."""
    top = [owner(above, "root")] if above else []
    objects = [item(kind, "middle", owners=top)]
    if above:
        objects.append(item(above, "root"))
    made = pod("x", ADDRESS, owners=[owner(kind, "middle")])
    assert identity(made, *objects) == Workload("root" if above else "middle", "app", above or kind)


def test_cluster_scoped_owner_is_found() -> None:
    """S2: an owner without a namespace of its own is followed too."""
    middle = item("Tenant", "t", namespace="", owners=[owner("Platform", "p")])
    made = pod("x", ADDRESS, owners=[owner("Tenant", "t")])
    assert identity(made, middle) == Workload("p", "app", "Platform")


def test_controller_counts_not_the_first() -> None:
    """S2: the owner with `controller: true` counts; without one, the first."""
    owners = [owner("Job", "first", controller=False), owner("StatefulSet", "second")]
    assert identity(pod("x", ADDRESS, owners=owners)).name == "second"
    owners = [owner("Job", "first", controller=False), owner("Job", "other", controller=False)]
    assert identity(pod("x", ADDRESS, owners=owners)).name == "first"


def test_owners_in_a_circle_end() -> None:
    """S2: a damaged snapshot whose owners own each other still names a workload."""
    objects = [
        item("A", "one", owners=[owner("B", "two")]),
        item("B", "two", owners=[owner("A", "one")]),
    ]
    assert identity(pod("x", ADDRESS, owners=[owner("A", "one")]), *objects).name in ("one", "two")


def test_absent_owner_degrades_to_its_own_name() -> None:
    """S3: an owner that is not in the snapshot, or forbidden, is named as the reference does."""
    made = pod("x", ADDRESS, owners=[owner("StrimziPodSet", "events")])
    assert identity(made) == Workload("events", "app", "StrimziPodSet")


def test_absent_replica_set_loses_its_hash() -> None:
    """S3: the label pod-template-hash tells the Deployment of an absent ReplicaSet, as inferred."""
    made = pod(
        "x",
        ADDRESS,
        owners=[owner("ReplicaSet", "web-6f7c9")],
        labels={"pod-template-hash": "6f7c9"},
    )
    known = snapshot(made)
    found = Identities(known).of(known.pods[0])
    assert found.workload == Workload("web", "app", "Deployment")
    assert (
        found.inferred == "ReplicaSet web-6f7c9 is not in the snapshot; named by pod-template-hash"
    )


def test_absent_replica_set_without_the_label_keeps_its_name() -> None:
    """S3: nothing is stripped from a name on a guess."""
    made = pod("x", ADDRESS, owners=[owner("ReplicaSet", "web-6f7c9")], labels={})
    assert identity(made) == Workload("web-6f7c9", "app", "ReplicaSet")


def test_bare_pod_is_itself() -> None:
    """S4: no owner: the pod's own name, kind Pod."""
    assert identity(pod("x", ADDRESS, name="alone", owners=[])) == Workload("alone", "app", "Pod")


def test_static_pod_drops_its_node() -> None:
    """S4: a mirror pod, owned by its Node, goes by its name without the node's."""
    made = pod("x", ADDRESS, name="etcd-node-a", owners=[owner("Node", "node-a")])
    assert identity(made) == Workload("etcd", "app", "Pod")


def test_dots_become_underscores() -> None:
    """S5: dots in an owner's name become underscores; the namespace is the pod's."""
    made = pod("x", ADDRESS, namespace="db", owners=[owner("StatefulSet", "db.v1.example")])
    assert identity(made) == Workload("db_v1_example", "db", "StatefulSet")


IMAGES = {
    "istio-proxy": "docker.io/istio/proxyv2:1.2",
    "log-sidecar": "example/log:1",
    "main": "registry.example:5000/tools/batch:2.1@sha256:00",
}


def test_jobs_by_image() -> None:
    """S6: with the option, an orphan Job is named by its image; sidecars do not count."""
    made = pod("x", ADDRESS, owners=[owner("Job", "once")], images=IMAGES)
    assert identity(made) == Workload("once", "app", "Job")
    assert identity(made, image_name_for_jobs=True) == Workload("batch", "app")


def test_cron_jobs_keep_their_name() -> None:
    """S6: the option leaves a Job with a CronJob alone, and all other kinds."""
    job = item("Job", "nightly-1", owners=[owner("CronJob", "nightly")])
    made = pod("x", ADDRESS, owners=[owner("Job", "nightly-1")], images=IMAGES)
    assert identity(made, job, item("CronJob", "nightly"), image_name_for_jobs=True) == Workload(
        "nightly", "app", "CronJob"
    )


def test_kind_is_part_of_the_key() -> None:
    """S7: a Deployment and a StatefulSet of one name are two workloads."""
    known = snapshot(
        pod("x", "10.1.0.1", name="one", owners=[owner("Deployment", "db")]),
        pod("x", "10.1.0.2", name="two", owners=[owner("StatefulSet", "db")]),
    )
    identities = Identities(known)
    assert {identities.of(found).workload.kind for found in known.pods} == {
        "Deployment",
        "StatefulSet",
    }


def test_recorded_cluster() -> None:
    """S2: the lists that a real API server gave name their pods by Deployment and DaemonSet."""
    names = ("pods", "replicasets", "deployments", "daemonsets", "statefulsets", "jobs", "cronjobs")
    documents = []
    for name in names:
        recorded = json.loads((FIXTURES / "k8s-recordings" / f"list-{name}.json").read_text())
        body = recorded["response"]["body"]
        documents.append((name, json.dumps(body).encode()))
    known = parse_snapshot(documents)
    kinds = {Identities(known).of(found).workload.kind for found in known.pods}
    assert "ReplicaSet" not in kinds
    assert "Deployment" in kinds

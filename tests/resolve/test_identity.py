"""S1 to S7: whose pod it is."""

import json

import pytest

from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.graph.generated_names import has_generated_name
from otterize_pcap.graph.graph_format import decode_graph, encode_graph
from otterize_pcap.graph.service_graph import Call, ServiceGraph, Workload
from otterize_pcap.intents.read_intents import parse_intents
from otterize_pcap.intents.versions import VERSIONS
from otterize_pcap.render.client_intents import IntentsForm, render_intents
from otterize_pcap.render.list_text import render_list
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.identity import Identities, NamedBy
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.snapshot.snapshot import Snapshot
from tests.cluster_builder import (
    Json,
    call,
    item,
    mapped,
    only_identity,
    owner,
    pod,
    snapshot,
)
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
    """S2: only the owner with `controller: true` is followed where any has it."""
    owners = [owner("Job", "first", controller=False), owner("StatefulSet", "second")]
    assert identity(pod("x", ADDRESS, owners=owners)).name == "second"


@pytest.mark.parametrize(
    ("owners", "name"),
    [
        pytest.param([owner("Job", "one", controller=False)], "one", id="single and built in"),
        pytest.param(
            [owner("Job", "one", controller=False), owner("Job", "two", controller=False)],
            "x-pod",
            id="one of two",
        ),
        pytest.param(
            [owner("Application", "shop", controller=False, api_version="app.k8s.io/v1beta1")],
            "x-pod",
            id="a custom resource, though of a group that ends as built-in ones do",
        ),
        pytest.param(
            [owner("Application", "shop", controller=False)], "x-pod", id="of no stated version"
        ),
    ],
)
def test_owner_that_is_no_controller(owners: list[Json], name: str) -> None:
    """S2: it is followed only where it is the single one and built in."""
    assert identity(pod("x", ADDRESS, owners=owners)).name == name


def test_group_of_applications_is_not_the_workload() -> None:
    """S2: an Application that owns two Deployments without controlling them merges nothing."""
    above = [owner("Application", "shop", controller=False, api_version="app.k8s.io/v1beta1")]
    objects = [item("Application", "shop", api_version="app.k8s.io/v1beta1")]
    objects += [item("Deployment", name, owners=above) for name in ("web", "db")]
    known = snapshot(
        *objects,
        *(
            pod(name, f"10.1.0.{last}", owners=[owner("Deployment", name)])
            for last, name in enumerate(("web", "db"), 1)
        ),
    )
    assert {Identities(known).of(each).workload.name for each in known.pods} == {"web", "db"}


STRIMZI = "kafka.strimzi.io/v1beta2"
KAFKA = Workload("events", "app", "Kafka", group="kafka.strimzi.io")


def umbrella() -> Snapshot:
    """A Kafka resource that owns brokers and ZooKeeper, and a Rollout with two ReplicaSets."""
    kafka, rollout = owner("Kafka", "events", api_version=STRIMZI), owner("Rollout", "web")
    sets = ("events-kafka", "events-zookeeper")
    return snapshot(
        item("Kafka", "events", api_version=STRIMZI),
        *(item("StrimziPodSet", name, owners=[kafka]) for name in sets),
        *(
            pod(name, f"10.1.0.{last}", owners=[owner("StrimziPodSet", name)])
            for last, name in enumerate(sets, 1)
        ),
        item("Rollout", "web"),
        *(item("ReplicaSet", f"web-{number}", owners=[rollout]) for number in (1, 2)),
        *(
            pod(
                f"web{number}",
                f"10.1.0.{10 + number}",
                owners=[owner("ReplicaSet", f"web-{number}")],
            )
            for number in (1, 2)
        ),
    )


def test_custom_root_names_all_its_pods_and_is_said_to() -> None:
    """S2: one name for several sets of pods is told; two ReplicaSets of a Rollout are one set."""
    known = umbrella()
    identities = Identities(known)
    assert {identities.of(each).workload for each in known.pods} == {
        KAFKA,
        Workload("web", "app", "Rollout"),
    }
    merged = identities.merged({KAFKA, Workload("web", "app", "Rollout")})
    assert {root: [part.name for part in parts] for root, parts in merged.items()} == {
        KAFKA: ["events-kafka", "events-zookeeper"]
    }


def test_summary_names_the_merged_sets() -> None:
    """S2: a graph with such a name has a note; with the nearest owner there is nothing to note."""
    found = {
        by: mapped(umbrella(), call("10.1.0.1:40000", "10.1.0.2:2181"), rules=Rules(owner=by)).graph
        for by in NamedBy
    }
    coverages = {by: graph.coverage for by, graph in found.items()}
    notes = {by: coverage.notes if coverage else () for by, coverage in coverages.items()}
    note = (
        "Kafka events.app is one name for 2 sets of pods: events-kafka, events-zookeeper; "
        "--owner nearest tells them apart"
    )
    assert [by for by in NamedBy if note in notes[by]] == [NamedBy.ROOT]
    (only,) = found[NamedBy.NEAREST].calls
    assert (only.client.name, only.server.name) == ("events-kafka", "events-zookeeper")


@pytest.mark.parametrize("kind", ["ReplicaSet", "Job", "ReplicationController"])
def test_nearest_owner_is_above_what_is_made_for_another(kind: str) -> None:
    """S2: `--owner nearest` goes one above a ReplicaSet, Job, ReplicationController."""
    objects = [
        item("Operator", "top"),
        item("Middle", "middle", owners=[owner("Operator", "top")]),
        item(kind, "low", owners=[owner("Middle", "middle")]),
    ]
    made = pod("x", ADDRESS, owners=[owner(kind, "low")])
    assert identity(made, *objects, owner=NamedBy.NEAREST) == Workload("middle", "app", "Middle")
    assert identity(made, *objects) == Workload("top", "app", "Operator")


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


PODS_SAY = [
    pytest.param(
        owner("ReplicaSet", "cart-6b4d44785c", api_version="apps/v1"),
        {"labels": {"rollouts-pod-template-hash": "6b4d44785c"}},
        Workload("cart", "app", "Rollout", group="argoproj.io"),
        id="rollouts-pod-template-hash",
    ),
    pytest.param(
        owner("Job", "report-29384640", api_version="batch/v1"),
        {},
        Workload("report", "app", "CronJob"),
        id="the schedule's minute",
    ),
    pytest.param(
        owner("ReplicationController", "frontend-3", api_version="v1"),
        {"annotations": {"openshift.io/deployment-config.name": "frontend"}},
        Workload("frontend", "app", "DeploymentConfig", group="apps.openshift.io"),
        id="deployment-config.name",
    ),
    pytest.param(
        owner("ReplicaSet", "hello-00001-deployment-66c", api_version="apps/v1"),
        {"labels": {"serving.knative.dev/service": "hello", "pod-template-hash": "66c"}},
        Workload("hello", "app", "Service", group="serving.knative.dev"),
        id="Knative",
    ),
    pytest.param(
        owner("Workflow", "etl-x7k2p", api_version="argoproj.io/v1alpha1"),
        {"labels": {"workflows.argoproj.io/cron-workflow": "etl"}},
        Workload("etl", "app", "CronWorkflow", group="argoproj.io"),
        id="Argo Workflows",
    ),
    pytest.param(
        owner("VirtualMachineInstance", "vm-x7k2p", api_version="kubevirt.io/v1"),
        {"labels": {"vm.kubevirt.io/name": "vm"}},
        Workload("vm", "app", "VirtualMachine", group="kubevirt.io"),
        id="KubeVirt",
    ),
]


@pytest.mark.parametrize(("reference", "said", "workload"), PODS_SAY)
def test_pods_say_what_stable_name_they_have(
    reference: Json, said: dict[str, dict[str, str]], workload: Workload
) -> None:
    """S3: a generated name is replaced by what the pod says, reported as inferred."""
    labels, annotations = said.get("labels", {}), said.get("annotations", {})
    known = snapshot(pod("x", ADDRESS, owners=[reference], labels=labels, annotations=annotations))
    found = Identities(known).of(known.pods[0])
    assert found.workload == workload
    assert found.made_stable
    assert found.inferred is not None
    assert found.inferred.startswith(f"{reference['kind']} {reference['name']} is not in")


@pytest.mark.parametrize(("reference", "said", "workload"), PODS_SAY)
def test_pods_that_say_nothing_keep_a_generated_name(
    reference: Json, said: dict[str, dict[str, str]], workload: Workload
) -> None:
    """S3: without the label or annotation the owner's own name stands, and is listed."""
    if not said:
        reference = reference | {"name": "report-20260131"}  # a date is no minute of 2020 to 2050
    found = identity(pod("x", ADDRESS, owners=[reference], labels={}))
    assert (found.name, found.kind) == (reference["name"], reference["kind"])
    assert has_generated_name(found)
    assert not has_generated_name(workload)


def test_revision_in_the_snapshot_is_its_service_all_the_same() -> None:
    """S3: where the walk ends at a Revision without an owner, the pod's label goes on."""
    version = "serving.knative.dev/v1"
    objects = [
        item("Revision", "hello-00001", api_version=version),
        item("ReplicaSet", "r", owners=[owner("Revision", "hello-00001", api_version=version)]),
    ]
    made = pod(
        "x",
        ADDRESS,
        owners=[owner("ReplicaSet", "r")],
        labels={"serving.knative.dev/service": "hello"},
    )
    assert identity(made, *objects) == Workload(
        "hello", "app", "Service", group="serving.knative.dev"
    )


def test_other_kinds_of_that_name_say_nothing() -> None:
    """S3, S7: a Job of another group has no schedule in its name."""
    reference = owner("Job", "train-29384640", api_version="batch.volcano.sh/v1alpha1")
    assert identity(pod("x", ADDRESS, owners=[reference])) == Workload(
        "train-29384640", "app", "Job", group="batch.volcano.sh"
    )


def test_known_job_is_no_guess() -> None:
    """S3: a Job that the snapshot holds without an owner is nobody's but its own."""
    made = pod("x", ADDRESS, owners=[owner("Job", "report-29384640")])
    assert identity(made, item("Job", "report-29384640")).kind == "Job"


def test_bare_pod_goes_by_what_its_name_was_generated_from() -> None:
    """S3: `metadata.generateName` names a pod without an owner; a name of its own choice stays."""
    made = pod("x", ADDRESS, name="runner-x7k2p", owners=[])
    made["metadata"]["generateName"] = "runner-"
    assert identity(made) == Workload("runner", "app", "Pod")
    made["metadata"]["generateName"] = "other-"
    assert identity(made).name == "runner-x7k2p"


@pytest.mark.parametrize(
    ("owners", "kind"),
    [
        pytest.param([], "Pod", id="no owner"),
        pytest.param([owner("Workflow", "etl-x7k2p")], "Workflow", id="generated owner"),
    ],
)
def test_label_names_what_has_no_stable_owner(owners: list[Json], kind: str) -> None:
    """S3, S5: of the labels given the first that the pod has names it, without dots."""
    made = pod("x", ADDRESS, owners=owners, labels={"task": "load.v1", "app": "etl"})
    found = identity(made, workload_labels=("dag_id", "task", "app"))
    assert found == Workload("load_v1", "app", kind)


def test_label_does_not_replace_a_stable_owner() -> None:
    """S3: a Deployment, a static pod and an owner's stable name stay."""
    for reference in (owner("Deployment", "web"), owner("Kafka", "events"), owner("Node", "a")):
        made = pod("x", ADDRESS, name="etcd-a", owners=[reference], labels={"app": "other"})
        assert identity(made, workload_labels=("app",)).name in ("web", "events", "etcd")


@pytest.mark.parametrize(
    "name",
    ["etl-load-orders-k3j9x2ab", "adhoc-x7k2p", "job-bcdfg", "x-7f9c6b8f5d"],
)
def test_generated_names_are_recognised(name: str) -> None:
    """S3: what the API server, Airflow and template hashes end names in."""
    assert has_generated_name(Workload(name, "app", "Pod"))


@pytest.mark.parametrize(
    "workload",
    [
        Workload("kafka-broker", "app", "Pod"),
        Workload("my-postgres9", "app", "Pod"),
        Workload("my-cluster-kafka", "app", "StrimziPodSet", group="core.strimzi.io"),
        Workload("web-x7k2p", "app", "StatefulSet"),
        Workload("web-x7k2p", "app", ""),
        Workload("api", "app", "Service"),
    ],
    ids=lambda workload: f"{workload.kind} {workload.name}",
)
def test_chosen_names_are_not_called_generated(workload: Workload) -> None:
    """S3: words, names that end in a version, and kinds whose names people choose."""
    assert not has_generated_name(workload)


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


def test_custom_node_makes_no_static_pod() -> None:
    """S4: a pod owned by a custom resource of kind Node is that resource's, not its node's."""
    reference = owner("Node", "meter-7", api_version="iot.example/v1")
    made = pod("x", ADDRESS, name="reader-meter-7", owners=[reference])
    assert identity(made) == Workload("meter-7", "app", "Node", group="iot.example")


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


def test_group_is_part_of_a_custom_kind() -> None:
    """S7: a Knative Service is not the core Service of its name, in any order of objects."""
    version = "serving.knative.dev/v1"
    made = pod("x", ADDRESS, owners=[owner("Service", "hello", api_version=version)])
    knative = item("Service", "hello", api_version=version)
    knative["spec"] = {"traffic": [{"percent": 100}], "ports": "not a core Service's"}
    core = item("Service", "hello", owners=[owner("Route", "hello", api_version=version)])
    for objects in ((made, knative, core), (core, knative, made)):
        known = snapshot(*objects)
        assert known.kinds["Service"] == known.kinds["Service.serving.knative.dev"] == 1
        assert [each.name for each in known.services] == ["hello"]
        found = Identities(known).of(known.pods[0]).workload
        assert found == Workload("hello", "app", "Service", group="serving.knative.dev")
        assert not found.is_service


def test_group_comes_from_the_object_where_the_reference_has_none() -> None:
    """S7: a reference written by hand may lack its version; the object tells."""
    made = pod("x", ADDRESS, owners=[owner("Kafka", "events")])
    assert identity(made, item("Kafka", "events", api_version=STRIMZI)) == KAFKA
    made = pod("x", ADDRESS, owners=[owner("Kafka", "events", api_version=STRIMZI)])
    assert identity(made, item("Kafka", "events")) == KAFKA


@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_export_never_takes_a_custom_service_for_a_core_one(version: str) -> None:
    """S7: kinds are written with their group where they read like core ones, and read back."""
    knative = Workload("hello", "app", "Service", group="serving.knative.dev")
    graph = ServiceGraph(
        (Call(knative, KAFKA), Call(Workload("web", "app", "Deployment"), knative))
    )
    form = VERSIONS[version]
    text = render_intents(graph, IntentsForm(form))
    assert "svc:" not in text
    assert "service:\n        name: hello" not in text
    found = parse_intents([("x", text.encode())]).calls
    if form.kinds:
        assert "kind: Service.serving.knative.dev" in text
        assert {call.client for call in found} == {call.client for call in graph.calls}
        assert diff_graphs(graph, ServiceGraph(found)).is_empty
    assert decode_graph(encode_graph(graph).encode(), "x") == graph


def test_core_service_and_custom_one_are_two_in_a_list() -> None:
    """S7: where one client calls both, the kind with its group tells them apart."""
    client = Workload("web", "app", "Deployment")
    servers = [Workload("hello", "app", "Service", group=group) for group in ("", "x.example")]
    text = render_list(ServiceGraph(tuple(Call(client, server) for server in servers)))
    assert text == "web calls:\n  - hello (Service)\n  - hello (Service.x.example)\n"


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

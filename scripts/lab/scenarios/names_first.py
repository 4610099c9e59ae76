"""Workloads with generated names, whose owners the snapshot lacks; `names-second` is the next day.

As `kubectl get pods` leaves it. Each calls `db` once, and each pod says in its own labels,
annotations or `generateName` who it is, whatever number it has today:

- `cart`: an Argo Rollout's, by the label rollouts-pod-template-hash; `shop` a Deployment's, by
  pod-template-hash.
- `report`: a CronJob's; its Job is named after the minute, report-29384640.
- `frontend`: a DeploymentConfig's third rollout, by the annotation deployment-config.name.
- `runner`: no owner, made from `generateName: runner-`.
- `etl`: an Argo Workflow etl-x7k2p of a CronWorkflow, by the label cron-workflow.
- `hello`: a Knative Service's revision hello-00001, by the label serving.knative.dev/service.
- `etcd-operator`: a Deployment that the snapshot has, and so is its owner, the
  ClusterServiceVersion etcdoperator.v0.9.4 of OLM, which is no controller of it.

`adhoc-x7k2p`, a Workflow that somebody submitted by hand, says nothing stable of itself: its name
is generated, and listed as such.
"""

from dataclasses import dataclass

import objects
from cluster import Lab
from msgspec.structs import replace
from objects import Port
from truth import Workload
from workloads import Group, PodOptions

_WORKFLOW = "workflows.argoproj.io"
_KNATIVE = "serving.knative.dev"


@dataclass(frozen=True, slots=True)
class Day:
    """What generated names end in."""

    hashed: str
    minute: int
    rollout: int
    workflow: str
    revision: str
    operator: str


def record(lab: Lab) -> None:
    """The first day."""
    call_from_all(lab, Day("6b4d44785c", 29384640, 3, "x7k2p", "00001", "v0.9.4"))


def call_from_all(lab: Lab, day: Day) -> None:
    """Every workload calls `db`."""
    lab.look_without_watch()
    port = lab.plan.port(5432)
    db = lab.deployment("db", "app", on=("node-b",), ports=(Port(port),))
    stable = [
        *replicated(lab, day),
        scheduled(lab, day),
        configured(lab, day),
        bare(lab, day),
        workflow(lab, "etl", day, scheduled_by="etl"),
        knative(lab, day),
        operator(lab, day),
    ]
    adhoc = workflow(lab, "adhoc", day, scheduled_by=None)

    lab.age(3600)
    lab.start_recording()
    for group in (*stable, adhoc):
        group.host.call(db.pod, port)
    lab.stop_recording(snapshot=lab.kubectl())

    for group in (*stable, adhoc):
        lab.truth.edge(group, db, port, uplink="yes")
    lab.truth.more = {"generatedNames": [adhoc.workload.document()]}


def owned(
    lab: Lab,
    kind: str,
    owner: str,
    is_a: Workload,
    labels: dict[str, str],
    **options: str | dict[str, str],
) -> Group:
    """A pod of an owner that the snapshot does not have."""
    namespace = is_a.namespace
    controller = lab.controller(kind, owner, namespace, known=False, verbatim=True)
    who = replace(is_a, namespace=lab.plan.name(namespace))
    pods: PodOptions = {"is_a": who, "extra_labels": labels}
    if "annotations" in options:
        pods["annotations"] = dict(options["annotations"])  # type: ignore[arg-type]
    return lab.group(is_a.name, namespace, kind, controller, ("node-a",), **pods)


def replicated(lab: Lab, day: Day) -> list[Group]:
    """Pods of ReplicaSets that nobody has any more."""
    return [
        owned(
            *(lab, "ReplicaSet", f"cart-{day.hashed}"),
            Workload("cart", "app", "Rollout", "argoproj.io"),
            {"rollouts-pod-template-hash": day.hashed},
        ),
        owned(
            *(lab, "ReplicaSet", f"shop-{day.hashed}"),
            Workload("shop", "app", "Deployment"),
            {"pod-template-hash": day.hashed},
        ),
    ]


def scheduled(lab: Lab, day: Day) -> Group:
    """The pod of a Job that its TTL removed."""
    job = f"report-{day.minute}"
    labels = {"job-name": job, "batch.kubernetes.io/job-name": job}
    group = owned(lab, "Job", job, Workload("report", "app", "CronJob"), labels)
    group.pod.document["metadata"]["generateName"] = f"{job}-"
    return group


def configured(lab: Lab, day: Day) -> Group:
    """A DeploymentConfig's pod."""
    name = f"frontend-{day.rollout}"
    is_a = Workload("frontend", "app", "DeploymentConfig", "apps.openshift.io")
    return owned(
        *(lab, "ReplicationController", name, is_a),
        {"deployment": name, "deploymentconfig": "frontend"},
        annotations={
            "openshift.io/deployment-config.name": "frontend",
            "openshift.io/deployment.name": name,
        },
    )


def bare(lab: Lab, day: Day) -> Group:
    """A pod that nothing owns and the API server named."""
    is_a = Workload("runner", lab.plan.name("app"), "Pod")
    group = lab.group(
        "runner", "app", "Pod", None, ("node-a",), names=[f"runner-{day.workflow}"], is_a=is_a
    )
    group.pod.document["metadata"]["generateName"] = "runner-"
    return group


def workflow(lab: Lab, name: str, day: Day, scheduled_by: str | None) -> Group:
    """A Workflow's pod, with the label of its CronWorkflow where it has one."""
    full = f"{name}-{day.workflow}"
    labels = {f"{_WORKFLOW}/workflow": full, f"{_WORKFLOW}/completed": "false"}
    if scheduled_by is None:
        return owned(
            lab, "Workflow", full, Workload(full, "app", "Workflow", "argoproj.io"), labels
        )
    labels |= {f"{_WORKFLOW}/cron-workflow": scheduled_by}
    is_a = Workload(scheduled_by, "app", "CronWorkflow", "argoproj.io")
    return owned(lab, "Workflow", full, is_a, labels)


def knative(lab: Lab, day: Day) -> Group:
    """A revision's pod."""
    revision = f"hello-{day.revision}"
    labels = {
        f"{_KNATIVE}/service": "hello",
        f"{_KNATIVE}/configuration": "hello",
        f"{_KNATIVE}/revision": revision,
        "pod-template-hash": day.hashed,
    }
    is_a = Workload("hello", "app", "Service", _KNATIVE)
    return owned(lab, "ReplicaSet", f"{revision}-deployment-{day.hashed}", is_a, labels)


def operator(lab: Lab, day: Day) -> Group:
    """A Deployment that OLM made for a version of an operator."""
    version = lab.controller(
        "ClusterServiceVersion", f"etcdoperator.{day.operator}", "app", verbatim=True
    )
    deployment = lab.controller("Deployment", "etcd-operator", "app", owner=version)
    objects.not_controlled(lab.documents[-1])
    is_a = Workload("etcd-operator", lab.plan.name("app"), "Deployment")
    return lab.replicated("etcd-operator", "app", deployment, ("node-a",), is_a=is_a)

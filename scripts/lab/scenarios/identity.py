"""Who a pod is, in every way that a pod can belong to something. Each calls `hub` once.

- `rolled`: an Argo Rollout, a custom resource that the snapshot holds.
- `pruned`: its ReplicaSet is not in the snapshot; the label pod-template-hash tells its Deployment.
- `headless`: its ReplicaSet is there, the Deployment is not.
- `events`: owned by a StrimziPodSet that is not there.
- `etcd`: a static pod, owned by its node, named `etcd-node-a`.
- `once`: a Job without a CronJob; its image is `batch-runner`, its sidecar's does not count.
- `alone`: a pod without an owner.
- `annotated` and `older`: named by the annotations workload-name (which beats service-name) and
  service-name. A name given so stands for pods of any kind: there is none.
- `db.v1.example`: dots in a StatefulSet's name become underscores.
- `adopted`: two owner references, of which the second is the controller.
"""

import objects
from cluster import Lab
from objects import Port
from services import ServicePort
from truth import Workload
from workloads import Group

_WORKLOAD_NAME = "intents.otterize.com/workload-name"
_SERVICE_NAME = "intents.otterize.com/service-name"
_NODE_A = ("node-a",)


def record(lab: Lab) -> None:
    """Start one pod of each kind; all call the hub."""
    port = lab.plan.port(8080)
    hub = lab.deployment("hub", "app", on=("node-b",), ports=(Port(port),))
    service = lab.service("hub", "app", ServicePort(port, port))
    once = orphan_job(lab)
    callers = [*owned(lab), *unowned(lab), *annotated(lab), dotted(lab), adopted(lab)]

    lab.start_recording()
    for caller in (*callers, once):
        caller.host.call(service, port)
    lab.stop_recording()

    for caller in callers:
        lab.truth.edge(caller, hub, port, service=service, uplink="yes")
    # With --image-name-for-jobs the client's name is another.
    lab.truth.edge(once, hub, port, service=service, uplink="yes", clientImageName="batch-runner")


def owned(lab: Lab) -> list[Group]:
    """Owners that the snapshot holds in full, in part, or not at all."""
    rollout = lab.controller("Rollout", "rolled", "app")
    pruned = lab.controller("Deployment", "pruned", "app", known=False)
    headless = lab.controller("Deployment", "headless", "app", known=False)
    events = lab.controller("StrimziPodSet", "events", "app", known=False)
    return [
        lab.replicated("rolled", "app", rollout, _NODE_A),
        lab.replicated("pruned", "app", pruned, _NODE_A, replica_set_known=False),
        lab.replicated("headless", "app", headless, _NODE_A),
        lab.group("events", "app", "StrimziPodSet", events, _NODE_A),
    ]


def unowned(lab: Lab) -> list[Group]:
    """A static pod and a bare one."""
    return [lab.static_pod("etcd", "app", on="node-a"), lab.bare_pod("alone", "app")]


def orphan_job(lab: Lab) -> Group:
    """A Job that no CronJob made, with a sidecar beside its container."""
    job = lab.controller("Job", "once", "app")
    image = "registry.example/tools/batch-runner:2.1@sha256:" + "0" * 64
    group = lab.group("once", "app", "Job", job, _NODE_A, image=image)
    sidecar = objects.container("istio-proxy", "registry.example/istio/proxyv2:1.24", ())
    group.pod.document["spec"]["containers"].insert(0, sidecar)
    return group


def annotated(lab: Lab) -> list[Group]:
    """Names that the pods' authors chose."""
    name = lab.plan.name
    where, chosen, older = name("app"), name("chosen-name"), name("older-name")
    both = {_WORKLOAD_NAME: chosen, _SERVICE_NAME: name("not-this-one")}
    return [
        lab.deployment(
            "annotated",
            "app",
            annotations=both,
            is_a=Workload(chosen, where, ""),
        ),
        lab.deployment(
            "older",
            "app",
            annotations={_SERVICE_NAME: older},
            is_a=Workload(older, where, ""),
        ),
    ]


def dotted(lab: Lab) -> Group:
    """A name that cannot be a ClientIntents service name as it is."""
    full = f"{lab.plan.name('db')}.v1.example"
    owner = lab.controller("StatefulSet", full, "app", verbatim=True)
    workload = Workload(full.replace(".", "_"), lab.plan.name("app"), "StatefulSet")
    names = [f"{full}-0"]
    return lab.group("db", "app", "StatefulSet", owner, _NODE_A, names=names, is_a=workload)


def adopted(lab: Lab) -> Group:
    """The first reference is not the controller."""
    owner = lab.controller("StatefulSet", "adopted", "app")
    group = lab.group("adopted", "app", "StatefulSet", owner, _NODE_A)
    other = lab.controller("Job", "bystander", "app").reference()
    group.pod.document["metadata"]["ownerReferences"].insert(0, other | {"controller": False})
    return group

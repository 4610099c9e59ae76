"""Names with a generated part → stable ones, by what a pod itself says of who it is (S3).

Each rule looks at a pod and at the owner that the walk up its owner references ended at.
"""

import re
from collections.abc import Callable

from msgspec import Struct

from otterize_pcap.api_groups import group_of
from otterize_pcap.snapshot.objects import OwnerReference
from otterize_pcap.snapshot.snapshot import Pod

ARGO, KNATIVE, OPENSHIFT = "argoproj.io", "serving.knative.dev", "apps.openshift.io"
KUBEVIRT = "kubevirt.io"

TEMPLATE_HASHES = {
    "pod-template-hash": ("Deployment", ""),
    "rollouts-pod-template-hash": ("Rollout", ARGO),
}
KNATIVE_SERVICE = "serving.knative.dev/service"
DEPLOYMENT_CONFIG = "openshift.io/deployment-config.name"
VIRTUAL_MACHINE = "vm.kubevirt.io/name"
WORKFLOW_LABELS = {
    "workflows.argoproj.io/cron-workflow": "CronWorkflow",
    "workflows.argoproj.io/workflow-template": "WorkflowTemplate",
    "workflows.argoproj.io/cluster-workflow-template": "ClusterWorkflowTemplate",
}
# Minutes since the epoch (kubernetes/pkg/controller/cronjob, getJobName): 2020 to 2050, so that a
# date such as 20260131 is none.
SCHEDULED = re.compile(r"(.+)-([0-9]{8})\Z")
FIRST_MINUTE, LAST_MINUTE = 26_297_280, 42_075_360


class StableName(Struct, frozen=True):
    """Who a pod says that it is, and by what."""

    name: str
    kind: str
    group: str
    by: str


def stable_name(pod: Pod, owner: OwnerReference, *, absent: bool) -> StableName | None:
    """Who a pod is, where its last known owner's name is a generated one and the pod tells.

    `absent` owners are not in the snapshot, so that nothing but the pod can tell who owns them.
    """
    group = group_of(owner.apiVersion)
    if group and group != GROUPS.get(owner.kind):
        return None
    for rule in (ABSENT_RULES if absent else RULES).get(owner.kind, ()):
        found = rule(pod, owner)
        if found is not None:
            return found
    return None


def _knative(pod: Pod, owner: OwnerReference) -> StableName | None:
    service = pod.labels.get(KNATIVE_SERVICE)
    if not service or not owner.name.startswith(f"{service}-"):
        return None
    return StableName(service, "Service", KNATIVE, KNATIVE_SERVICE)


def _workflow(pod: Pod, _owner: OwnerReference) -> StableName | None:
    for label, kind in WORKFLOW_LABELS.items():
        if pod.labels.get(label):
            return StableName(pod.labels[label], kind, ARGO, label)
    return None


def _deployment_config(pod: Pod, _owner: OwnerReference) -> StableName | None:
    name = pod.annotations.get(DEPLOYMENT_CONFIG)
    if not name:
        return None
    return StableName(name, "DeploymentConfig", OPENSHIFT, DEPLOYMENT_CONFIG)


def _replicas(pod: Pod, owner: OwnerReference) -> StableName | None:
    for label, (kind, group) in TEMPLATE_HASHES.items():
        suffix = f"-{pod.labels.get(label, '')}"
        if len(suffix) > 1 and owner.name.endswith(suffix) and owner.name != suffix:
            return StableName(owner.name.removesuffix(suffix), kind, group, label)
    return None


def _scheduled_job(_pod: Pod, owner: OwnerReference) -> StableName | None:
    found = SCHEDULED.match(owner.name)
    if found is None or not FIRST_MINUTE <= int(found[2]) <= LAST_MINUTE:
        return None
    return StableName(found[1], "CronJob", "", f"its schedule's minute {found[2]}")


def _virtual_machine(pod: Pod, _owner: OwnerReference) -> StableName | None:
    name = pod.labels.get(VIRTUAL_MACHINE)
    if not name:
        return None
    return StableName(name, "VirtualMachine", KUBEVIRT, VIRTUAL_MACHINE)


Rule = Callable[[Pod, OwnerReference], StableName | None]

# Other groups' kinds of these names are others: a Job of batch.volcano.sh has no schedule.
GROUPS = {"Revision": KNATIVE, "Workflow": ARGO, "VirtualMachineInstance": KUBEVIRT}

# By the kind of the owner at which the walk ended; of a revision's objects that may be any.
RULES: dict[str, tuple[Rule, ...]] = {
    "ReplicaSet": (_knative,),
    "Deployment": (_knative,),
    "Revision": (_knative,),
    "Workflow": (_workflow,),
    "ReplicationController": (_deployment_config,),
}
ABSENT_RULES: dict[str, tuple[Rule, ...]] = {
    **RULES,
    "ReplicaSet": (_knative, _replicas),
    "Job": (_scheduled_job,),
    "VirtualMachineInstance": (_virtual_machine,),
}

"""Names that look made by a machine: a workload that has one looks new at every run (S3).

Recognised by how Kubernetes and those who build on it make names, so that it can be told of names
in documents too, which say nothing else of a workload.
"""

import re

from otterize_pcap.graph.service_graph import Workload

# k8s.io/apimachinery/pkg/util/rand: no vowels, and nothing that reads like one. Five characters
# follow `generateName`, up to ten are a template's hash.
SAFE_TAIL = r"-[bcdfghjklmnpqrstvwxz2456789]{5,10}"
# The hash of a small number; only ReplicaSets end in one.
HASH_TAIL = r"-[bcdfghjklmnpqrstvwxz2456789]{3,10}"
# What others draw from all letters and digits (Airflow: eight), or a part of a UUID: letters and
# two digits or more, one of them before a letter, which no counter is.
MIXED_TAIL = r"-(?=[a-z]*[0-9][a-z0-9]*[0-9])(?=[a-z0-9]*[0-9][a-z])[a-z0-9]{5,}"
# Minutes since the epoch (CronJob controller, since 1.21), seconds before that, and dates.
TIME_TAIL = r"-[0-9]{8,10}"
COUNTER_TAIL = r"-[0-9]+"
# Knative's revisions, and the Deployments made for them.
REVISION_TAIL = r"-[0-9]{5}(-deployment)?"

RANDOM = re.compile(f"({SAFE_TAIL}|{MIXED_TAIL})$")
TIMED = re.compile(f"({SAFE_TAIL}|{MIXED_TAIL}|{TIME_TAIL})$")
HASHED = re.compile(f"{HASH_TAIL}$")
COUNTED = re.compile(f"({SAFE_TAIL}|{COUNTER_TAIL})$")
REVISED = re.compile(f"({REVISION_TAIL})$")

BY_KIND = {
    "Pod": RANDOM,
    "ReplicaSet": HASHED,
    "Job": TIMED,
    "ReplicationController": COUNTED,
    "Revision": REVISED,
    "Deployment": REVISED,
}
# People choose these, and numbers in them mean something.
CHOSEN = frozenset({"", "CronJob", "DaemonSet", "Service", "StatefulSet"})

GENERATED_LABELS = frozenset(
    (
        "pod-template-hash",
        "rollouts-pod-template-hash",
        "pod-template-generation",
        "controller-revision-hash",
        "controller-uid",
        "job-name",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-name",
        "batch.kubernetes.io/job-completion-index",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "openshift.io/deployment.name",
        "serving.knative.dev/revision",
        "serving.knative.dev/revisionUID",
        "service.istio.io/canonical-revision",
        "workflows.argoproj.io/workflow",
    )
)
"""Labels whose values are of one pod, one run or one version (Kubernetes "Well-Known Labels", and
what the controllers of OpenShift, Knative, Istio and Argo set)."""
GENERATED_LABEL_ENDS = ("-hash", "-uid", "/revision", "/pod-index", "/pod-name")


def has_generated_name(workload: Workload) -> bool:
    """Whether a workload's name ends in a part that will be another one next time."""
    if workload.kind in CHOSEN and not workload.group:
        return False
    made = BY_KIND.get(workload.kind, RANDOM) if not workload.group else _of_custom(workload)
    return made.search(workload.name) is not None


def _of_custom(workload: Workload) -> re.Pattern[str]:
    return REVISED if workload.kind == "Revision" else TIMED


def is_generated_label(key: str) -> bool:
    """Whether a label's value is of one pod, one run or one version, and of no kind of work."""
    return key in GENERATED_LABELS or key.endswith(GENERATED_LABEL_ENDS)

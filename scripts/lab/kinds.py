"""The apiVersion of every kind of owner that a scenario may ask for."""

API_VERSIONS = {
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "Rollout": "argoproj.io/v1alpha1",
    "StrimziPodSet": "core.strimzi.io/v1beta2",
    "Kafka": "kafka.strimzi.io/v1beta2",
    "CephCluster": "ceph.rook.io/v1",
    "ReplicationController": "v1",
    "DeploymentConfig": "apps.openshift.io/v1",
    "Workflow": "argoproj.io/v1alpha1",
    "ClusterServiceVersion": "operators.coreos.com/v1alpha1",
    "Application": "app.k8s.io/v1beta1",
    "Revision": "serving.knative.dev/v1",
    "Configuration": "serving.knative.dev/v1",
    # No core Service and no core Node owns pods this way.
    "Service": "serving.knative.dev/v1",
    "Node": "iot.example/v1",
}

_CORE = frozenset({"", "apps", "batch"})


def group_of(kind: str) -> str:
    """The API group that tells a custom resource of this kind from Kubernetes' own."""
    group = API_VERSIONS.get(kind, "").rpartition("/")[0]
    return "" if group in _CORE else group

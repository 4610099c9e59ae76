"""Which Kubernetes kinds a snapshot is made of: what is asked for, listed and watched."""

from msgspec import Struct


class Kind(Struct, frozen=True):
    """One kind to list and watch; `required` ones make the snapshot useless when missing."""

    kind: str
    group: str
    version: str
    plural: str
    required: bool

    @property
    def path(self) -> str:
        """The collection of all namespaces."""
        root = f"/apis/{self.group}" if self.group else "/api"
        return f"{root}/{self.version}/{self.plural}"

    @property
    def api_version(self) -> str:
        """As objects state it."""
        return f"{self.group}/{self.version}" if self.group else self.version


KINDS = (
    Kind("Pod", "", "v1", "pods", required=True),
    Kind("Service", "", "v1", "services", required=True),
    Kind("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices", required=True),
    Kind("Node", "", "v1", "nodes", required=True),
    Kind("ReplicaSet", "apps", "v1", "replicasets", required=False),
    Kind("Deployment", "apps", "v1", "deployments", required=False),
    Kind("StatefulSet", "apps", "v1", "statefulsets", required=False),
    Kind("DaemonSet", "apps", "v1", "daemonsets", required=False),
    Kind("Job", "batch", "v1", "jobs", required=False),
    Kind("CronJob", "batch", "v1", "cronjobs", required=False),
    Kind("Namespace", "", "v1", "namespaces", required=False),
    Kind("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies", required=False),
)

KUBECTL = f"kubectl get {','.join(kind.plural for kind in KINDS)} -A -o json"
"""The command that prints a snapshot without this tool."""

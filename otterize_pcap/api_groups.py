"""API groups: which kinds are Kubernetes' own, and which only read like them (S2, S7).

Anybody may define a custom resource of kind Service or Node; its group tells it from the core one.
A group is empty here for everything that is Kubernetes' own.
"""

# The groups of the Kubernetes API reference; the core group has no name. A custom resource can be
# in none of them, though it may end in `.k8s.io` (app.k8s.io, gateway.networking.k8s.io).
BUILT_IN_GROUPS = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "extensions",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)

# Kinds of workloads and servers that a graph can hold, and of objects that rules read.
BUILT_IN_KINDS = frozenset(
    {
        "CronJob",
        "DaemonSet",
        "Deployment",
        "EndpointSlice",
        "Endpoints",
        "Job",
        "Namespace",
        "NetworkPolicy",
        "Node",
        "Pod",
        "ReplicaSet",
        "ReplicationController",
        "Service",
        "StatefulSet",
    }
)


def group_of(api_version: str) -> str:
    """The group of an `apiVersion`, empty where it is Kubernetes' own or nothing is stated."""
    group = api_version.rpartition("/")[0]
    return "" if group in BUILT_IN_GROUPS else group


def is_built_in(kind: str, api_version: str) -> bool:
    """Whether an object is of one of Kubernetes' own kinds; without `apiVersion`, by its name."""
    if not api_version:
        return kind in BUILT_IN_KINDS
    return not group_of(api_version)


def qualified_kind(kind: str, group: str) -> str:
    """`Kafka.kafka.strimzi.io`, as kubectl takes it; the kind alone where it has no group."""
    return f"{kind}.{group}" if group else kind


def written_kind(kind: str, group: str) -> str:
    """The kind in one word: with its group where it alone would read as Kubernetes' own."""
    return qualified_kind(kind, group if kind in BUILT_IN_KINDS else "")


def split_kind(text: str) -> tuple[str, str]:
    """The kind and group of what `qualified_kind` wrote: a kind itself has no dots."""
    kind, _, group = text.partition(".")
    return kind, group

"""Which API server this is, and what the account may do there.

Access reviews are questions: nothing here changes the cluster.
"""

from collections.abc import Iterable
from functools import partial

from msgspec import Struct

from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.api.waiting import side_by_side
from otterize_pcap.counted import counted
from otterize_pcap.errors import ClusterError

REVIEW_PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
REVIEWERS = 12


class Permission(Struct, frozen=True):
    """One verb on one resource; namespace "" is all namespaces."""

    verb: str
    group: str
    resource: str
    namespace: str
    required: bool
    loss: str = ""

    def rule(self) -> str:
        """The RBAC rule that grants it, on one line."""
        scope = f"a Role in {self.namespace}" if self.namespace else "a ClusterRole"
        return (
            f"{self.verb} {self.resource}: {scope} with "
            f'{{apiGroups: ["{self.group}"], resources: ["{self.resource}"], '
            f'verbs: ["{self.verb}"]}}'
        )


def server_version(cluster: Cluster) -> str:
    """The API server's version.

    Raises:
        ClusterError: It cannot be reached or is no API server.
    """
    version = cluster.get("/version").get("gitVersion")
    if not isinstance(version, str):
        message = f"{cluster.host} does not state a Kubernetes version; is it an API server?"
        raise ClusterError(message)
    return version


def missing_permissions(cluster: Cluster, wanted: list[Permission]) -> list[Permission]:
    """Those of `wanted` that the account does not have.

    Raises:
        ClusterError: The API server does not answer reviews.
    """
    asked = (partial(is_allowed, cluster, permission) for permission in wanted)
    allowed = side_by_side(asked, REVIEWERS)
    return [permission for permission, yes in zip(wanted, allowed, strict=True) if not yes]


def is_allowed(cluster: Cluster, permission: Permission) -> bool:
    """Ask one SelfSubjectAccessReview."""
    resource, _, subresource = permission.resource.partition("/")
    attributes = {
        "verb": permission.verb,
        "group": permission.group,
        "resource": resource,
        "namespace": permission.namespace,
    }
    if subresource:
        attributes["subresource"] = subresource
    review = cluster.post(
        REVIEW_PATH,
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        },
    )
    status = review.get("status")
    return isinstance(status, dict) and bool(status.get("allowed"))


def require_permissions(missing: Iterable[Permission]) -> list[str]:
    """Notices for what is merely helpful.

    Raises:
        ClusterError: Something required is missing; all of it is named.
    """
    missing = list(missing)
    required = [permission.rule() for permission in missing if permission.required]
    if required:
        message = (
            f"{counted(len(required), 'permission is', 'permissions are')} missing "
            "(docs/rbac.yaml has them all): " + "; ".join(required)
        )
        raise ClusterError(message)
    return [f"{permission.loss} ({permission.rule()})" for permission in missing]

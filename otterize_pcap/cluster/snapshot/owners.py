"""Owners of kinds that are not watched: custom resources such as an Argo Rollout (rule S2).

Each is looked up once, and only where an access review says that it may be: no call is made that
the account has no permission for. What cannot be read degrades to its name (rule S3).
"""

import re

from msgspec.structs import replace

from otterize_pcap.api_groups import is_built_in
from otterize_pcap.cluster.api.access import Permission, is_allowed
from otterize_pcap.cluster.api.client import Cluster, Json
from otterize_pcap.cluster.api.refusals import ApiRefusedError, ApiUnreachableError
from otterize_pcap.cluster.snapshot.kept_objects import kept_object
from otterize_pcap.cluster.snapshot.permissions import loss_of
from otterize_pcap.cluster.snapshot.watch import SnapshotWatch
from otterize_pcap.snapshot.kinds import KINDS

WATCHED = frozenset(kind.kind for kind in KINDS)
# Of the watched kinds, those that make no pods: nobody asks who owns them.
NOT_OWNED = frozenset({"EndpointSlice", "Namespace", "NetworkPolicy", "Node", "Service"})
DEPTH = 5
SAFE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.:]*[A-Za-z0-9])?\Z")


def add_custom_owners(cluster: Cluster, snapshot: SnapshotWatch) -> list[str]:
    """Add the unwatched owners of a snapshot's objects, and theirs, as far as readable.

    Returns what the account lacks for more: a line for each kind.
    """
    reader = _Reader(cluster)
    for _ in range(DEPTH):
        known = {found["metadata"]["uid"] for found in snapshot.objects()}
        wanted = {
            (owner["apiVersion"], owner["kind"], namespace, owner["name"])
            for owner, namespace in _owners(snapshot.objects())
            if owner.get("uid") not in known and not _is_watched(owner)
        }
        try:
            found = [reader.read(owner) for owner in sorted(wanted)]
        except ApiUnreachableError as error:
            return [*sorted(reader.lacking), f"owners of other kinds: {error}"]
        fresh = [owner for owner in found if owner is not None]
        for owner in fresh:
            snapshot.add_owner(owner)
        if not fresh:
            break
    return sorted(reader.lacking)


def _is_watched(found: Json) -> bool:
    """Whether an object, or who a reference means, is watched; not a Service of Knative (S7)."""
    return found["kind"] in WATCHED and is_built_in(found["kind"], found["apiVersion"])


def _owners(objects: list[Json]) -> list[tuple[Json, str]]:
    return [
        (owner, found["metadata"].get("namespace", ""))
        for found in objects
        if found["kind"] not in NOT_OWNED or not _is_watched(found)
        for owner in found["metadata"].get("ownerReferences") or ()
    ]


class _Reader:
    """Reads owners, and remembers plurals and what it may not read."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._plurals: dict[tuple[str, str], str | None] = {}
        self.lacking: set[str] = set()

    def read(self, owner: tuple[str, str, str, str]) -> Json | None:
        """One owner; None where it cannot be read."""
        api_version, kind, namespace, name = owner
        if not all(SAFE.match(part) for part in (*api_version.split("/"), namespace, name)):
            return None
        try:
            if (api_version, kind) not in self._plurals:
                self._plurals[api_version, kind] = _plural(self._cluster, api_version, kind)
            plural = self._plurals[api_version, kind]
            if plural is None:
                return None
            group = api_version.rpartition("/")[0]
            permission = Permission("get", group, plural, namespace, required=False)
            if not is_allowed(self._cluster, permission):
                rule = replace(permission, namespace="").rule()
                self.lacking.add(f"{loss_of(plural)} ({rule})")
                return None
            root = "/apis" if group else "/api"
            path = f"{root}/{api_version}/namespaces/{namespace}/{plural}/{name}"
            return kept_object(kind, api_version, self._cluster.named(path))
        except ApiRefusedError:
            return None


def _plural(cluster: Cluster, api_version: str, kind: str) -> str | None:
    """The kind's name in paths, from discovery."""
    root = "/apis" if "/" in api_version else "/api"
    resources = cluster.get(f"{root}/{api_version}").get("resources") or ()
    return next(
        (
            str(resource["name"])
            for resource in resources
            if resource.get("kind") == kind and "/" not in resource["name"]
        ),
        None,
    )

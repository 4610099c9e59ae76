"""The objects of a fake cluster and all that became of them."""

import copy
import threading
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
KINDS = {
    "pods": ("Pod", "v1", True),
    "services": ("Service", "v1", True),
    "endpointslices": ("EndpointSlice", "discovery.k8s.io/v1", True),
    "nodes": ("Node", "v1", False),
    "namespaces": ("Namespace", "v1", False),
    "events": ("Event", "v1", True),
    "replicasets": ("ReplicaSet", "apps/v1", True),
    "deployments": ("Deployment", "apps/v1", True),
    "statefulsets": ("StatefulSet", "apps/v1", True),
    "daemonsets": ("DaemonSet", "apps/v1", True),
    "jobs": ("Job", "batch/v1", True),
    "cronjobs": ("CronJob", "batch/v1", True),
    "networkpolicies": ("NetworkPolicy", "networking.k8s.io/v1", True),
    "rollouts": ("Rollout", "argoproj.io/v1alpha1", True),
    # The real plural is that of the core kind too; here each has one of its own.
    "kservices": ("Service", "serving.knative.dev/v1", True),
}


def now() -> str:
    """The API server's time, to the second, as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """Objects by kind, namespace and name, with the history that watches are told."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.history: list[tuple[int, str, str, Json]] = []
        self.version = 6000
        self.oldest = 0
        self.changed = threading.Condition()

    def add(self, plural: str, found: Json) -> Json:
        """Create an object, filling in what a server fills in."""
        kind, api_version, _ = KINDS[plural]
        named: Json = {"apiVersion": api_version, "kind": kind}
        found = named | copy.deepcopy(found)
        metadata = found["metadata"]
        with self.changed:
            if "name" not in metadata:
                metadata["name"] = f"{metadata['generateName']}{self.version:05d}"
            key = (plural, metadata.get("namespace", ""), metadata["name"])
            metadata.setdefault("uid", f"uid-{plural}-{metadata['name']}-{self.version}")
            metadata.setdefault("creationTimestamp", now())
            self._record("ADDED", key, found)
        return found

    def update(self, plural: str, namespace: str, name: str, **fields: object) -> None:
        """Replace top-level fields of an object, if it is still there."""
        with self.changed:
            key = (plural, namespace, name)
            if key in self.objects:
                self._record("MODIFIED", key, copy.deepcopy(self.objects[key]) | fields)

    def remove(self, plural: str, namespace: str, name: str) -> None:
        """Delete an object, if it is there."""
        with self.changed:
            found = self.objects.get((plural, namespace, name))
            if found is not None:
                self._record("DELETED", (plural, namespace, name), copy.deepcopy(found))

    def compact(self) -> None:
        """Forget the history: watches from older versions get 410."""
        with self.changed:
            self.oldest = self.version + 1
            self.history.clear()

    def _record(self, event: str, key: tuple[str, str, str], found: Json) -> None:
        self.version += 1
        found["metadata"]["resourceVersion"] = str(self.version)
        if event == "DELETED":
            del self.objects[key]
        else:
            self.objects[key] = found
        self.history.append((self.version, event, key[0], found))
        self.changed.notify_all()

    def listed(self, plural: str, namespace: str = "") -> list[Json]:
        """Objects of a kind."""
        with self.changed:
            return [
                found
                for (kind, where, _), found in sorted(self.objects.items())
                if kind == plural and (not namespace or where == namespace)
            ]

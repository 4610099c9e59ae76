"""Manifests against the API's schema: the Kubernetes client's models, made of its OpenAPI."""

from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

Manifest = dict[str, Any]

MODELS = {
    ("v1", "Namespace"): "V1Namespace",
    ("v1", "PersistentVolumeClaim"): "V1PersistentVolumeClaim",
    ("v1", "Service"): "V1Service",
    ("apps/v1", "Deployment"): "V1Deployment",
    ("batch/v1", "Job"): "V1Job",
    ("networking.k8s.io/v1", "NetworkPolicy"): "V1NetworkPolicy",
}


def manifests_in(path: Path) -> list[Manifest]:
    """The objects of one file."""
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def fits_schema(manifest: Manifest) -> bool:
    """Whether every field is one of its type's and has a value of its own type, none too few.

    A model drops fields that it does not know and turns values into the types that they should
    have, so that what it writes again is the manifest only where nothing was wrong.
    """
    api = client.ApiClient()
    model = MODELS[manifest["apiVersion"], manifest["kind"]]
    try:
        # The client reads a response's text; there is no public way to read a plain mapping.
        typed = api._ApiClient__deserialize(manifest, model)
    except (ValueError, AttributeError, TypeError):
        return False
    again: Manifest = api.sanitize_for_serialization(typed)
    return again == manifest and _same_types(again, manifest)


def _same_types(one: object, other: object) -> bool:
    """Python's `1 == True` and `2 == 2.0` are no equality of JSON values."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_same_types(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return all(map(_same_types, one, other))
    return type(one) is type(other)

"""ClientIntents as text: YAML documents, one JSON array, or a file a client.

The tutorial is the specification of the default form: its apiVersion, `calls` under `spec` in
YAML and under `spec.service` in JSON. Every other version is the same in YAML and JSON.
"""

import json
from typing import Any

from msgspec import Struct

from otterize_pcap.graph.service_graph import ServiceGraph
from otterize_pcap.intents.documents import Document, intents_documents, object_name
from otterize_pcap.intents.validation import validate_documents
from otterize_pcap.intents.versions import TUTORIAL, IntentsVersion
from otterize_pcap.render.yaml_text import render_documents

NO_CALLS = "# No connections found.\n"


class IntentsForm(Struct, frozen=True):
    """How ClientIntents are written; `ports` adds each server's ports as an annotation."""

    version: IntentsVersion = TUTORIAL
    ports: bool = False


TUTORIAL_FORM = IntentsForm()


def render_intents(graph: ServiceGraph, form: IntentsForm = TUTORIAL_FORM) -> str:
    """One YAML document a client, separated by `---`; a comment for a graph without calls.

    The comment tells an export without calls from one that failed and left an empty file.

    Raises:
        GraphFormatError: An operator of that version would refuse it.
    """
    return render_documents(_documents(graph, form)) or NO_CALLS


def render_intents_json(graph: ServiceGraph, form: IntentsForm = TUTORIAL_FORM) -> str:
    """One JSON array of ClientIntents, `[]` for a graph without calls.

    Raises:
        GraphFormatError: An operator of that version would refuse it.
    """
    return _json([_as_json(document, form) for document in _documents(graph, form)])


def render_files(graph: ServiceGraph, form: IntentsForm, *, as_json: bool) -> dict[str, str]:
    """A file a client by its name, `<workload>.<namespace>.yaml` or `.json`.

    Names are made of the documents' metadata, which holds no path separators.
    """
    files = {}
    for document in _documents(graph, form):
        metadata = document["metadata"]
        namespace = object_name(metadata["namespace"]) if "namespace" in metadata else "default"
        stem = f"{metadata['name']}.{namespace}"
        if as_json:
            files[f"{stem}.json"] = _json([_as_json(document, form)])
        else:
            files[f"{stem}.yaml"] = render_documents([document])
    return files


def _documents(graph: ServiceGraph, form: IntentsForm) -> list[Document]:
    documents = intents_documents(graph, form.version, ports=form.ports)
    if form.version.served:
        validate_documents(documents)
    return documents


def _json(value: list[Any]) -> str:
    return json.dumps(value, indent=3, ensure_ascii=False) + "\n"


def _as_json(document: Document, form: IntentsForm) -> Document:
    if form.version.served:
        return document
    service, calls = document["spec"]["service"], document["spec"]["calls"]
    return {
        "kind": document["kind"],
        "apiVersion": document["apiVersion"],
        "metadata": document["metadata"],
        "spec": {"service": {**service, "calls": calls}},
    }

"""ClientIntents documents → service graph: every form there has been.

The tutorial's (`spec.service` with `calls` beside or inside it), the operator's v1 versions (the
same, with `type`, `topics` or `kafkaTopics`, `resources` or `HTTPResources`) and its v2 versions
(`spec.workload` and `spec.targets`). Field names are those of the operator's
CustomResourceDefinition, group k8s.otterize.com.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from otterize_pcap.errors import GraphFormatError
from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import (
    ATTEMPTED,
    ESTABLISHED,
    LOOKUP,
    Call,
    Server,
    ServiceGraph,
    Use,
    Workload,
    declared_use,
)
from otterize_pcap.intents.declared_entries import target_call, v1_call
from otterize_pcap.intents.document_fields import (
    Document,
    entries_of,
    fields_of,
    kind_of,
    name_of,
    text_of,
)
from otterize_pcap.intents.documents import (
    KIND,
    PORTS_ANNOTATION,
    STATUS_ANNOTATION,
    written_name,
)
from otterize_pcap.intents.versions import READABLE, TUTORIAL, VERSIONS
from otterize_pcap.json_errors import BROKEN, json_reason
from otterize_pcap.yaml_documents import YamlError, load_documents

Shape = TypeVar("Shape")


def parse_intents(documents: Iterable[tuple[str, bytes]]) -> ServiceGraph:
    """Read the calls that documents (name, bytes) declare, YAML or JSON.

    Raises:
        GraphFormatError: A document is broken, or none of them is ClientIntents.
    """
    calls: dict[tuple[Workload, Server], Call] = {}
    for name, content in documents:
        for number, document in enumerate(intents_of(content, name), 1):
            for _, call in declared_calls(document, f"{name}: document {number}"):
                calls[call.client, call.server] = _together(
                    calls.get((call.client, call.server)), call
                )
    return ServiceGraph(tuple(sorted(calls.values(), key=call_order)))


def _together(known: Call | None, call: Call) -> Call:
    if known is None:
        return call
    uses = {(use.protocol, use.port): use for use in (*known.uses, *call.uses)}
    status = known.status if known.status == call.status else ESTABLISHED
    details = tuple(sorted({*known.details, *call.details}))
    return Call(call.client, call.server, status, tuple(uses[key] for key in sorted(uses)), details)


def intents_of(content: bytes, name: str) -> Iterator[Document]:
    """All ClientIntents of one file, out of lists, arrays and multi-document YAML.

    Raises:
        GraphFormatError: The file is broken, or has documents and none of them is ClientIntents.
    """
    found = documents_of(content, name)
    require_intents(found, name)
    yield from (document for document in found if document.get("kind") == KIND)


def documents_of(content: bytes, name: str) -> list[Document]:
    """All objects of one file, whatever their kinds, out of lists, arrays and streams.

    Raises:
        GraphFormatError: The file is empty or broken.
    """
    if not content.strip():
        message = f"{name}: empty; write it again with `otterize intents export`"
        raise GraphFormatError(message)
    return list(_flatten(_parse(content, name)))


def require_intents(found: Sequence[Document], name: str) -> None:
    """Refuse a file of which no object is ClientIntents; one without objects declares nothing.

    Raises:
        GraphFormatError: It has objects of other kinds alone.
    """
    if not found or any(document.get("kind") == KIND for document in found):
        return
    kinds = ", ".join(sorted({str(document.get("kind", "no kind")) for document in found}))
    message = (
        f"{name}: no ClientIntents (found {kinds}); expected what `otterize intents export` writes"
    )
    raise GraphFormatError(message)


def _parse(content: bytes, name: str) -> list[Any]:
    if content.lstrip()[:1] in (b"{", b"["):
        try:
            return [msgspec.json.decode(content)]
        except BROKEN as error:
            reason = json_reason(content, Any)
            message = f"{name}: broken JSON ({reason}); write it again"
            raise GraphFormatError(message) from error
    try:
        return list(load_documents(content))
    except YamlError as error:
        message = f"{name}: neither JSON nor YAML ({error}); write it again"
        raise GraphFormatError(message) from error


def _flatten(parts: Iterable[Any]) -> Iterator[Document]:
    for part in parts:
        if part is None:
            continue
        if isinstance(part, list):
            yield from _flatten(part)
        elif not isinstance(part, dict):
            yield {"kind": f"a {type(part).__name__}"}
        elif str(part.get("kind", "")).endswith("List") and isinstance(part.get("items"), list):
            yield from _flatten(part["items"])
        else:
            yield part


def declared_calls(document: Document, where: str) -> Iterator[tuple[int, Call]]:
    """The calls of one ClientIntents document, each with the place of its entry in the list.

    Raises:
        GraphFormatError: A field is not what its version has there.
    """
    api_version = document.get("apiVersion")
    if not isinstance(api_version, str) or api_version not in READABLE:
        message = (
            f"{where}: apiVersion {api_version!r} is unknown; upgrade otterize-pcap if it is new, "
            f"else use {max(VERSIONS)}"
        )
        raise GraphFormatError(message)
    metadata = fields_of(document.get("metadata", {}), f"{where}: metadata")
    annotations = fields_of(metadata.get("annotations") or {}, f"{where}: metadata.annotations")
    statuses = _annotation(annotations, STATUS_ANNOTATION, dict[str, str], where)
    ports = _annotation(annotations, PORTS_ANNOTATION, dict[str, list[str]], where)
    for entry, call in _entries(document, where):
        name = written_name(call, VERSIONS.get(api_version, TUTORIAL))
        status = statuses.get(name, call.status)
        uses = tuple(_declared_port(port, where) for port in ports.get(name, ()))
        if status not in (ESTABLISHED, ATTEMPTED, LOOKUP):
            message = f"{where}: {STATUS_ANNOTATION}: status {status!r} of {name} is unknown"
            raise GraphFormatError(message)
        uses = tuple(sorted(uses, key=_port_order)) or call.uses
        yield entry, replace(call, status=status, uses=uses)


def _port_order(use: Use) -> tuple[str, int]:
    return use.protocol, use.port


def _annotation(annotations: Document, key: str, shape: type[Shape], where: str) -> Shape:
    """An annotation that we wrote, as JSON; empty where it is absent."""
    text = text_of(annotations.get(key, "{}"), f"{where}: {key}")
    try:
        return msgspec.json.decode(text, type=shape)
    except BROKEN as error:
        reason = json_reason(text.encode(), shape)
        message = f"{where}: {key}: {reason}; remove the annotation"
        raise GraphFormatError(message) from error


def _declared_port(text: str, where: str) -> Use:
    protocol, slash, port = text.partition("/")
    if not slash or not (port.isascii() and port.isdigit()):
        message = f"{where}: {PORTS_ANNOTATION}: {text!r} is no PROTOCOL/PORT"
        raise GraphFormatError(message)
    return declared_use(protocol, int(port))


def declaring_client(document: Document, where: str) -> Workload:
    """The client whose calls a ClientIntents document declares.

    Raises:
        GraphFormatError: It has none.
    """
    metadata = fields_of(document.get("metadata", {}), f"{where}: metadata")
    spec = fields_of(document.get("spec"), f"{where}: spec")
    field = "workload" if "workload" in spec else "service"
    identity = fields_of(spec.get(field), f"{where}: spec.{field}")
    kind, group = kind_of(identity, f"{where}: spec.{field}")
    return Workload(
        name_of(identity, f"{where}: spec.{field}"),
        text_of(metadata.get("namespace", ""), f"{where}: metadata.namespace"),
        kind,
        group=group,
    )


def _entries(document: Document, where: str) -> Iterator[tuple[int, Call]]:
    client = declaring_client(document, where)
    spec = document["spec"]
    if "workload" in spec:
        field, entries, calls_of = "targets", spec.get("targets"), target_call
    else:
        field, entries, calls_of = (
            "calls",
            spec.get("calls", spec["service"].get("calls")),
            v1_call,
        )
    for index, entry in enumerate(entries_of(entries, f"{where}: spec.{field}")):
        at = f"{where}: spec.{field}[{index}]"
        for call in calls_of(client, fields_of(entry, at), at):
            yield index, call

"""One entry of a ClientIntents document → the calls that it declares, in v1 and in v2."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from otterize_pcap.errors import GraphFormatError
from otterize_pcap.graph.service_graph import (
    SERVICE,
    Call,
    External,
    Workload,
    declared_use,
)
from otterize_pcap.intents.document_fields import (
    Document,
    entries_of,
    fields_of,
    kind_of,
    name_of,
    text_of,
)
from otterize_pcap.intents.documents import SERVICE_PREFIX

V1_DETAILS = ("topics", "kafkaTopics", "resources", "HTTPResources", "databaseResources")
CLOUD = ("sql", "aws", "gcp", "azure")
# What v1 called a database is the sql target of v2.
V1_CLOUD = {"database": "sql", "aws": "aws", "gcp": "gcp", "azure": "azure"}


def v1_call(client: Workload, entry: Document, where: str) -> Iterator[Call]:
    """What one entry of `calls` declares: names, and details by the server's type.

    Raises:
        GraphFormatError: A field is not what v1 has there.
    """
    kind = text_of(entry.get("type", ""), f"{where}: type")
    if kind == "internet":
        yield from _internet(client, fields_of(entry.get("internet"), where), where)
        return
    details = [f"type {kind}"] if kind and kind != "http" else []
    for field in V1_DETAILS:
        details += _resources(entry.get(field), f"{where}: {field}")
    name = name_of(entry, where)
    if kind in V1_CLOUD:
        details.remove(f"type {kind}")
        server = External(f"{V1_CLOUD[kind]}:{name}")
        yield Call(client, server, details=tuple(sorted(details)))
        return
    workload = _server(name, client, kind_of(entry, where))
    if "namespace" in entry:
        workload = replace(workload, namespace=text_of(entry["namespace"], f"{where}.namespace"))
    yield Call(client, workload, details=tuple(sorted(details)))


def target_call(client: Workload, entry: Document, where: str) -> Iterator[Call]:
    """What one entry of `targets` declares; its only field says what kind of server it is.

    Raises:
        GraphFormatError: A field is not what v2 has there.
    """
    if len(entry) != 1:
        message = f"{where}: expected exactly one of kubernetes, service, kafka, internet, ..."
        raise GraphFormatError(message)
    field, value = next(iter(entry.items()))
    at = f"{where}.{field}"
    value = fields_of(value, at)
    if field == "internet":
        yield from _internet(client, value, at)
    elif field in CLOUD:
        name = value.get("name") or value.get("arn") or value.get("resource") or value.get("scope")
        yield Call(client, External(f"{field}:{name}"))
    elif field in ("kubernetes", "service", "kafka"):
        kind = (SERVICE, "") if field == "service" else kind_of(value, at)
        details = ["type kafka"] if field == "kafka" else []
        details += _resources(value.get("http"), f"{at}.http")
        details += _resources(value.get("topics"), f"{at}.topics")
        yield Call(
            client, _server(name_of(value, at), client, kind), details=tuple(sorted(details))
        )
    else:
        message = f"{at}: unknown kind of target; upgrade otterize-pcap if it is new"
        raise GraphFormatError(message)


def _internet(client: Workload, value: Document, where: str) -> Iterator[Call]:
    ports = tuple(declared_use("", port) for port in _ports(value.get("ports", []), where))
    domains, ips = (
        entries_of(value.get("domains", []), where),
        entries_of(value.get("ips", []), where),
    )
    if not domains and not ips:
        message = f"{where}: internet needs domains or ips"
        raise GraphFormatError(message)
    for domain in domains:
        yield Call(client, External(text_of(domain, where)), uses=ports)
    for address in ips:
        yield Call(client, External(text_of(address, where), is_address=True), uses=ports)


def _ports(value: Any, where: str) -> list[int]:  # noqa: ANN401 - any YAML
    ports = entries_of(value, f"{where}.ports")
    if not all(type(port) is int for port in ports):
        message = f"{where}.ports: {ports!r} are no port numbers"
        raise GraphFormatError(message)
    return sorted(set(ports))


def _server(name: str, client: Workload, kinds: tuple[str, str]) -> Workload:
    """`name` or `name.namespace`; what follows the last dot is the namespace."""
    if name.startswith(SERVICE_PREFIX):
        name, kinds = name.removeprefix(SERVICE_PREFIX), (SERVICE, "")
    kind, group = kinds
    bare, dot, namespace = name.rpartition(".")
    if not dot:
        bare, namespace = name, client.namespace
    return Workload(bare, namespace, kind, group=group)


def _resources(value: Any, where: str) -> list[str]:  # noqa: ANN401 - any YAML
    """Kafka topics, HTTP or database resources, each as one comparable line."""
    if value is None:
        return []
    lines = []
    for entry in entries_of(value, where):
        mapping = fields_of(entry, where)
        parts = []
        for key in sorted(mapping):
            content = mapping[key]
            text = " ".join(sorted(map(str, content))) if isinstance(content, list) else content
            parts.append(f"{key} {text}")
        lines.append(", ".join(parts))
    return lines

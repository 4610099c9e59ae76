"""ClientIntents documents → what an operator's webhook would refuse.

The CustomResourceDefinition fixes the fields; these are the rules beyond it that the webhooks of
otterize/intents-operator apply when an object is admitted: one object a client and kind in a
namespace, no dot in a client's name, kinds that start with a capital letter, exactly one field a
target, and an internet target with domains or addresses.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from otterize_pcap.errors import GraphFormatError

Document = Mapping[str, Any]


def validate_documents(documents: Iterable[Document]) -> None:
    """Refuse what an operator would refuse.

    Raises:
        GraphFormatError: With the first thing that a webhook would not admit.
    """
    seen: dict[tuple[str, str, str], str] = {}
    for document in documents:
        metadata, spec = document["metadata"], document["spec"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        client = spec.get("workload") or spec["service"]
        where = f"client {client['name']} in namespace {namespace or 'default'}"
        for problem in _problems(client, spec.get("targets", spec.get("calls", ()))):
            message = f"{where}: {problem}"
            raise GraphFormatError(message)
        key = (namespace, client["name"], client.get("kind", ""))
        if key in seen:
            message = f"{where}: declared by both {seen[key]} and {name}; an operator accepts one"
            raise GraphFormatError(message)
        seen[key] = name


def _problems(client: Document, entries: Iterable[Document]) -> Iterator[str]:
    if "." in client["name"]:
        yield (
            "operators accept no dot in a name; set the pod annotation "
            "intents.otterize.com/workload-name, or export without --api-version"
        )
    yield from _kind_problems(client)
    for entry in entries:
        if "name" in entry or "type" in entry:
            yield from _kind_problems(entry)
            yield from _internet_problems(entry) if entry.get("type") == "internet" else ()
            continue
        if len(entry) != 1:
            yield f"a target needs exactly one field, found {', '.join(sorted(entry)) or 'none'}"
        for value in entry.values():
            yield from _kind_problems(value)
        yield from _internet_problems(entry)


def _kind_problems(value: Document) -> Iterator[str]:
    kind = value.get("kind", "")
    if kind and not kind[0].isupper():
        yield f"kind {kind!r} of {value.get('name')} does not start with a capital letter"


def _internet_problems(entry: Document) -> Iterator[str]:
    internet = entry.get("internet")
    if internet is not None and not (internet.get("domains") or internet.get("ips")):
        yield "an internet target needs domains or ips"

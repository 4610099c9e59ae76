"""Where documents declare what they declare: file and line of each client and each call."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from otterize_pcap.graph.service_graph import Call, Server, Workload, could_be
from otterize_pcap.intents.documents import KIND
from otterize_pcap.intents.read_intents import declared_calls, declaring_client, intents_of
from otterize_pcap.yaml_documents import YamlError, child_node, located_objects

LISTS = (("targets",), ("calls",), ("service", "calls"))


class Place(Struct, frozen=True):
    """A line of a file, counted from 1."""

    file: str
    line: int


class DeclaredPlace(Struct, frozen=True):
    """Where a client's document begins or, with a `server`, where a call of it is declared."""

    place: Place
    client: Workload
    server: Server | None = None


class Places(Struct, frozen=True):
    """All places of some documents; `file` is shown where none of them speaks of a client."""

    file: str | None = None
    declared: tuple[DeclaredPlace, ...] = ()

    def of(self, call: Call) -> Place | None:
        """Where a call is declared, else its client's document, else the first line of `file`."""
        own = [entry for entry in self.declared if could_be(entry.client, call.client)]
        for entry in own:
            if entry.server is not None and _means(entry.server, call.server):
                return entry.place
        if own:
            return own[0].place
        return None if self.file is None else Place(self.file, 1)


def declared_places(documents: Iterable[tuple[str, bytes]]) -> Iterator[DeclaredPlace]:
    """The places of all ClientIntents in some files (path, content).

    Raises:
        GraphFormatError: A document is broken.
    """
    for file, content in documents:
        intents = list(intents_of(content, file))
        nodes = list(_intents_nodes(content))
        # Both in the order of the file. No line is better than a wrong one.
        if len(nodes) != len(intents):
            continue
        for number, (document, node) in enumerate(zip(intents, nodes, strict=True), 1):
            where = f"{file}: document {number}"
            client, entries = declaring_client(document, where), _entry_nodes(node)
            yield DeclaredPlace(Place(file, _line(node)), client)
            for entry, call in declared_calls(document, where):
                at = entries[entry] if entry < len(entries) else node
                place = Place(file, _line(at))
                yield DeclaredPlace(place, client, call.server)


def _means(declared: Server, party: Server) -> bool:
    if isinstance(declared, Workload) and isinstance(party, Workload):
        return could_be(declared, party)
    return declared == party


def _intents_nodes(content: bytes) -> Iterator[Any]:
    """The ClientIntents nodes of a file, as `read_intents` finds their values."""
    try:
        for found in located_objects(content):
            if found.fields.get("kind") == KIND:
                yield found.node
    except YamlError:
        # JSON that is no YAML, such as with tabs: it has been read, and only lines are lost.
        return


def _entry_nodes(document: Any) -> list[Any]:  # noqa: ANN401
    """The nodes of a document's targets or calls."""
    spec = child_node(document, "spec")
    for path in LISTS:
        node = spec
        for key in path:
            node = child_node(node, key)
        if node is not None and node.id == "sequence":
            return list(node.value)
    return []


def _line(node: Any) -> int:  # noqa: ANN401
    return int(node.start_mark.line) + 1

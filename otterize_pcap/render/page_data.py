"""Picture and where it comes from → the JSON that page/ draws.

Thousands of calls stay small: entries are arrays in the order that page/calls.js reads, files are
numbered, and times are nanoseconds since the first of them, as texts, since they do not fit the
numbers of JavaScript.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from otterize_pcap.connections.rule import Rule
from otterize_pcap.graph.naming import printable
from otterize_pcap.graph.service_graph import Use
from otterize_pcap.render.page_origin import Origin, origin_entry
from otterize_pcap.render.picture import Edge, Node, Picture
from otterize_pcap.version import __version__

# Characters that could end a block of HTML, or a line of a script.
ESCAPED = "<>&\u2028\u2029"


def page_json(picture: Picture, origins: Sequence[Origin]) -> str:
    """The data of a page, safe within a `<script>` element."""
    uses = [use for edge in picture.edges for use in edge.call.uses]
    start = min(_times(uses), default=0)
    files = _numbered(use.evidence.file for use in uses if use.evidence is not None)
    value = {
        "tool": f"otterize-pcap {__version__}",
        "start": str(start),
        "origins": [origin_entry(origin) for origin in origins],
        "rules": {rule.value: [rule.text, rule.weak] for rule in Rule},
        "files": [printable(file) for file in files],
        "nodes": [_node(node) for node in picture.nodes],
        "edges": [_edge(edge, start, files) for edge in picture.edges],
    }
    text = msgspec.json.encode(value).decode()
    for character in ESCAPED:
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _times(uses: Iterable[Use]) -> Iterator[int]:
    for use in uses:
        if use.connections:
            yield use.first_ns
        if use.evidence is not None:
            yield use.evidence.time_ns


def _numbered(texts: Iterable[str]) -> dict[str, int]:
    return {text: index for index, text in enumerate(dict.fromkeys(texts))}


def _node(node: Node) -> list[Any]:
    place = "outside" if node.is_external else "cluster"
    return [node.label, node.name, node.namespace, node.kind, node.pod_label, place]


def _edge(edge: Edge, start: int, files: dict[str, int]) -> list[Any]:
    uses = [_use(use, start, files) for use in edge.call.uses]
    details = list(map(printable, edge.call.details))
    return [
        *(edge.client, edge.server, edge.call.status, uses),
        *(edge.mark, printable(edge.remark), details),
    ]


def _use(use: Use, start: int, files: dict[str, int]) -> list[Any]:
    if not use.connections:
        return [use.protocol, use.port]
    established = use.outcomes == (("established", use.connections),)
    one_rule = len(use.rules) == 1 and use.rules[0][1] == use.connections
    return [
        *(use.protocol, use.port, use.connections, *use.packets, *use.bytes),
        *(str(use.first_ns - start), str(use.last_ns - start)),
        None if established else dict(use.outcomes),
        use.rules[0][0] if one_rule else dict(use.rules),
        list(map(printable, use.services)),
        _evidence(use, start, files, one_rule=one_rule),
    ]


def _evidence(use: Use, start: int, files: dict[str, int], *, one_rule: bool) -> list[Any] | None:
    """File and packet; time and rule too where they are not those of the whole use."""
    evidence = use.evidence
    if evidence is None:
        return None
    place = [files[evidence.file], evidence.packet]
    if one_rule and evidence.time_ns == use.first_ns and evidence.rule == use.rules[0][0]:
        return place
    return [*place, str(evidence.time_ns - start), evidence.rule]

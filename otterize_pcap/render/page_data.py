"""Picture and where it comes from → the JSON that page/ draws.

Thousands of calls stay small: entries are arrays in the order that page/calls.js reads, files are
numbered, and times are nanoseconds since the first of them, as texts, since they do not fit the
numbers of JavaScript.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from otterize_pcap.connections.rule import Rule
from otterize_pcap.graph.naming import printable
from otterize_pcap.graph.service_graph import Use
from otterize_pcap.render.page_labels import LabelColumn, label_columns, label_entries
from otterize_pcap.render.page_origin import Origin, origin_entry
from otterize_pcap.render.picture import Edge, Node, Picture
from otterize_pcap.version import __version__

# Characters that could end a block of HTML, or a line of a script.
ESCAPED = "<>&\u2028\u2029"
# So many pods of a port are named; of the others it is told how many they are.
MOST_PODS = 5
NO_PODS = -1
BY_DEFAULT = "namespace"
WORDS = frozenset((BY_DEFAULT, "kind", "none"))
"""What a page groups by that is no label."""
Value = TypeVar("Value", bound=Hashable)


class _Numbers(Struct, frozen=True):
    """What is told once: the first moment (ns), and the places of files and of lists of pods."""

    start: int
    files: dict[str, int]
    pods: dict[tuple[str, ...], int]


def page_json(picture: Picture, origins: Sequence[Origin], group_by: str = "") -> str:
    """The data of a page, safe within a `<script>` element; for `group_by` see `html`."""
    uses = [use for edge in picture.edges for use in edge.call.uses]
    start = min(_times(uses), default=0)
    files = _numbered(use.evidence.file for use in uses if use.evidence is not None)
    pods = _numbered(pods for use in uses for pods in (use.client_pods, use.server_pods) if pods)
    known = _Numbers(start, files, pods)
    key = "" if group_by in WORDS else group_by
    columns = label_columns(picture, origins, key)
    value = {
        "tool": f"otterize-pcap {__version__}",
        "start": str(start),
        "origins": [origin_entry(origin) for origin in origins],
        "rules": {rule.value: [rule.text, rule.weak] for rule in Rule},
        "files": [printable(file) for file in files],
        "pods": [[list(map(printable, some[:MOST_PODS])), len(some)] for some in pods],
        "labels": label_entries(columns),
        "by": _opening(group_by, key, columns),
        "nodes": [_node(node) for node in picture.nodes],
        "edges": [_edge(edge, known) for edge in picture.edges],
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


def _numbered(values: Iterable[Value]) -> dict[Value, int]:
    return {value: index for index, value in enumerate(dict.fromkeys(values))}


def _opening(group_by: str, key: str, columns: Sequence[LabelColumn]) -> str:
    """The grouping on which the page opens, by its name in page/grouping.js."""
    if key:
        return f"label:{printable(key)}" if any(each.key == key for each in columns) else BY_DEFAULT
    return group_by or BY_DEFAULT


def _node(node: Node) -> list[Any]:
    place = "outside" if node.is_external else "cluster"
    return [node.label, node.name, node.namespace, node.kind, node.pod_label, place]


def _edge(edge: Edge, known: _Numbers) -> list[Any]:
    uses = [_use(use, known) for use in edge.call.uses]
    details = list(map(printable, edge.call.details))
    return [
        *(edge.client, edge.server, edge.call.status, uses),
        *(edge.mark, printable(edge.remark), details),
    ]


def _use(use: Use, known: _Numbers) -> list[Any]:
    if not use.connections:
        return [use.protocol, use.port]
    established = use.outcomes == (("established", use.connections),)
    one_rule = len(use.rules) == 1 and use.rules[0][1] == use.connections
    return [
        *(use.protocol, use.port, use.connections, *use.packets, *use.bytes),
        *(str(use.first_ns - known.start), str(use.last_ns - known.start)),
        None if established else dict(use.outcomes),
        use.rules[0][0] if one_rule else dict(use.rules),
        list(map(printable, use.services)),
        _evidence(use, known, one_rule=one_rule),
        *(known.pods.get(some, NO_PODS) for some in (use.client_pods, use.server_pods)),
    ]


def _evidence(use: Use, known: _Numbers, *, one_rule: bool) -> list[Any] | None:
    """File and packet; time and rule too where they are not those of the whole use."""
    evidence = use.evidence
    if evidence is None:
        return None
    place = [known.files[evidence.file], evidence.packet]
    if one_rule and evidence.time_ns == use.first_ns and evidence.rule == use.rules[0][0]:
        return place
    return [*place, str(evidence.time_ns - known.start), evidence.rule]

"""Labels by which a page can group its workloads: those that put some of them together.

Compact, since a page holds thousands of calls: a column for each key, its values numbered.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from otterize_pcap.graph.naming import printable
from otterize_pcap.render.page_origin import Origin
from otterize_pcap.render.picture import Node, Picture

MOST_KEYS = 12
SEVERAL = 2
NONE = -1


class LabelColumn(Struct, frozen=True):
    """The values of one label, None where a node has none."""

    key: str
    values: tuple[str | None, ...]

    @property
    def counts(self) -> Counter[str]:
        """How many nodes have each value."""
        return Counter(value for value in self.values if value is not None)

    @property
    def groups(self) -> bool:
        """Whether it puts some nodes together, and not all."""
        return max(self.counts.values()) >= SEVERAL and len(set(self.values)) >= SEVERAL


def label_columns(
    picture: Picture, origins: Sequence[Origin], wanted: str = ""
) -> list[LabelColumn]:
    """The labels that group a picture's nodes, those that most nodes have first.

    Args:
        picture: What the page shows.
        origins: The graphs that it shows; the last that knows a workload says its labels.
        wanted: A key to have in any case, if a node has it.
    """
    known = {
        (printable(one.name), printable(one.namespace), printable(one.written_kind)): dict(labels)
        for origin in origins
        for one, labels in origin.graph.labels
    }
    of_nodes = [{} if node.is_external else known.get(_names(node), {}) for node in picture.nodes]
    columns = [
        LabelColumn(
            key,
            tuple(printable(", ".join(of[key])) if key in of else None for of in of_nodes),
        )
        for key in sorted({key for of in of_nodes for key in of})
    ]
    fitting = sorted(
        (column for column in columns if column.groups and column.key != wanted),
        key=lambda column: (-column.counts.total(), len(column.counts), column.key),
    )
    return [*(column for column in columns if column.key == wanted), *fitting][:MOST_KEYS]


def label_entries(columns: Sequence[LabelColumn]) -> list[list[Any]]:
    """The columns as the page reads them: key, values, and the place of each node's value."""
    return [_entry(column) for column in columns]


def _entry(column: LabelColumn) -> list[Any]:
    places = {value: place for place, value in enumerate(sorted(column.counts))}
    numbers = [NONE if value is None else places[value] for value in column.values]
    return [printable(column.key), [*places], numbers]


def _names(node: Node) -> tuple[str, str, str]:
    return node.name, node.namespace, node.kind

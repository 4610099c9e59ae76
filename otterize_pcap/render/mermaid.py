"""Picture → Mermaid's flowchart, which GitHub and GitLab draw inside Markdown.

Mermaid refuses a text of more than 50,000 characters or 500 edges, so this does too.
"""

import re
from collections.abc import Iterator

from otterize_pcap.counted import counted
from otterize_pcap.errors import UsageError
from otterize_pcap.render.picture import ADDED, CHANGED, NOT_SEEN, REMOVED, Picture

MAX_LENGTH = 50_000
MAX_EDGES = 500
STYLES = {
    ADDED: "stroke:#1a7f37,stroke-width:3px",
    REMOVED: "stroke:#cf222e,stroke-dasharray:6 4",
    CHANGED: "stroke:#9a6700,stroke-width:3px",
    NOT_SEEN: "stroke:#6e7781,stroke-dasharray:2 4",
}


def render_mermaid(picture: Picture) -> str:
    """A flowchart from left to right with a subgraph for each namespace.

    Raises:
        UsageError: Mermaid would refuse to draw that much.
    """
    text = "\n".join(_lines(picture)) + "\n"
    if len(picture.edges) > MAX_EDGES or len(text) > MAX_LENGTH:
        message = (
            f"{counted(len(picture.edges), 'call is', 'calls are')} too many for Mermaid "
            f"({MAX_EDGES} edges, {MAX_LENGTH} characters); keep a namespace with -n, or use "
            "--format html or svg"
        )
        raise UsageError(message)
    return text


def _lines(picture: Picture) -> Iterator[str]:
    yield "flowchart LR"
    for number, namespace in enumerate(picture.namespaces):
        yield f'  subgraph s{number}["{_escaped(namespace)}"]'
        for index, node in enumerate(picture.nodes):
            if node.namespace == namespace and not node.is_external:
                yield f'    n{index}["{_escaped(node.label)}"]'
        yield "  end"
    for index, node in enumerate(picture.nodes):
        if node.is_external:
            yield f'  n{index}(["{_escaped(node.label)}"])'
    for edge in picture.edges:
        yield f"  n{edge.client} --> n{edge.server}"
    for mark, style in STYLES.items():
        marked = [str(number) for number, edge in enumerate(picture.edges) if edge.mark == mark]
        if marked:
            yield f"  linkStyle {','.join(marked)} {style}"


def _escaped(text: str) -> str:
    """Everything but plain characters as the character references that Mermaid knows."""
    return re.sub(r"[^A-Za-z0-9 ._-]", lambda match: f"#{ord(match.group())};", text)

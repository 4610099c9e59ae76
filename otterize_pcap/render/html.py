"""Picture → one HTML page with everything in it: no network, works from a file.

The Content-Security-Policy allows nothing but the page's own two scripts and its style sheet, by
their hashes. The calls are JSON in a block that is no script; in it every character that could end
the block is escaped. page/ holds the parts, and Cytoscape.js (MIT) as npm publishes it.
"""

import hashlib
from base64 import b64encode
from html import escape
from importlib.resources import files
from typing import Any

import msgspec

from otterize_pcap.graph.call_format import call_entry
from otterize_pcap.render.layout import lay_out
from otterize_pcap.render.picture import Edge, Node, Picture

LIBRARY = "cytoscape-3.34.4.min.js"
COLUMN, ROW = 330, 64


def render_html(picture: Picture, title: str = "Calls") -> str:
    """The page; `title` is shown and may be any text."""
    page = files("otterize_pcap.render") / "page"
    parts = {
        "style": (page / "page.css").read_text(encoding="utf-8"),
        "library": (page / LIBRARY).read_text(encoding="utf-8"),
        "program": (page / "page.js").read_text(encoding="utf-8"),
    }
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"script-src {_hash(parts['library'])} {_hash(parts['program'])}; "
        f"style-src {_hash(parts['style'])}"
    )
    values = {"csp": policy, "title": escape(title), "data": _data(picture), **parts}
    # Cut at the fields first: what is put in may itself hold braces.
    text = (page / "page.html").read_text(encoding="utf-8")
    pieces = []
    for piece in text.split("{"):
        name, brace, rest = piece.partition("}")
        pieces.append(values[name] + rest if brace and name in values else piece)
    return "".join(pieces)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(picture: Picture) -> str:
    places = lay_out(picture)
    nodes = [
        _node(node, place.column * COLUMN, place.row * ROW)
        for node, place in zip(picture.nodes, places, strict=True)
    ]
    value = {"nodes": nodes, "edges": [_edge(edge) for edge in picture.edges]}
    text = msgspec.json.encode(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _node(node: Node, x: float, y: float) -> dict[str, Any]:
    return {
        "label": node.label,
        "namespace": node.namespace,
        "kind": node.kind,
        "external": node.is_external,
        "x": x,
        "y": y,
    }


def _edge(edge: Edge) -> dict[str, Any]:
    call = call_entry(edge.call)
    return {
        "client": edge.client,
        "server": edge.server,
        "mark": edge.mark,
        "remark": edge.remark,
        "status": call.status,
        "uses": call.uses,
        "details": call.details,
    }

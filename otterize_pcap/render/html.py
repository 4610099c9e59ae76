"""Picture → one HTML page with everything in it: no network, works from a file.

The Content-Security-Policy allows nothing but the page's own two scripts and its style sheet, by
their hashes, and a worker that such a script makes of itself for the layout. The calls are JSON in
a block that is no script. page/ holds the parts, and ELK (EPL-2.0) as npm publishes it.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from otterize_pcap.render.page_data import page_json
from otterize_pcap.render.page_origin import Origin
from otterize_pcap.render.picture import Picture

LIBRARY = "elk-0.12.1.bundled.js"
STYLES = ("base", "map", "matrix", "table", "panel", "print")
# A later one uses what earlier ones define.
SCRIPTS = (
    *("engine", "dom", "calls", "query", "grouping", "state", "shown", "layout"),
    *("frames", "map", "pan"),
    *(
        "map_keys",
        "matrix_order",
        "matrix",
        "matrix_paper",
        "csv",
        "table",
        "wireshark",
        "doubts",
        "panel",
    ),
    *("origin", "focus", "toolbar", "main"),
)


def render_html(
    picture: Picture, title: str = "Calls", origins: Sequence[Origin] = (), group_by: str = ""
) -> str:
    """The page; `title` is shown and may be any text.

    `origins` are the graphs that it shows, of a diff the old one first: they say in the page's head
    what was captured. `group_by` is what the page opens on: `namespace`, `kind`, `none`, or the key
    of a label; namespaces where no workload has that.
    """
    parts = {
        "style": "".join(_part(f"{name}.css") for name in STYLES),
        "library": _part(LIBRARY),
        "program": "".join(_part(f"{name}.js") for name in SCRIPTS),
    }
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; worker-src blob:; "
        f"script-src {_hash(parts['library'])} {_hash(parts['program'])}; "
        f"style-src {_hash(parts['style'])}"
    )
    values = {
        "csp": policy,
        "title": escape(title),
        "data": page_json(picture, origins, group_by),
        **parts,
    }
    # Cut at the fields first: what is put in may itself hold braces.
    pieces = []
    for piece in _part("page.html").split("{"):
        name, brace, rest = piece.partition("}")
        pieces.append(values[name] + rest if brace and name in values else piece)
    return "".join(pieces)


def _part(name: str) -> str:
    page = files("otterize_pcap.render") / "page"
    return (page / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

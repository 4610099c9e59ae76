"""The four walks of docs/architecture.md, gone: a copy of the package, changed in so many files.

What is added works in every command, with the compiled part where it was built and without.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.capture_bytes import ACK, PSH, RAW, SYN, ipv4, pcap, tcp
from tests.cluster_builder import NODES, owner, pod
from tests.conftest import ROOT

COUNTS = {"none": 0, "one": 1, "two": 2}
ONE, OTHER = "10.244.1.10", "10.244.2.20"
TOY_LINK_TYPE = 147
"""LINKTYPE_USER0, which never means anything of everybody's."""
LISTED = "web calls:\n  - api\n"
TOY_RULE = """

def _by_toy(flow, _known, _served):
    return int(flow.endpoint(0)[1] > flow.endpoint(1)[1])
"""
Edits = Mapping[str, Sequence[tuple[str, str]]]


def promised(walk: str) -> int:
    """How many files the page says that a walk takes."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    found = re.search(rf"^\*\*{walk}: (\w+)[.,]\*\*", page, re.MULTILINE)
    assert found is not None
    return COUNTS[found[1]]


def go(place: Path, edits: Edits, *, compiled: bool = True) -> None:
    """Lay a copy of the package at a place, changed: texts behind which others are inserted."""
    package = place / "otterize_pcap"
    ignored = shutil.ignore_patterns("__pycache__", *(() if compiled else ("*.so",)))
    shutil.copytree(ROOT / "otterize_pcap", package, copy_function=os.symlink, ignore=ignored)
    for name, insertions in edits.items():
        path = package / name
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        path.unlink(missing_ok=True)
        for behind, added in insertions:
            assert behind in text or not text, (name, behind)
            text = text.replace(behind, behind + added, 1) if text else added
        path.write_text(text, encoding="utf-8")


def otterize(place: Path, *words: str) -> str:
    """What a command of the copy prints."""
    environment = {**os.environ, "PYTHONPATH": str(place)}
    command = [sys.executable, "-m", "otterize_pcap", *words, "--snapshot", "snapshot.json"]
    done = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_capture(place: Path, frames: Sequence[bytes], link_type: int = RAW) -> None:
    """Packets between two pods, which a kind owns that nobody has heard of."""
    (place / "calls.pcap").write_bytes(pcap(frames, link_type=link_type))
    pods = [
        pod(name, address, owners=[owner("Toy", name, api_version="toys.example.com/v1")])
        for name, address in (("web", ONE), ("api", OTHER))
    ]
    document = {"kind": "List", "apiVersion": "v1", "items": [*pods, *NODES]}
    (place / "snapshot.json").write_text(json.dumps(document), encoding="utf-8")


def handshake(header: bytes = b"") -> list[bytes]:
    """A connection of the one to port 8080 of the other, behind a link header."""
    ports, back = (40_000, 8080), (8080, 40_000)
    return [
        header + ipv4(tcp(*ports, SYN, 1, 0), source=ONE, target=OTHER),
        header + ipv4(tcp(*back, SYN | ACK, 9, 2), source=OTHER, target=ONE),
        header + ipv4(tcp(*ports, ACK, 2, 10), source=ONE, target=OTHER),
    ]


@pytest.mark.parametrize("compiled", [True, False])
def test_link_type(tmp_path: Path, compiled: bool) -> None:
    """A function and its number: what it opens is read as any other."""
    edits: Edits = {
        "packets/link_layer.py": [
            ("    return frame, 0\n", "\n\ndef _open_toy(frame):\n    return frame[3:], 0\n"),
            ("    12: open_raw_ip,\n", f"    {TOY_LINK_TYPE}: _open_toy,\n"),
        ]
    }
    assert len(edits) == promised("A link type")
    go(tmp_path, edits, compiled=compiled)
    write_capture(tmp_path, handshake(b"toy"), TOY_LINK_TYPE)
    assert otterize(tmp_path, "intents", "list", "calls.pcap") == LISTED


def test_output_format(tmp_path: Path) -> None:
    """Its module, and its name in the command's enum and table."""
    edits: Edits = {
        "render/toy.py": [("", "def render_toy(picture):\n    return 'a toy\\n'\n")],
        "cli/graph.py": [
            ("render_svg\n", "from otterize_pcap.render.toy import render_toy\n"),
            ('    SVG = "svg"\n', '    TOY = "toy"\n'),
            ("    PictureFormat.SVG: render_svg,\n", "    PictureFormat.TOY: render_toy,\n"),
        ],
    }
    assert len(edits) == promised("An output format")
    go(tmp_path, edits)
    write_capture(tmp_path, handshake())
    assert otterize(tmp_path, "graph", "calls.pcap", "--format", "toy") == "a toy\n"


@pytest.mark.parametrize("compiled", [True, False])
def test_rule_of_direction(tmp_path: Path, compiled: bool) -> None:
    """Its name, words and function: it decides what none of the others do, and says so."""
    edits: Edits = {
        "connections/rule.py": [
            ('    PORT = "S35"\n', '    TOY = "S99"\n'),
            ('several connections",\n', '    Rule.TOY: "the higher port is a toy\'s",\n'),
            (
                "        return client\n    return None\n",
                TOY_RULE,
            ),
            ("    Rule.PORT: _by_port,\n", "    Rule.TOY: _by_toy,\n"),
        ]
    }
    assert len(edits) == promised("A rule of direction")
    go(tmp_path, edits, compiled=compiled)
    data = [
        ipv4(tcp(40_000, 41_000, PSH | ACK, 5, 7, b"x" * 9), source=ONE, target=OTHER),
        ipv4(tcp(41_000, 40_000, PSH | ACK, 7, 14, b"y" * 9), source=OTHER, target=ONE),
    ]
    write_capture(tmp_path, data)
    said = otterize(tmp_path, "explain", "web", "api", "calls.pcap")
    assert "S99" in said
    assert "the higher port is a toy's" in said
    assert otterize(tmp_path, "intents", "list", "calls.pcap") == LISTED


def test_workload_kind(tmp_path: Path) -> None:
    """A kind that nobody has heard of names its pods' workload."""
    assert promised("A workload kind") == 0
    go(tmp_path, {})
    write_capture(tmp_path, handshake())
    assert otterize(tmp_path, "intents", "list", "calls.pcap") == LISTED

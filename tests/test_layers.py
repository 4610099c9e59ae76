"""The order of stages, held by the imports themselves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "otterize_pcap"

# Earlier stages first; modules of one line may import each other's line and all lines above.
STAGES = (
    ("version", "errors", "addresses", "timestamps"),
    ("capture_dir", "packet", "records", "headers", "link_names", "compression"),
    ("pcap", "pcapng", "containers"),
    ("fragments", "icmp", "link_layer", "network", "transport", "tunnels", "decode"),
    ("connections", "_fastpath", "tally", "name_payloads", "stretch", "splitting", "read"),
    (
        "conntrack",
        "node_files",
        "legs",
        "clocks",
        "entry_flows",
        "join",
        "direction",
        "outcome",
        "joined",
    ),
    ("groups", "tracked", "names"),
    ("objects", "read_objects", "snapshot", "tenures", "virtual_addresses", "read_snapshot"),
    ("graph", "identity"),
    ("nat", "resolve", "timeless", "outside", "lookups", "build_graph", "notes"),
    ("filters", "map_capture", "graph_views"),
    ("graph_entries", "graph_format", "intents_versions", "intents_documents"),
    ("intents_validation", "document_fields", "read_intents"),
    ("naming", "call_rows", "align_workloads", "ignore_rules", "diff", "check", "thresholds"),
    ("explain", "inspect_snapshot", "findings", "picture", "layout"),
)
ORDER = {name: rank for rank, names in enumerate(STAGES) for name in names}
COMPILED = {"_fastpath": ORDER["connections"]}


def imported_modules(path: Path) -> set[str]:
    """The modules of this package that a file imports, as dotted names below the package."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module.startswith("otterize_pcap."):
                found.add(node.module.removeprefix("otterize_pcap."))
        elif isinstance(node, ast.Import):
            found.update(
                name.name.removeprefix("otterize_pcap.")
                for name in node.names
                if name.name.startswith("otterize_pcap.")
            )
    return found


def test_every_module_has_its_stage() -> None:
    """A new module is placed here before it is merged."""
    modules = {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
    assert modules == set(ORDER) - {"_fastpath"}


@pytest.mark.parametrize("module", sorted(set(ORDER) - {"_fastpath"}))
def test_stage_imports_only_earlier_stages(module: str) -> None:
    """No stage knows of one that comes after it."""
    for other in imported_modules(PACKAGE / f"{module}.py"):
        rank = (ORDER | COMPILED)[other.partition(".")[0]]
        assert rank <= ORDER[module], f"{module} imports {other}"


def test_core_loads_neither_typer_nor_kubernetes_nor_yaml() -> None:
    """Using the library costs none of the command line's or the cluster's imports."""
    code = (
        "import sys, otterize_pcap.map_capture, otterize_pcap.read; "
        "print(sorted({'typer', 'kubernetes', 'yaml', 'rich', 'zstandard'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"

"""The order of stages, held by the imports themselves."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "otterize_pcap"

# Earlier stages first: a folder, or a module that stands alone. None knows of a later one.
STAGES = (
    "version",
    "errors",
    "system_errors",
    "threads",
    "crew",
    "json_errors",
    "addresses",
    "api_groups",
    "timestamps",
    "node_status",
    "intervals",
    "counted",
    "extras",
    "yaml_documents",
    "capture_dir",
    "records",
    "packets",
    "table",
    "reduced",
    "connections",
    "snapshot",
    "flow_logs",
    "graph",
    "resolve",
    "anonymise",
    "files",
    "intents",
    "compare",
    "policies",
    "inspect_snapshot",
    "explain",
    "render",
    "cluster",
    "cli",
)
# Within the live cluster: modules of its own, then folders, each of which knows the ones before.
CLUSTER_STAGES = ("labels", "interrupts", "api", "snapshot", "capture")
MODULES = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
    for path in PACKAGE.rglob("*.py")
    if not path.stem.startswith("__")
)
# Compiled modules are known by their types.
COMPILED = sorted(
    path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
    for path in PACKAGE.rglob("*.pyi")
)


def imported_modules(module: str) -> set[str]:
    """The modules of this package that a module imports, as dotted names below the package."""
    path = PACKAGE / (module.replace(".", "/") + (".pyi" if module in COMPILED else ".py"))
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{name.name}" for name in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            names = {name.name for name in node.names}
        else:
            continue
        below = {name.removeprefix("otterize_pcap.") for name in names if "otterize_pcap." in name}
        found.update(below.intersection(MODULES + COMPILED + list(STAGES)))
    return found


def test_every_module_has_its_stage() -> None:
    """A new folder or lone module is placed here before it is merged."""
    assert {module.partition(".")[0] for module in MODULES} == set(STAGES)


def test_compiled_modules_count() -> None:
    """An import of the compiled table is seen as any other."""
    assert COMPILED == [
        "connections._alike",
        "connections._components",
        "connections._origins",
        "table._arrays",
        "table._columns",
        "table._fastpath",
        "table._handover",
    ]
    assert "table._fastpath" in imported_modules("table.chunk")


@pytest.mark.parametrize("module", MODULES + COMPILED)
def test_stage_imports_only_earlier_stages(module: str) -> None:
    """No stage knows of one that comes after it."""
    rank = STAGES.index(module.partition(".")[0])
    for other in imported_modules(module):
        assert STAGES.index(other.partition(".")[0]) <= rank, f"{module} imports {other}"


@pytest.mark.parametrize("module", [each for each in MODULES if each.startswith("cluster.")])
def test_cluster_folders_know_only_earlier_ones(module: str) -> None:
    """Taking a snapshot needs no capture, and the API neither."""
    rank = CLUSTER_STAGES.index(module.split(".")[1])
    for other in imported_modules(module):
        stage, _, rest = other.partition(".")
        if stage == "cluster" and rest:
            assert CLUSTER_STAGES.index(rest.partition(".")[0]) <= rank, f"{module} imports {other}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Within a stage, too, there is one direction."""
    graph = {module: imported_modules(module) - {module} for module in MODULES + COMPILED}
    assert set(graphlib.TopologicalSorter(graph).static_order()) >= set(MODULES)


def imported_packages(module: str) -> set[str]:
    """The top-level names of all that a module imports."""
    path = PACKAGE / (module.replace(".", "/") + ".py")
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Import):
            found.update(name.name.partition(".")[0] for name in node.names)
    return found


def test_dpkt_is_confined_to_one_module() -> None:
    """What dpkt leaks and costs is dealt with in one place; nobody else imports it."""
    users = [module for module in MODULES if "dpkt" in imported_packages(module)]
    assert users == ["packets.dpkt_headers"]


def test_core_loads_neither_typer_nor_kubernetes_nor_yaml() -> None:
    """Using the library costs none of the command line's or the cluster's imports, nor dpkt's."""
    code = (
        "import sys, otterize_pcap.resolve.map_capture, otterize_pcap.table.read; "
        "heavy = {'typer', 'kubernetes', 'yaml', 'rich', 'zstandard', 'dpkt'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


def test_no_two_files_of_tests_have_one_name() -> None:
    """Pytest imports them by their names alone: of two it runs none."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))

"""docs/architecture.md names modules that there are, and every compiled one."""

import re

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "otterize_pcap"
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?:`(\w+)/`|\(top level\)) \|[^|]*\|([^|]*)\|$", re.MULTILINE)
NAMES = [
    (folder, name) for folder, cell in ROW.findall(TEXT) for name in re.findall(r"`(\w+)`", cell)
]
PATHS = sorted(set(re.findall(r"`((?:\w+/)+\w+\.\w+)`", TEXT)))


@pytest.mark.parametrize(("folder", "name"), NAMES)
def test_stages_have_the_modules_that_are_named(folder: str, name: str) -> None:
    """Each module that a stage's row names is in its folder."""
    place = PACKAGE / folder
    assert any((place / f"{name}{end}").exists() for end in (".py", ".pyx", "/__init__.py"))


@pytest.mark.parametrize("path", PATHS)
def test_files_that_are_named_exist(path: str) -> None:
    """Each path is one of the package, or of the repository."""
    assert (PACKAGE / path).exists() or (ROOT / path).exists()


def test_every_folder_has_its_row() -> None:
    """A new stage is described."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {folder for folder, _ in ROW.findall(TEXT) if folder} == folders


def test_every_compiled_module_is_named() -> None:
    """A new compiled module says what its readable reference is."""
    compiled = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.pyx")}
    assert compiled <= set(PATHS)

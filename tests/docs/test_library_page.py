"""docs/library.md and the README show programs that run."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

import otterize_pcap
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "library.md"
# A block of the program, and what it prints, where it prints anything.
STEP = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)


@pytest.mark.parametrize("page", [PAGE, ROOT / "README.md"], ids=lambda page: page.name)
def test_page_prints_what_it_shows(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks run in order, from the repository's root, and each prints what is under it."""
    monkeypatch.chdir(ROOT)
    steps = STEP.findall(page.read_text(encoding="utf-8"))
    assert steps
    names: dict[str, Any] = {}
    for number, (code, shown) in enumerate(steps):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"{page}, block {number}", "exec"), names)  # noqa: S102 - the subject
        assert printed.getvalue() == shown, code


def test_page_imports_public_names_only() -> None:
    """The page needs nothing but the names that the package offers."""
    text = PAGE.read_text(encoding="utf-8")
    modules = re.findall(r"^from (otterize_pcap\S*) import (.*)$", text, re.MULTILINE)
    assert {module for module, _ in modules} == {"otterize_pcap"}
    used = {name for _, names in modules for name in names.split(", ")}
    assert used <= set(otterize_pcap.__all__)


def test_page_names_each_error_that_an_input_causes() -> None:
    """Who catches errors finds them on the page."""
    text = PAGE.read_text(encoding="utf-8")
    errors = [name for name in otterize_pcap.__all__ if name.endswith("Error")]
    assert errors
    assert [name for name in errors if f"`{name}`" not in text] == []

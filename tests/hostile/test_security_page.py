"""Every row of the security page's table names a test that is there."""

import ast
import re

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
HELD = re.findall(r"`(tests/[\w/]+\.py)::(\w+)` \|$", PAGE, re.MULTILINE)
ROWS = re.findall(r"^\| .* \|$", PAGE, re.MULTILINE)


def test_every_row_is_held() -> None:
    """No row without a test; the first one is the heading."""
    assert len(HELD) == len(ROWS) - 1 > 10


@pytest.mark.parametrize(("file", "name"), HELD)
def test_test_of_a_row_is_there(file: str, name: str) -> None:
    """It has that name, and says what it holds."""
    module = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = {
        node.name: ast.get_docstring(node)
        for node in module.body
        if isinstance(node, ast.FunctionDef)
    }
    assert functions.get(name)

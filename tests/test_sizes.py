"""No file has more than 300 lines, and no function of the package more than 40."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

MOST_LINES, MOST_OF_A_FUNCTION = 300, 40
ROOMS = ("otterize_pcap", "scripts", "benchmarks", "fuzz")
KINDS = frozenset((".py", ".pyi", ".pyx", ".pxd", ".c", ".js", ".css", ".sh"))
LONGER = {
    "otterize_pcap/render/page/elk-0.12.1.bundled.js": "ELK, as its authors publish it",
}
"""Files that are longer, each with the reason."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files() -> Iterator[Path]:
    """What is written by hand; a build may lie beside it, and Cython's C beside its source."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            is_made = path.suffix == ".c" and path.with_suffix(".pyx").exists()
            if path.suffix in KINDS and "data" not in path.relative_to(ROOT).parts and not is_made:
                yield path


def lines_of(path: Path) -> int:
    """How many lines a file has."""
    return len(path.read_text(encoding="utf-8").splitlines())


def functions_in(node: ast.AST) -> Iterator[Function]:
    """All functions in a node, those in others too."""
    return (each for each in ast.walk(node) if isinstance(each, Function))


def statement_lines(function: Function) -> int:
    """The lines of a function's statements, without its docstring and the functions inside it.

    A command's options are its parameters, and its help is its docstring: many of them are no
    second idea.
    """
    first = 1 if ast.get_docstring(function) and len(function.body) > 1 else 0
    begin, end = function.body[first].lineno, function.end_lineno or 0
    inner = {
        line
        for each in functions_in(ast.Module(function.body, []))
        for line in range(
            min([each.lineno, *(one.lineno for one in each.decorator_list)]),
            (each.end_lineno or 0) + 1,
        )
    }
    return len(set(range(begin, end + 1)) - inner)


def test_no_file_is_over_its_ceiling() -> None:
    """A file that grows beyond is split where its second idea begins."""
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in files()
        if (lines := lines_of(path)) > MOST_LINES
    }
    assert set(long) == set(LONGER), (long, LONGER)


def test_no_function_is_over_its_ceiling() -> None:
    """A function that is longer does two things, and each of them has a name."""
    long = [
        f"{path.relative_to(ROOT)}: {function.name} {lines}"
        for path in files()
        if path.suffix == ".py" and path.is_relative_to(ROOT / "otterize_pcap")
        for function in functions_in(ast.parse(path.read_text(encoding="utf-8")))
        if (lines := statement_lines(function)) > MOST_OF_A_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("def one():\n    pass\n", 1),
        ('def one():\n    """What.\n\n    More.\n    """\n    return 1\n', 1),
        ('def one():\n    """What."""\n', 1),
        ("def one(\n    a,\n    b,\n):\n    a()\n    b()\n", 2),
        ("def one():\n    @two\n    def three():\n        pass\n\n    three()\n", 2),
        ("def one():\n    class Two:\n        def three(self):\n            pass\n", 1),
    ],
)
def test_statements_are_counted(text: str, lines: int) -> None:
    """Neither parameters nor docstrings, nor functions inside; these count for themselves."""
    assert statement_lines(next(functions_in(ast.parse(text)))) == lines

"""Numbers of things in what people read: one thing is not called several, a million has commas."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from otterize_pcap.counted import counted
from tests.conftest import ROOT

PACKAGE = ROOT / "otterize_pcap"
THINGS = frozenset(
    (
        *("addresses", "bytes", "captures", "connections", "edges", "files", "jobs", "legs"),
        *("lines", "namespaces", "nodes", "objects", "packets", "parts", "permissions", "pods"),
        *("policies", "rows", "rules", "seconds", "services", "sets", "workloads"),
    )
)


@pytest.mark.parametrize(
    ("number", "nouns", "said"),
    [
        (0, ("call",), "0 calls"),
        (1, ("call",), "1 call"),
        (2, ("call",), "2 calls"),
        (299920, ("call",), "299,920 calls"),
        (1, ("policy", "policies"), "1 policy"),
        (2, ("policy", "policies"), "2 policies"),
    ],
)
def test_number_has_its_noun(number: int, nouns: tuple[str, ...], said: str) -> None:
    """Singular only of one, and thousands apart."""
    assert counted(number, *nouns) == said


def bare_numbers(source: str) -> Iterator[str]:
    """Texts in which a number stands before a plural, so that it is wrong where the number is 1.

    A bound, which is a constant, may; so may what is some of several (`1 of 3 nodes`, `one in 9
    packets`), and a text.
    """
    for text in ast.walk(ast.parse(source)):
        if not isinstance(text, ast.JoinedStr):
            continue
        said = [str(each.value) if isinstance(each, ast.Constant) else "" for each in text.values]
        for number, value in enumerate(text.values[:-1]):
            follows = re.match(r" (\w+)", said[number + 1])
            if (
                isinstance(value, ast.FormattedValue)
                and not ast.unparse(value.value).isupper()
                and ast.unparse(value.value) not in TEXTS
                and follows is not None
                and follows.group(1).lower() in THINGS
                and not (number and said[number - 1].endswith((" of ", " of the ", " one in ")))
            ):
                yield ast.unparse(text)


# Numbers that a cluster said, as texts.
TEXTS = {"packets"}


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_no_number_stands_before_a_plural(path: Path) -> None:
    """Whoever says how many there are uses `counted`."""
    assert list(bare_numbers(path.read_text(encoding="utf-8"))) == []


def test_the_search_finds_them() -> None:
    """What the test above forbids is found, and what it allows is not."""
    assert list(bare_numbers('f"{n} packets were"')) == ["f'{n} packets were'"]
    assert list(bare_numbers('f"{len(x)} nodes, {y}"'))
    assert not list(bare_numbers('f"{one} of {n} nodes; {MAX} files"'))

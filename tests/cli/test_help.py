"""Help that a stranger can use: every command says what it does and shows an example."""

import re

import pytest

from tests.command_tree import COMMANDS
from tests.conftest import Otterize


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_complete(words: tuple[str, ...], otterize: Otterize) -> None:
    """Each help begins with a sentence, has an example, and describes each option."""
    done = otterize(*words, "--help")
    assert done.returncode == 0
    text = re.sub(r"\s+", " ", done.stdout)
    assert re.search(r"^\S+ otterize .*? [A-Z][a-z]+ [^.]+\.", text.strip()), text
    assert "Example: otterize " in text


OPTIONS = [
    (" ".join(("otterize", *words, parameter.name)), getattr(parameter, "help", None) or "")
    for words, command in COMMANDS.items()
    for parameter in command.params
]


@pytest.mark.parametrize(("name", "text"), [pytest.param(*o, id=o[0]) for o in OPTIONS])
def test_option_is_described(name: str, text: str) -> None:
    """No option is without a sentence."""
    if name.endswith(("install_completion", "show_completion")):
        pytest.skip("Typer's own option, in Typer's own words")
    assert re.fullmatch(r"(?s)[A-Z].*[.:)]\s*", text), f"{name}: {text!r}"

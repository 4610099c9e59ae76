"""Help that a stranger can use: every command says what it does and shows an example."""

import re
from collections.abc import Iterator

import pytest
from typer.main import get_command

from otterize_pcap.cli.app import app
from tests.conftest import Otterize


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command and group."""

    def below(command: object, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for name, inner in sorted(getattr(command, "commands", {}).items()):
            yield from below(inner, (*words, name))

    return below(get_command(app), ())


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_help_is_complete(words: tuple[str, ...], otterize: Otterize) -> None:
    """Each help begins with a sentence, has an example, and describes each option."""
    done = otterize(*words, "--help")
    assert done.returncode == 0
    text = re.sub(r"\s+", " ", done.stdout)
    assert re.search(r"^Usage: otterize .*? [A-Z][a-z]+ [^.]+\.", text.strip()), text
    assert "Example: otterize " in text


def options() -> Iterator[tuple[str, str]]:
    """Every option and argument of every command, with its help."""

    def below(command: object, name: str) -> Iterator[tuple[str, str]]:
        for parameter in getattr(command, "params", []):
            yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
        for word, inner in getattr(command, "commands", {}).items():
            yield from below(inner, f"{name} {word}")

    return below(get_command(app), "otterize")


@pytest.mark.parametrize(("name", "text"), [pytest.param(*o, id=o[0]) for o in options()])
def test_option_is_described(name: str, text: str) -> None:
    """No option is without a sentence."""
    if name.endswith(("install_completion", "show_completion")):
        pytest.skip("Typer's own option, in Typer's own words")
    assert re.fullmatch(r"(?s)[A-Z].*[.:)]\s*", text), f"{name}: {text!r}"

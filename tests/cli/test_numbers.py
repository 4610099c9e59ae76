"""Options that take numbers: what is none, or out of bounds, is a usage error and nothing else."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.cli.quantities import parse_duration, parse_size
from otterize_pcap.compare.thresholds import parse_share
from otterize_pcap.errors import UsageError
from tests.command_tree import COMMANDS, call
from tests.conftest import ROOT, Otterize
from tests.strategies import laws

NONSENSE = ("nan", "inf", "-inf", "-1", "1e9999", "9" * 30, "9" * 5000, "", "1_0", "0x10")
NUMBERS = ("int", "float")


OPTIONS = {
    " ".join((*words, option.opts[-1])): option.type
    for words, command in COMMANDS.items()
    for option in command.params
    if option.type.name.startswith(NUMBERS)
}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_number_has_bounds(option: str) -> None:
    """A number that overflows what it is kept in is refused before anything is read."""
    least, most = OPTIONS[option].min, OPTIONS[option].max
    assert least < most


@pytest.mark.parametrize(
    "option", ["--vxlan-port", "--time-slack", "--threads", "--max-connections", "--most"]
)
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "9" * 30])
def test_no_number_is_a_usage_error(option: str, value: str, otterize: Otterize) -> None:
    """Exit code 2 and a sentence that names the option, before any input is opened."""
    done = otterize("explain", "a", "b", "absent", f"{option}={value}")
    assert done.returncode == 2
    assert option in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("value", ["99999", "0", "65536"])
def test_port_out_of_range_is_a_usage_error(value: str, otterize: Otterize) -> None:
    """UDP ports are numbers from 1 to 65535."""
    assert otterize("intents", "list", "absent", "--vxlan-port", value).returncode == 2


@laws
@given(st.sampled_from(NONSENSE) | st.text(max_size=8))
def test_texts_that_say_a_number_are_read_or_refused(text: str) -> None:
    """Durations, sizes and shares: within their bounds, or a usage error."""
    for parse, most in ((parse_duration, 24 * 3600), (parse_size, 1 << 40)):
        with suppress(UsageError):
            assert 0 < parse(text, "--option") <= most
    with suppress(UsageError):
        assert 0 <= parse_share(text) <= 1


SHOWN = re.compile(r"(--[a-z-]+)[ =]`?([0-9]+[dhms][0-9dhms]*)\b")


def shown_durations() -> Iterator[tuple[tuple[str, ...], str, str]]:
    """A command, an option of it, and a duration that its help or a page shows for the option."""
    pages = [path.read_text() for path in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md")]
    written = {found for page in pages for found in SHOWN.findall(page)}
    for words, command in COMMANDS.items():
        line = call(words, "absent", Path("out"))
        if any("--output" in each.opts and not each.required for each in command.params):
            line += ["--output", "out"]
        for option in command.params:
            if option.metavar == "DURATION":
                name = option.opts[0]
                own = re.findall(r"\b[0-9]+[dhms][0-9dhms]*\b", f"{option.help} {option.default}")
                for value in sorted({*own, *(value for of, value in written if of == name)}):
                    yield tuple(line), name, value


@pytest.mark.parametrize(("words", "option", "value"), list(shown_durations()))
def test_durations_that_are_shown_are_taken(
    words: tuple[str, ...], option: str, value: str, otterize: Otterize
) -> None:
    """`--last 7d` was longer than 24 hours."""
    done = otterize(*words, option, value, KUBECONFIG="/absent")
    assert done.returncode in (3, 4), done.stderr


def test_durations_are_shown() -> None:
    """Of the options that take one, those that count back as well."""
    shown = {(option, value) for _, option, value in shown_durations()}
    assert {("--last", "7d"), ("--shift-times", "8760h"), ("--min-observed", "7d")} <= shown

"""Every format has its page under docs/output/, with a transcript of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from otterize_pcap.cli.comparing import ComparisonFormat
from otterize_pcap.cli.export import ExportFormat
from otterize_pcap.cli.graph import PictureFormat
from otterize_pcap.cli.intents import ListFormat
from otterize_pcap.cli.netpol_options import PolicyFormat
from tests.conftest import ROOT

PAGES = ROOT / "docs" / "output"
COMMANDS = {
    "intents list": ListFormat,
    "intents export": ExportFormat,
    "netpol export": PolicyFormat,
    "diff": ComparisonFormat,
    "check": ComparisonFormat,
    "netpol check": ComparisonFormat,
    "graph": PictureFormat,
}
# Formats that a command prints when it is not told which, and words for another format.
UNSPOKEN = {"text", "yaml", "intents", "json"}


def rows() -> Iterator[tuple[str, str, Path]]:
    """Command, format and page of each row of the table in docs/output/README.md."""
    commands: list[str] = []
    for line in (PAGES / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| ") or "](" not in line:
            continue
        commands = [name.strip("`") for name in cells[0].split(", ")] if cells[0] else commands
        page = PAGES / cells[2].partition("](")[2].rstrip(")")
        for form in cells[1].replace("`", "").split(", "):
            yield from ((command, form, page) for command in commands)


def test_table_names_every_format() -> None:
    """A format that is added without a page, or a page of one that is gone, is noticed."""
    listed = {(command, form) for command, form, _ in rows() if not form.startswith("--")}
    known = {(command, form.value) for command, forms in COMMANDS.items() for form in forms}
    assert listed == known


@pytest.mark.parametrize(
    ("command", "form", "page"), [pytest.param(*row, id=f"{row[0]} {row[1]}") for row in rows()]
)
def test_page_shows_its_format(command: str, form: str, page: Path) -> None:
    """The page has a transcript of the format, of one of the commands that share it."""
    text = page.read_text(encoding="utf-8")
    shown = form if form.startswith("--") else f"--format {form}"
    transcripts = [line for line in text.splitlines() if line.startswith("$ otterize ")]
    assert any(shown in line or form in UNSPOKEN for line in transcripts), command


def test_every_page_is_in_the_table() -> None:
    """No page is left over."""
    assert {page.name for _, _, page in rows()} | {"README.md"} == {
        path.name for path in PAGES.glob("*.md")
    }

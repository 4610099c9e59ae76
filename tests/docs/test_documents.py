"""What README and docs show is what the command prints."""

import json
import re
import shlex

import pytest

from tests.conftest import ROOT
from tests.ready_command import ReadyCommand

LINKED = [
    str(path.relative_to(ROOT))
    for folder in ("docs", "examples")
    for path in sorted((ROOT / folder).glob("**/*.md"))
]
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def transcripts() -> list[tuple[str, str, str]]:
    """Every `$ command` in a console block, with the output shown under it."""
    found = []
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))):
        for block in BLOCK.findall(path.read_text(encoding="utf-8")):
            for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, shown = step.partition("\n")
                found.append((str(path.relative_to(ROOT)), command, shown))
    return found


@pytest.mark.parametrize(
    ("document", "command", "shown"),
    [pytest.param(*t, id=f"{t[0]}: {t[1]}") for t in transcripts()],
)
def test_transcript_is_true(
    document: str, command: str, shown: str, ready_command: ReadyCommand
) -> None:
    """A command shown in a document prints what the document shows, stderr after stdout."""
    program, *arguments = shlex.split(command)
    assert program == "otterize", f"{document} shows a command that this test does not run"
    _, out, error = ready_command.run(ROOT, arguments, b"", {"COLUMNS": "80"})
    assert (out + error).decode() == shown


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", *LINKED])
def test_links_lead_somewhere(document: str) -> None:
    """Every relative link of a document names a file that exists."""
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{document} links to {target}"


def test_the_tutorial_is_recorded_in_its_order() -> None:
    """What the reader captures last is stamped later than what is captured first."""
    ends = [
        json.loads((ROOT / "fixtures" / name / "manifest.json").read_text(encoding="utf-8"))
        for name in ("tutorial-before", "tutorial-after")
    ]
    before, after = ends
    assert before["end"] < after["start"]

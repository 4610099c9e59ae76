"""What `diff` and `check` share: formats, the ignore file, and coverage thresholds."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from otterize_pcap.cli.graph_input import why_empty
from otterize_pcap.cli.options import comma_separated
from otterize_pcap.cli.output_form import BY_SUFFIX
from otterize_pcap.cli.terminal import notice
from otterize_pcap.compare.findings import FindingList
from otterize_pcap.compare.ignore_rules import IgnoreRule, parse_ignore_rules
from otterize_pcap.compare.thresholds import (
    Thresholds,
    parse_share,
    ungrounded,
    unmet_thresholds,
)
from otterize_pcap.errors import CoverageError, UsageError
from otterize_pcap.files.opening import read_bytes
from otterize_pcap.graph.service_graph import ServiceGraph
from otterize_pcap.render.github_annotations import render_annotations
from otterize_pcap.render.junit import render_junit
from otterize_pcap.render.markdown import render_markdown
from otterize_pcap.render.sarif import render_sarif

DIFFERENT = 1


class ComparisonFormat(StrEnum):
    """How `diff` and `check` print what they find."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"


FINDING_FORMATS = {
    ComparisonFormat.MARKDOWN: render_markdown,
    ComparisonFormat.JUNIT: render_junit,
    ComparisonFormat.SARIF: render_sarif,
    ComparisonFormat.GITHUB: render_annotations,
}

Format = Annotated[
    ComparisonFormat | None,
    typer.Option(
        "--format",
        help="The form; markdown is for a pull request's comment, github are annotations.",
        show_default=BY_SUFFIX.format("text"),
    ),
]
ExitZero = Annotated[
    bool, typer.Option("--exit-zero", help="Exit 0 whatever is found, for those who only look.")
]
Ignore = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Calls to leave alone, `CLIENT -> SERVER` a line."),
]
MaxUnresolved = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="Fail (exit 6) where more of a capture's connections are not resolved, e.g. 5%.",
    ),
]
RequireNode = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NODE",
        help="Fail (exit 6) where this node was not captured. Repeatable, or a list.",
    ),
]
AllowEmpty = Annotated[
    bool,
    typer.Option(
        "--allow-empty", help="Accept a comparison that rests on no connection (else exit 6)."
    ),
]


class Gate(Struct, frozen=True):
    """What must have been seen for a comparison to mean anything."""

    thresholds: Thresholds
    allow_empty: bool = False
    exit_zero: bool = False

    def unmet(self, sides: Sequence[ServiceGraph], vacuous: str | None = None) -> tuple[str, ...]:
        """Why too little was seen, of captures and documents in the order of their time.

        `vacuous` says why the comparison rests on nothing, empty where it does not; None: whether
        the sides have connections decides.
        """
        return (*self._empty(sides, vacuous), *self._below(sides))

    def close(self, sides: Sequence[ServiceGraph], vacuous: str | None = None) -> None:
        """Fail where too little was seen; the result is printed all the same.

        Raises:
            CoverageError: A threshold is not met, or the comparison rests on nothing.
        """
        empty, below = self._empty(sides, vacuous), self._below(sides)
        if empty and self.exit_zero:
            notice(f"note: {'; '.join(empty)}")
            empty = ()
        if empty or below:
            raise CoverageError("; ".join((*empty, *below)))

    def _empty(self, sides: Sequence[ServiceGraph], vacuous: str | None) -> tuple[str, ...]:
        why = "the check proves nothing"
        if vacuous is None:
            why = "the comparison rests on no connection"
            side = ungrounded(sides)
            vacuous = "" if side is None else why_empty(side)
        if self.allow_empty or not vacuous:
            return ()
        return (f"{why}: {vacuous}; --allow-empty accepts that",)

    def _below(self, sides: Sequence[ServiceGraph]) -> tuple[str, ...]:
        coverages = (side.coverage for side in sides if side.coverage is not None)
        lines = (
            line for coverage in coverages for line in unmet_thresholds(coverage, self.thresholds)
        )
        return tuple(dict.fromkeys(lines))


def read_thresholds(
    max_unresolved: str | None, nodes: list[str] | None, *, strict: bool
) -> Thresholds:
    """The thresholds that a command was given, before it reads anything.

    Raises:
        UsageError: The share is none.
    """
    share = None if max_unresolved is None else parse_share(max_unresolved)
    return Thresholds(share, comma_separated(nodes), strict)


def read_ignore_rules(path: Path | None) -> tuple[IgnoreRule, ...]:
    """The rules of an ignore file, none without one."""
    if path is None:
        return ()
    try:
        return parse_ignore_rules(read_bytes(path).decode(), str(path))
    except UnicodeDecodeError as error:
        message = f"{path}: not a text file; expected CLIENT -> SERVER on each line"
        raise UsageError(message) from error


def render_findings(found: FindingList, form: ComparisonFormat) -> str:
    """Findings in one of the formats that diff and check have in common."""
    return FINDING_FORMATS[form](found)

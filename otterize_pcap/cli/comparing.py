"""What `diff` and `check` share: formats, the ignore file, and coverage thresholds."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli.options import comma_separated
from otterize_pcap.compare.findings import FindingList
from otterize_pcap.compare.ignore_rules import IgnoreRule, parse_ignore_rules
from otterize_pcap.compare.thresholds import Thresholds, parse_share, unmet_thresholds
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
    ComparisonFormat,
    typer.Option(
        "--format",
        help="The form: text, json, markdown (a pull request's comment), junit, sarif, "
        "github (annotations).",
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


def read_ignore_rules(path: Path | None) -> tuple[IgnoreRule, ...]:
    """The rules of an ignore file, none without one."""
    if path is None:
        return ()
    try:
        return parse_ignore_rules(read_bytes(path).decode(), str(path))
    except UnicodeDecodeError as error:
        message = f"{path}: not a text file; expected CLIENT -> SERVER on each line"
        raise UsageError(message) from error


def require_coverage(
    graphs: Iterable[ServiceGraph], max_unresolved: str | None, nodes: list[str] | None
) -> None:
    """Hold the captures among these graphs against the thresholds that were given.

    Raises:
        CoverageError: One is not met; the result is printed all the same.
    """
    thresholds = Thresholds(
        None if max_unresolved is None else parse_share(max_unresolved), comma_separated(nodes)
    )
    coverages = [graph.coverage for graph in graphs if graph.coverage is not None]
    unmet = [line for coverage in coverages for line in unmet_thresholds(coverage, thresholds)]
    if unmet:
        raise CoverageError("; ".join(unmet))


def render_findings(found: FindingList, form: ComparisonFormat) -> str:
    """Findings in one of the formats that diff and check have in common."""
    return FINDING_FORMATS[form](found)

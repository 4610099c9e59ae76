"""Findings as GitHub Actions workflow commands, which become annotations.

GitHub keeps ten errors and ten warnings of a step: past nine of a level, the tenth line counts
the rest. A workflow command is one line; `%`, line ends and, in properties, `:` and `,` are
escaped as GitHub's toolkit does.
"""

from collections.abc import Iterator, Sequence

from otterize_pcap.compare.findings import ERROR, NOTE, WARNING, Finding, FindingList, of_level
from otterize_pcap.graph.naming import printable
from otterize_pcap.intents.places import Place
from otterize_pcap.render.sentence import finding_sentence

COMMANDS = {ERROR: "error", WARNING: "warning", NOTE: "notice"}
KEPT = 10


def render_annotations(found: FindingList) -> str:
    """Why it proves nothing, then at most ten annotations of each level."""
    lines = [
        f"::error title=Too little was seen::{_message(printable(why))}" for why in found.unmet
    ]
    lines += [
        line for level in COMMANDS for line in _annotations(of_level(found.findings, level), level)
    ]
    return "".join(f"{line}\n" for line in lines)


def _annotations(findings: Sequence[Finding], level: str) -> Iterator[str]:
    shown = findings if len(findings) <= KEPT else findings[: KEPT - 1]
    for finding in shown:
        title = _property(finding.rule.text.rstrip("."))
        where = _where(finding.place)
        yield f"::{COMMANDS[level]} {where}title={title}::{_message(finding_sentence(finding))}"
    if len(findings) > len(shown):
        more = len(findings) - len(shown)
        where = _where(findings[len(shown)].place)
        yield f"::{COMMANDS[level]} {where}title=More calls::{more} more; see the log of this step"


def _where(place: Place | None) -> str:
    return "" if place is None else f"file={_property(printable(place.file))},line={place.line},"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")

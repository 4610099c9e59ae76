"""Findings as GitHub-flavoured Markdown, for a comment on a pull request.

Names come from the cluster and may hold anything: a name of plain characters is a code span, any
other is written as HTML character references, so that no name can mention, link or format.
"""

import re
from collections.abc import Iterator

from otterize_pcap.compare.findings import ERROR, Finding, FindingList, of_level
from otterize_pcap.counted import counted
from otterize_pcap.graph.naming import printable

# A comment on GitHub holds 65,536 characters; room is left for the last line.
MAX_LENGTH = 65_000
PLAIN = re.compile(r"[A-Za-z0-9._:/-]+")


def render_markdown(found: FindingList) -> str:
    """A heading, a count, why it proves nothing, and a table of the findings."""
    errors = len(of_level(found.findings, ERROR))
    passed = f"{counted(len(found.passed), 'call')} {found.are}"
    head = f"### {found.title}\n\n**{counted(errors, 'finding')}**, {passed}.\n"
    head += "".join(f"\n**Too little was seen:** {_escaped(why)}\n" for why in found.unmet)
    if not found.findings:
        return head
    lines = ["", "| | Client | Server | Ports | |", "|---|---|---|---|---|"]
    length = len(head) + sum(len(line) + 1 for line in lines)
    for row, left in _rows(found):
        length += len(row) + 1
        if length > MAX_LENGTH:
            lines += ["", f"{left:,} more are not shown here."]
            break
        lines.append(row)
    return head + "\n".join(lines) + "\n"


def _rows(found: FindingList) -> Iterator[tuple[str, int]]:
    """Each finding's row, and how many findings are left with it."""
    for index, finding in enumerate(found.findings):
        yield _row(finding), len(found.findings) - index


def _row(finding: Finding) -> str:
    topic = finding.topic
    cells = (
        finding.rule.text.rstrip("."),
        _name(topic.client),
        _name(topic.server) if topic.server else "",
        topic.ports,
        _escaped(finding.reason),
    )
    return f"| {' | '.join(cells)} |"


def _name(text: str) -> str:
    return f"`{text}`" if PLAIN.fullmatch(text) else f"<code>{_escaped(text)}</code>"


def _escaped(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9 ,;/→+-]", lambda match: f"&#{ord(match.group())};", printable(text))

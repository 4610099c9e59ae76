"""Findings as JUnit XML, which CI systems show as tests.

Every call is a test case, its client the class, and so is what else there is a finding of: errors
are failures, warnings and notes are skipped, and calls with nothing to say have passed. Too little
seen is a failed case of its own.
"""

from html import escape

from otterize_pcap.compare.findings import ERROR, Finding, FindingList, Topic, of_level
from otterize_pcap.graph.naming import printable
from otterize_pcap.render.sentence import finding_sentence


def render_junit(found: FindingList) -> str:
    """One test suite with a case for each call."""
    errors = len(of_level(found.findings, ERROR))
    total = len(found.findings) + len(found.passed) + len(found.unmet)
    counts = (
        f'tests="{total}" failures="{errors + len(found.unmet)}" errors="0" '
        f'skipped="{len(found.findings) - errors}"'
    )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="{found.title}" {counts}>',
        f'  <testsuite name="{found.title}" {counts}>',
        *(line for reason in found.unmet for line in _unmet_case(found.title, reason)),
        *(line for finding in found.findings for line in _case(finding)),
        *(f"    <testcase {_names(topic)}/>" for topic in found.passed),
        "  </testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def _unmet_case(title: str, reason: str) -> list[str]:
    said = escape(printable(reason))
    return [
        f'    <testcase classname="{title}" name="sees enough">',
        f'      <failure type="coverage" message="{said}"/>',
        "    </testcase>",
    ]


def _case(finding: Finding) -> list[str]:
    said = escape(finding_sentence(finding))
    rule = finding.rule
    if rule.level == ERROR:
        inside = f'      <failure type="{rule.name}" message="{said}"/>'
    else:
        inside = f'      <skipped message="{rule.name}: {said}"/>'
    return [f"    <testcase {_names(finding.topic, rule.name)}>", inside, "    </testcase>"]


def _names(topic: Topic, rule: str = "") -> str:
    client, server = (escape(printable(name)) for name in (topic.client, topic.server))
    return f'classname="{client}" name="{f"calls {server}" if server else rule}"'

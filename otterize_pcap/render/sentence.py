"""One finding as a sentence: what CI systems show beside a mark."""

from otterize_pcap.compare.findings import Finding
from otterize_pcap.graph.naming import printable


def finding_sentence(finding: Finding) -> str:
    """What was found, with the ports and the reason."""
    topic = finding.topic
    said = finding.rule.sentence.format(
        client=printable(topic.client), server=printable(topic.server)
    )
    more = "; ".join(part for part in (topic.ports, finding.reason) if part)
    return f"{said} ({printable(more)})" if more else said

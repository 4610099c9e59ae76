"""One call, or one finding, as a sentence: what CI systems show beside a mark."""

from otterize_pcap.compare.findings import (
    ADDED,
    CHANGED,
    NOT_SEEN,
    REMOVED,
    UNDECLARED,
    UNUSED,
    Finding,
)
from otterize_pcap.graph.naming import full_name, printable
from otterize_pcap.graph.service_graph import Call

VERBS = {
    ADDED.name: "{client} now calls {server}",
    REMOVED.name: "{client} no longer calls {server}",
    CHANGED.name: "{client} calls {server} differently",
    NOT_SEEN.name: "{client} was not seen calling {server}",
    UNDECLARED.name: "{client} calls {server} without an intent",
    UNUSED.name: "{client} has an intent for {server} but was not seen calling it",
}


def finding_sentence(finding: Finding) -> str:
    """What was found, with the ports and the reason."""
    client, server = (
        printable(full_name(party)) for party in (finding.call.client, finding.call.server)
    )
    said = VERBS[finding.rule.name].format(client=client, server=server)
    ports = port_list(finding.call)
    more = "; ".join(part for part in (ports, finding.reason) if part)
    return f"{said} ({more})" if more else said


def port_list(call: Call) -> str:
    """The ports of a call, separated by commas."""
    return ", ".join(f"{use.protocol} {use.port}".lstrip() for use in call.uses)

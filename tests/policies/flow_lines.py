"""Flows as lines of text, for tests to compare."""

from otterize_pcap.policies.flow_ends import end_text
from otterize_pcap.policies.pod_flows import PodFlow, PodFlows, UndecidedFlow, pod_flows
from otterize_pcap.resolve.map_capture import MappedCapture


def flow_line(flow: PodFlow) -> str:
    """`client -> server protocol/port status`, and what each side's filter saw otherwise."""
    text = f"{end_text(flow.client)} -> {end_text(flow.server)} {flow.protocol}/{flow.server_port}"
    if flow.status != "established":
        text += f" {flow.status}"
    if flow.connections != 1:
        text += f" x{flow.connections}"
    if flow.destination != flow.server:
        text += f", sent to {end_text(flow.destination)} {flow.port}"
    if flow.source != flow.client:
        text += f", come from {end_text(flow.source)}"
    return text


def undecided_line(flow: UndecidedFlow) -> str:
    """`client -> server protocol/port: why`."""
    ends = f"{end_text(flow.client)} -> {end_text(flow.server)}"
    return f"{ends} {flow.protocol}/{flow.port}: {flow.fate}"


def lines(mapped: MappedCapture) -> list[str]:
    """All flows of a capture, then what is undecided with a question mark."""
    found: PodFlows = pod_flows(mapped)
    return [
        *map(flow_line, found.flows),
        *(f"? {undecided_line(flow)}" for flow in found.undecided),
    ]

"""What became of a node, and its line in the manifest."""

from msgspec import Struct

from otterize_pcap.capture_dir import CapturedFile, NodeCapture, PacketCounters
from otterize_pcap.cluster.capture.follow import NodeJob, Phase
from otterize_pcap.cluster.capture.job import JobPlan
from otterize_pcap.cluster.capture.node_state import NodeState
from otterize_pcap.cluster.snapshot.address_history import stamp_of
from otterize_pcap.counted import counted
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.timestamps import SECOND_NS

#: Clocks apart by more than this shift packets against the snapshot noticeably (rule S12).
CLOCK_NOTICE_S = 2.0


class NodeResult(Struct):
    """What became of one node; `pulled` grows while its files come.

    `span` is from when to when its tables are, in ns, where there is no state; `unreduced` why the
    node did not reduce all that it recorded; `packet_bytes` what its tables stand for.
    """

    state: NodeState | None = None
    clock_ahead: float | None = None
    pulled: tuple[CapturedFile, ...] = ()
    first: float | None = None
    span: tuple[int, int] | None = None
    overwritten: int = 0
    unreduced: str = ""
    packet_bytes: int = 0
    counters: PacketCounters = PacketCounters()


def manifest_entry(job: NodeJob, result: NodeResult | None, plan: JobPlan) -> NodeCapture:
    """A node's line in the manifest."""
    if result is None or result.state is None:
        reason = job.detail or "no recording came about"
        if result is None or result.span is None:
            return NodeCapture(job.node, NodeStatus.FAILED, reason)
        first, last = (stamp_of(time / SECOND_NS) for time in result.span)
        kept = f"{reason}; what it had reduced until then is kept"
        return NodeCapture(
            job.node, NodeStatus.FAILED, kept, first, last, result.pulled, result.counters
        )
    state = result.state
    failed = job.phase is not Phase.DONE
    reasons = [job.detail] if failed else coverage_notes(state, result, plan)
    return NodeCapture(
        job.node,
        NodeStatus.FAILED if failed else NodeStatus.CAPTURED,
        "; ".join(reasons) or None,
        stamp_of(max(state.started, result.first or 0.0)),
        stamp_of(state.ended),
        result.pulled,
        result.counters,
        result.clock_ahead,
    )


def coverage_notes(state: NodeState, result: NodeResult, plan: JobPlan) -> list[str]:
    """What the recording lacks, in words."""
    lasted = state.ended - state.started
    notes = []
    if state.stopped == "size-limit":
        notes.append(f"the size limit ended it after {lasted:.0f} of {plan.seconds} s")
    elif state.stopped == "asked":
        notes.append(f"stopped on request after {lasted:.0f} of {plan.seconds} s")
    elif state.stopped == "tcpdump-ended":
        broken = [part for part in state.parts if part.exit_code != 0]
        said = ", ".join(f"{part.name} exit {part.exit_code}" for part in broken)
        notes.append(f"tcpdump ended by itself after {lasted:.0f} of {plan.seconds} s ({said})")
    notes += [
        f"{part.name}: only for the first {part.ended - state.started:.0f} s (size limit)"
        for part in state.parts
        if part.name in {"acks", "dns"} and part.ended < state.ended
    ]
    if result.unreduced:
        notes.append(
            f"the node did not reduce all of it ({result.unreduced}): the rest came as packets"
        )
    if result.overwritten > 0:
        notes.append(f"the ring overwrote {counted(result.overwritten, 'packet')}")
    if result.clock_ahead is not None and abs(result.clock_ahead) > CLOCK_NOTICE_S:
        notes.append(f"the node's clock is {result.clock_ahead:+.1f} s from the API server's")
    return notes


def is_partial(capture: NodeCapture, state: NodeState | None) -> bool:
    """Whether a node makes a capture partial: nothing came, or tcpdump died on the way."""
    return capture.status is not NodeStatus.CAPTURED or (
        state is not None and state.stopped == "tcpdump-ended"
    )

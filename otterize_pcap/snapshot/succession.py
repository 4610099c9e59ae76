"""An address that a later file shows with another pod: when the earlier pod must have lost it.

Out of files from before and after a capture: the earlier file has a pod that the later one has no
longer, and nobody saw it go. Who has its address in the later file got it after that.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from otterize_pcap.intervals import OPEN, Interval
from otterize_pcap.snapshot.snapshot import Tenure
from otterize_pcap.snapshot.states import ObjectStates


def with_successors(tenures: Sequence[Tenure], states: ObjectStates) -> list[Tenure]:
    """The tenures of one address; those without an end are over when a successor's began.

    Two pods that one file shows with one address both keep it: that is not for us to decide.
    """
    if len(tenures) < 2:
        return list(tenures)
    return [_ended(tenure, tenures, states) for tenure in tenures]


def _ended(tenure: Tenure, others: Sequence[Tenure], states: ObjectStates) -> Tenure:
    held = tenure.interval
    if held.end_ns < OPEN:
        return tenure
    begun = [
        other.interval.start_ns
        for other in others
        if other.interval.start_ns > held.start_ns and states.outlived(tenure.pod, other.pod)
    ]
    end_ns = min(begun, default=OPEN)
    return replace(
        tenure,
        interval=Interval(held.start_ns, end_ns),
        possible=Interval(tenure.possible.start_ns, end_ns),
    )

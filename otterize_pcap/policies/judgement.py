"""What policies make of a flow: allowed or denied, at which pod's filter, by which rules."""

from enum import StrEnum

from msgspec import Struct

from otterize_pcap.policies.action_rule import AnyPolicy
from otterize_pcap.policies.rule_matcher import RuleMatch
from otterize_pcap.snapshot.snapshot import Pod


class Outcome(StrEnum):
    """What policies make of a flow; unknown where the snapshot does not say enough."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


ITSELF = "a pod always reaches itself"
OWN_NODE = "what comes from a pod's own node is always allowed"
PERHAPS_OWN_NODE = "it may have come from the pod's own node, which is always allowed"
NOT_ISOLATED = "no policy selects the pod"
NOT_DENIED = "no policy isolates the pod, and no rule denies it"
SOME_ADDRESSES = "rules allow some of the API server's addresses only"
SOME_BACKENDS = "it depends on which of the Service's backends was reached"
SOME_PLACES = "it depends on which node has the address"
HOST_POLICY = "{} is for nodes by their labels, which the snapshot does not have"
FILTERED = "{} rules may deny some of what is asked"


class Side(Struct, frozen=True):
    """What one pod's filter makes of a flow.

    `policies` are those that have something to say: that isolate the pod or, of Cilium's and of
    administrators', that have rules; none where nothing does. `allowing` and `denying` are all
    rules that mean the flow; `reason` says what else decided.
    """

    direction: str
    pod: Pod
    outcome: Outcome
    policies: tuple[AnyPolicy, ...] = ()
    allowing: tuple[RuleMatch, ...] = ()
    reason: str = ""
    denying: tuple[RuleMatch, ...] = ()

    @property
    def filtered_by(self) -> str:
        """Rules of layer 7 that may deny some of what is allowed; none where a rule asks nothing.

        Whatever else allows it (administrators' policies, the pod's own node) is not of them.
        """
        if self.outcome is not Outcome.ALLOWED or self.reason:
            return ""
        filters = [match.filtered_by for match in self.allowing]
        return ", ".join(dict.fromkeys(filters)) if filters and all(filters) else ""


class Judgement(Struct, frozen=True):
    """What policies make of a flow; `sides` are the filters that it passes, the client's first.

    Where one of several backends was reached, they are of all of them.
    """

    outcome: Outcome
    sides: tuple[Side, ...]
    reason: str = ""

    @property
    def is_filtered(self) -> bool:
        """Whether rules of layer 7 may deny some of what is allowed."""
        allowed = self.outcome is Outcome.ALLOWED
        return allowed and any(side.filtered_by for side in self.sides)

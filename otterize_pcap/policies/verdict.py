"""Whether enough was seen of a workload, and the reasons: values, and what may be asked of them."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.policies.network_policy import EGRESS, INGRESS

BOTH = (INGRESS, EGRESS)


class ReasonKind(StrEnum):
    """What a reason speaks of."""

    OBSERVED = "observed"
    CAPTURES = "captures"
    RESTART = "restart"
    GAPS = "gaps"
    UNDECIDED = "undecided"
    ATTEMPTS = "attempts"
    LOOKUPS = "lookups"
    PORTS = "ports"
    EXPOSED = "exposed"
    OUTSIDE = "outside"
    QUIET = "quiet"
    SELECTOR = "selector"
    HOST_NETWORK = "host-network"


ACCEPTABLE = (
    ReasonKind.GAPS,
    ReasonKind.UNDECIDED,
    ReasonKind.ATTEMPTS,
    ReasonKind.EXPOSED,
)
"""What leaves a direction out unless somebody accepts it."""


class Gates(Struct, frozen=True):
    """What is asked of an observation beyond what always is; times in ns.

    `accepted` are kinds of `ACCEPTABLE` that leave nothing out.
    """

    min_observed_ns: int = 0
    min_captures: int = 0
    restart: bool = False
    lookups: bool = False
    ports: bool = False
    accepted: frozenset[ReasonKind] = frozenset()


NO_GATES = Gates()


class Reason(Struct, frozen=True):
    """Something to know of an observation; `leaves_out` are the directions that it leaves out."""

    kind: ReasonKind
    text: str
    leaves_out: tuple[str, ...] = ()


class Verdict(Struct, frozen=True):
    """How much was seen of a workload: `hours` of the day (UTC) are those in which it was seen."""

    observed_ns: int
    captures: int
    hours: tuple[int, ...]
    pods: int
    nodes: tuple[str, ...]
    restarted: bool
    reasons: tuple[Reason, ...]

    def is_known(self, direction: str) -> bool:
        """Whether what was seen of a direction may become a policy."""
        return not any(direction in reason.leaves_out for reason in self.reasons)

    def with_reason(self, reason: Reason) -> "Verdict":
        """The same with one more."""
        return replace(self, reasons=(*self.reasons, reason))

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions that may become a policy."""
        return tuple(direction for direction in BOTH if self.is_known(direction))

"""What became of a connection: shown, hidden by an option, or not known, and why.

Graph JSON, the summary and `explain` have a fate as a text, `kind` or `kind: reason`; this module
is the only one that makes that text or takes it apart.
"""

from enum import StrEnum

from msgspec import Struct


class FateKind(StrEnum):
    """What is asked of a fate.

    A `HIDDEN` connection is left out by an option; both ends are known, unless it is the time that
    was asked for. `NOT_A_CALL` and
    `EXTERNAL_CLIENT` cannot be calls of a workload; of all others an end is not known. `OTHER` is
    what a newer version wrote into graph JSON.
    """

    RESOLVED = "resolved"
    HIDDEN = "hidden"
    UNRESOLVED = "unresolved"
    AMBIGUOUS = "ambiguous"
    UNDIRECTED = "undirected"
    NOT_A_CALL = "not a call"
    EXTERNAL_CLIENT = "external client"
    OTHER = ""


_WITH_REASON = frozenset(
    (FateKind.HIDDEN, FateKind.UNRESOLVED, FateKind.UNDIRECTED, FateKind.NOT_A_CALL)
)
_ALONE = frozenset((FateKind.RESOLVED, FateKind.AMBIGUOUS, FateKind.EXTERNAL_CLIENT))


class Fate(Struct, frozen=True):
    """A kind and, where the kind does not say it all, the reason; of `OTHER` the whole text.

    Fates are in the order of their texts.
    """

    kind: FateKind
    reason: str = ""

    def __str__(self) -> str:
        """The text that documents and people read."""
        if self.kind is FateKind.OTHER:
            return self.reason
        return f"{self.kind}: {self.reason}" if self.kind in _WITH_REASON else str(self.kind)

    def __lt__(self, other: "Fate") -> bool:
        """Whether this text comes before the other's."""
        return str(self) < str(other)


def parse_fate(text: str) -> Fate:
    """The fate that a text says; a text that this version never writes is kept as `OTHER`."""
    if text in _ALONE:
        return Fate(FateKind(text))
    kind, colon, reason = text.partition(": ")
    if colon and kind in _WITH_REASON:
        return Fate(FateKind(kind), reason)
    return Fate(FateKind.OTHER, text)

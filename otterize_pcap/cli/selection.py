"""What the shared options say, as one value each: what is read and kept, and what is reported."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from otterize_pcap.errors import UsageError
from otterize_pcap.graph.filters import GraphFilter
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.identity import NamedBy
from otterize_pcap.table.read import ReadOptions


class Selection(Struct, frozen=True):
    """The snapshot given for all captures, how captures are understood, and what is kept.

    `named_by` is the owner that was asked for, None where it is the command's choice.
    """

    snapshots: Sequence[Path] = ()
    rules: Rules = field(default_factory=Rules)
    wanted: GraphFilter = field(default_factory=GraphFilter)
    reading: ReadOptions = field(default_factory=ReadOptions)
    named_by: NamedBy | None = None

    def by_pods(self, *, wanted: bool) -> "Selection":
        """The same with pods named by themselves, if that is wanted.

        Raises:
            UsageError: It was said to name them otherwise.
        """
        if not wanted:
            return self
        if self.named_by not in (None, NamedBy.POD):
            message = f"--pods and --owner {self.named_by} contradict each other; drop one of them"
            raise UsageError(message)
        return replace(self, rules=replace(self.rules, owner=NamedBy.POD))

    @property
    def behind(self) -> "Selection":
        """The same with the pods behind each call, and the labels of workloads."""
        inclusion = replace(self.rules.inclusion, behind=True)
        return replace(self, rules=replace(self.rules, inclusion=inclusion))

    @property
    def by_makers(self) -> "Selection":
        """The same with pods named by who made them, unless it was said how to name them.

        What owns that in turn is known to some snapshots only, and no comparison may depend on it.
        """
        if self.named_by is not None:
            return self
        return replace(self, rules=replace(self.rules, owner=NamedBy.NEAREST))


class Reporting(Struct, frozen=True):
    """What a command says on stderr beside its result, and whether damage is a failure."""

    quiet: bool = False
    verbose: bool = False
    strict: bool = False

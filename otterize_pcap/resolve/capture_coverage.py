"""What a capture could show, and what became of all that it did: the graph's `Coverage`."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from otterize_pcap.connections.grouped import GroupedConnections
from otterize_pcap.graph.fate import Fate
from otterize_pcap.graph.service_graph import Coverage, External, FileCoverage, Workload
from otterize_pcap.resolve.blind_spots import with_workloads
from otterize_pcap.resolve.capture_lookup import CaptureLookup
from otterize_pcap.resolve.naming_notes import merged_notes
from otterize_pcap.resolve.notes import clock_notes, hands_notes, snapshot_notes, unrecorded_notes
from otterize_pcap.resolve.resolution import AMBIGUOUS, AnyResolution, Resolved
from otterize_pcap.resolve.told_apart import ends_outside, shared_addresses
from otterize_pcap.resolve.tunnel_ends import TunnelEnds
from otterize_pcap.resolve.undecided import AGELESS, find_undecided, untimed_calls

IN_FORGED = "inside a tunnel, but sent by a pod as well: forged"


class Outcome(Struct, frozen=True):
    """What became of all connections.

    `covered` are they, as far as coverage speaks of them, in groups where a group says all of them,
    and `fates` how many had each fate. `shown` are the workloads in the graph, `held` those that
    held each pod address.
    """

    covered: Sequence[AnyResolution]
    fates: Counter[Fate]
    shown: Collection[Workload]
    held: Mapping[bytes, frozenset[Workload]]


def is_outside_only(resolution: AnyResolution) -> bool:
    """Whether it goes to a server outside that is known: coverage asks its group for the client."""
    return isinstance(resolution, Resolved) and isinstance(resolution.server, External)


def coverage_of(
    lookup: CaptureLookup, found: GroupedConnections, outcome: Outcome, *, balancers: bool
) -> Coverage:
    """The coverage of a capture; `balancers` says that Services outside may be known by name."""
    contents, fates = lookup.contents, Counter(outcome.fates)
    if found.ageless:
        fates[AGELESS] += len(found.ageless)
    skipped = Counter(contents.skipped)
    if found.left_out_packets:
        skipped[IN_FORGED] += found.left_out_packets
    return Coverage(
        connections=tuple(sorted(fates.items())),
        skipped=tuple(sorted(skipped.items())),
        notes=(
            *_notes(lookup, found, fates[AMBIGUOUS]),
            *merged_notes(lookup.identities, outcome.shown),
        ),
        undecided=(
            *find_undecided(
                outcome.covered,
                attempts=lookup.rules.inclusion.attempts,
                balancers=balancers,
                tunnels=bool(contents.closed),
            ),
            *untimed_calls(found.ageless, outcome.held, lookup.is_outside),
        ),
        shared=shared_addresses(outcome.held),
        outside=ends_outside(outcome.covered, lookup.snapshot),
        aside=contents.aside,
        # Last, because they may be waited for.
        files=contents.files,
        nodes=with_workloads(
            contents.coverage_nodes, contents.files, lookup.snapshot, lookup.identities
        ),
    )


def _notes(lookup: CaptureLookup, found: GroupedConnections, ambiguous: int) -> Iterator[str]:
    """What a reader must know to trust the graph."""
    contents = lookup.contents
    yield from contents.notes
    if contents.logged is not None:
        # A log names pods when it sees them; a snapshot is asked for the rest.
        if lookup.snapshot.where:
            yield from snapshot_notes(lookup.snapshot, contents.files_read, lookup.rules.slack_ns)
        return
    yield from clock_notes(found.offsets, found.other_readings)
    yield from snapshot_notes(lookup.snapshot, contents.files_read, lookup.rules.slack_ns)
    yield from hands_notes(lookup.hands, ambiguous, lookup.snapshot)
    yield from unrecorded_notes(
        lookup.snapshot,
        {each.node for each in contents.recordings if each.files},
        {each.name for each in contents.coverage_nodes},
        last_ns(contents.files_read),
    )
    ends = TunnelEnds(lookup.snapshot, contents.nodes)
    opened = any(any(each.table.paths) for each in contents.recordings if each.table is not None)
    yield from ends.notes(contents.closed, opened=opened)


def last_ns(files: Iterable[FileCoverage]) -> int | None:
    """When the last packet came."""
    return max((file.last_ns for file in files if file.last_ns is not None), default=None)

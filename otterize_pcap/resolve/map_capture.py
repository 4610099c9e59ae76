"""One capture → its resolved connections and service graph: the stages in order."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property

from msgspec.structs import replace

from otterize_pcap.connections.clocks import ClockFacts
from otterize_pcap.connections.grouped import GroupedConnections
from otterize_pcap.connections.legs import leg_order
from otterize_pcap.graph.fate import Fate
from otterize_pcap.graph.service_graph import (
    Coverage,
    ServiceGraph,
    Workload,
)
from otterize_pcap.resolve.alike_stands import alike_groups, may_count_as_one
from otterize_pcap.resolve.belonging import refuse_strangers
from otterize_pcap.resolve.build_graph import build_calls, count_fates
from otterize_pcap.resolve.capture import Capture
from otterize_pcap.resolve.capture_coverage import Outcome, coverage_of, is_outside_only, last_ns
from otterize_pcap.resolve.capture_lookup import DEFAULT_RULES, CaptureLookup, Rules
from otterize_pcap.resolve.cluster_dns import ClusterDns
from otterize_pcap.resolve.holders import Holders
from otterize_pcap.resolve.identity import Identities, NamedBy, held_by_workloads
from otterize_pcap.resolve.logged_ends import LoggedEnds
from otterize_pcap.resolve.lookups import Lookup, add_lookups, find_lookups
from otterize_pcap.resolve.naming_notes import inferred_names, workloads_of
from otterize_pcap.resolve.outside_naming import OutsideNaming
from otterize_pcap.resolve.resolution import (
    AnyResolution,
    GroupResolution,
    Resolution,
    of_one,
)
from otterize_pcap.resolve.single_groups import single_groups
from otterize_pcap.resolve.stands import StandResolver
from otterize_pcap.resolve.tunnel_answers import TunnelAnswers
from otterize_pcap.resolve.workload_labels import labels_of_workloads
from otterize_pcap.snapshot.snapshot import Snapshot


class MappedCapture:
    """Every connection of a capture with what became of it, and the graph they make.

    Raises `MismatchError` where capture and snapshot do not belong together (S13).

    Connections that resolve alike are groups; `select` looks at each one of those asked for.
    """

    def __init__(self, capture: Capture, rules: Rules) -> None:
        self._capture = capture
        self._lookup = CaptureLookup(capture, rules)
        contents = self._lookup.contents
        if not rules.force:
            refuse_strangers(
                contents.recordings,
                contents.coverage_nodes,
                contents.snapshot,
                contents.nodes,
                contents.dumps,
            )
        within = rules.time.within(last_ns(contents.files_read))
        self._found = GroupedConnections(
            contents.recordings,
            self._lookup.routes,
            contents.dumps,
            ClockFacts(contents.clocks_ahead, self._lookup.hands.settle),
            self._lookup.believes,
            ranges=self._lookup.port_ranges(),
            borders=self._lookup.borders(),
            within=within,
            threads=contents.threads,
        )
        self.offsets: Mapping[str, int] = self._found.offsets
        self.resolver = self._lookup.resolver(self._found.other_readings)
        self._stands = StandResolver(self.resolver)
        self._outside = OutsideNaming(self._lookup, self.offsets, self.resolver)
        self.cluster_dns: ClusterDns = self._lookup.cluster_dns
        self.inclusion = replace(rules.inclusion, within=within)
        self.clocks_disagree = bool(self._found.other_readings)

    @property
    def lookup(self) -> CaptureLookup:
        """What it was resolved against."""
        return self._lookup

    @cached_property
    def groups(self) -> list[GroupResolution]:
        """The groups of connections, with what becomes of each, within the time asked for."""
        return list(filter(self._is_within, self._judged))

    @cached_property
    def odd(self) -> list[Resolution]:
        """What becomes of each connection that is in no group, within the time asked for."""
        return list(filter(self._is_within, self._judged_odd))

    @cached_property
    def _judged(self) -> list[GroupResolution]:
        return [self._answers.judge(each) for each in self._of_groups]

    @cached_property
    def _judged_odd(self) -> list[Resolution]:
        return [*(self._answers.judge(each) for each in self._of_odd), *self._of_logs]

    def _is_within(self, resolution: Resolution | GroupResolution) -> bool:
        """Whether a connection touches the time asked for; of a group all do, or none."""
        within, seen = self.inclusion.within, resolution.connection
        return within is None or within.touches(seen.first_ns, seen.last_ns, 0)

    @cached_property
    def _of_groups(self) -> list[GroupResolution]:
        return [self._stands.resolve(group) for group in self._found.groups]

    @cached_property
    def _to_count(self) -> list[GroupResolution]:
        """The groups, in as few as counting can do with."""
        if self._lookup.contents.closed or not may_count_as_one(self.inclusion):
            return self._judged
        return alike_groups(self._found, self._stands, self.cluster_dns, self.snapshot)

    @cached_property
    def _of_odd(self) -> list[Resolution]:
        return [self._outside.named(self.resolver.resolve(each)) for each in self._found.odd]

    @cached_property
    def _of_logs(self) -> list[Resolution]:
        """Connections of flow logs: the log names their ends, and the domain names outside."""
        logged = self._lookup.contents.logged
        if logged is None:
            return []
        ends = LoggedEnds(self.snapshot, self.identities, self.resolver, logged.answers)
        by_name = self._lookup.rules.inclusion.internet
        return [ends.shown(each, by_name=by_name) for each in logged.connections]

    @cached_property
    def _answers(self) -> TunnelAnswers:
        return TunnelAnswers(self._lookup.contents.closed, (*self._of_groups, *self._of_odd))

    @cached_property
    def lookups(self) -> tuple[Lookup, ...]:
        """Every answer of DNS to a pod about a Service."""
        names = self._lookup.names(self.offsets)
        holders = Holders(self.resolver.holder, self._lookup.routes.client_changes)
        return tuple(find_lookups(names, self._lookup.snapshot, holders))

    @cached_property
    def held(self) -> Mapping[bytes, frozenset[Workload]]:
        """Which workloads held each pod address, at any time; see `held_by_workloads`."""
        return held_by_workloads(self._lookup.snapshot, self._lookup.identities)

    def changes_of_hands(self, address: bytes) -> list[tuple[int, int]]:
        """When packets show an address to have got another pod: after one time, by the other."""
        return self._lookup.hands.moments(address)

    @property
    def snapshot(self) -> Snapshot:
        """Who had which address when."""
        return self._lookup.snapshot

    @property
    def identities(self) -> Identities:
        """Whose pods they were."""
        return self._lookup.identities

    @property
    def shapes(self) -> int:
        """How often the rules ran."""
        return self._found.shapes

    @cached_property
    def resolutions(self) -> tuple[Resolution, ...]:
        """What becomes of every connection, by the time at which it began."""
        every = self.select(lambda _: True)
        return tuple(sorted(every, key=lambda each: leg_order(each.connection.legs[0])))

    @property
    def rules(self) -> Rules:
        """How it was mapped."""
        return self._lookup.rules

    def under(self, rules: Rules) -> "MappedCapture":
        """The same capture, mapped by other rules."""
        return MappedCapture(self._capture, rules)

    def select(
        self,
        wanted: Callable[[AnyResolution], bool],
        addresses: Collection[bytes] | None = None,
    ) -> Iterator[Resolution]:
        """What becomes of each connection that is wanted, as its group or by a name of its own.

        An end of a group can be an example of many (`Stand.is_example`): then it is wanted if any
        address could be. With `addresses`, two at most, nothing is wanted that lacks one of them.
        """

        def could_be(resolution: GroupResolution) -> bool:
            return wanted(resolution) or self._outside.may_name(resolution)

        yield from filter(wanted, self._each(could_be, addresses))
        yield from filter(wanted, self._judged_odd)

    def addressed(self) -> Iterator[AnyResolution]:
        """All connections asked for, in groups as far as a group tells the addresses of each."""

        def is_vague(resolution: GroupResolution) -> bool:
            seen = resolution.connection
            is_example = seen.client.is_example or seen.server.is_example
            return is_example or self._outside.may_name(resolution)

        yield from self.odd
        yield from (resolution for resolution in self.groups if not is_vague(resolution))
        yield from self._each(lambda each: is_vague(each) and self._is_within(each))

    def _each(
        self,
        wanted: Callable[[GroupResolution], bool],
        addresses: Collection[bytes] | None = None,
    ) -> Iterator[Resolution]:
        """Each connection of the groups that are wanted; see `select`."""
        chosen = {
            resolution.connection.number: resolution
            for resolution in self._judged
            if wanted(resolution)
        }
        for number, connection in self._found.connections(chosen.keys(), addresses):
            yield self._outside.named(of_one(chosen[number], connection))

    @cached_property
    def graph(self) -> ServiceGraph:
        """The service graph."""
        lookup, rules = self._lookup, self._lookup.rules
        covered: list[AnyResolution] = []
        calls, fates, hidden = build_calls(
            self._counted(covered), self.inclusion, lookup.cluster_dns
        )
        if rules.inclusion.lookups:
            calls = add_lookups(calls, self.lookups, self.inclusion.within)
        shown = workloads_of(calls)
        by_root = rules.owner == NamedBy.ROOT
        return ServiceGraph(
            calls,
            self._coverage(covered, fates, shown),
            hidden,
            inferred_names(lookup.identities, shown),
            roots=() if by_root else lookup.owners,
            parts=lookup.owners if by_root else (),
            labels=labels_of_workloads(lookup.snapshot, lookup.identities, shown)
            if rules.inclusion.behind
            else (),
        )

    @cached_property
    def coverage(self) -> Coverage:
        """That of the graph, for who asks for no calls: they would take longer than all else."""
        if self.inclusion.lookups and self.graph.coverage is not None:
            return self.graph.coverage
        covered: list[AnyResolution] = []
        fates, shown = count_fates(self._counted(covered), self.inclusion, self._lookup.cluster_dns)
        return self._coverage(covered, fates, shown)

    def _coverage(
        self,
        covered: Sequence[AnyResolution],
        fates: Counter[Fate],
        shown: Collection[Workload],
    ) -> Coverage:
        outcome = Outcome(covered, fates, shown, self.held)
        return coverage_of(
            self._lookup, self._found, outcome, balancers=self._outside.has_balancers
        )

    def _counted(self, covered: list[AnyResolution]) -> Iterator[AnyResolution]:
        """All connections, in groups as far as a group says all; `covered` gets those of coverage.

        A million connections to as many servers outside, each with its packets, are not held.
        """
        groups = self._to_count
        single = single_groups(groups, self._found.stands, self._outside)
        if single:
            groups = [each for each in groups if each.connection.number not in single]
        whole = (*self._judged_odd, *groups)
        covered += (*whole, *filter(is_outside_only, single.values()))
        yield from whole
        if single:
            for one in self._each(lambda each: each.connection.number in single):
                if not is_outside_only(one):
                    covered.append(one)
                yield one


def map_capture(capture: Capture, rules: Rules = DEFAULT_RULES) -> MappedCapture:
    """Join, direct and resolve every connection of a capture."""
    return MappedCapture(capture, rules)


def graph_capture(capture: Capture, rules: Rules = DEFAULT_RULES) -> ServiceGraph:
    """The service graph of a capture."""
    return MappedCapture(capture, rules).graph

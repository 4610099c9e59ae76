"""Tables of one capture → all its connections, those that resolve alike as one group.

Components of rows are written as shapes, rules run once a shape (`verdicts`), and what they say is
multiplied by whoever counts: `_components.pyx`, or `components.py` where that was not built. What
has no shape is *odd* and looked at row by row, by the same rules (`connect`).
"""

import os
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeGuard

from otterize_pcap.connections.any_clock import AnyClock, CapturedSnapshot
from otterize_pcap.connections.clocks import (
    ClockFacts,
    Readings,
    other_readings,
    relative_offsets,
)
from otterize_pcap.connections.connect import Connection, connect
from otterize_pcap.connections.conntrack import Dump
from otterize_pcap.connections.conntrack_flows import related_sightings
from otterize_pcap.connections.conntrack_only import ageless_entries, tracked_recordings
from otterize_pcap.connections.counted_groups import NumberedGroup, families, groups_of
from otterize_pcap.connections.legs import Leg, Recording
from otterize_pcap.connections.listed import ListedConnection
from otterize_pcap.connections.port_ranges import Ranges
from otterize_pcap.connections.shapes import LIMITS
from otterize_pcap.connections.sightings import sightings_of
from otterize_pcap.connections.stands import AT_ADDRESSES, EVERY, ConnectionGroup, Stand
from otterize_pcap.connections.surveyed import surveyed
from otterize_pcap.connections.verdicts import Verdicts
from otterize_pcap.intervals import Interval
from otterize_pcap.packets.packet import Tunnel
from otterize_pcap.table.chunk import FAST_PATH, ReadOptions, Table, new_table
from otterize_pcap.table.reading import SECRET_BYTES

if TYPE_CHECKING:
    from array import array

    from otterize_pcap.connections.components import Components

if FAST_PATH:
    from otterize_pcap.connections._alike import added_up
    from otterize_pcap.connections._components import Components as FastComponents
    from otterize_pcap.table._fastpath import FastTable


class GroupedConnections:
    """All connections of one capture.

    Args:
        recordings: The nodes' recordings, all with compiled tables or all without.
        snapshot: What the snapshot says.
        dumps: Conntrack dumps of the nodes.
        clocks: What is known of the nodes' clocks.
        believed: Whether what came through a tunnel path counts (S25).
        listed: Whether `listing` will be asked for.
        ranges: The ephemeral ports that nodes saved, by address (S35).
        borders: Addresses, in order, such that clients of whom the snapshot knows nothing resolve
            alike where no border lies between them: they are grouped. None where none are.
        within: A time of which all or none of the connections of each group touch; None for any.
        threads: How many may count at once.
    """

    def __init__(  # noqa: PLR0913 - what may be known of a capture, by name
        self,
        recordings: Sequence[Recording],
        snapshot: CapturedSnapshot,
        dumps: Sequence[Dump] = (),
        clocks: ClockFacts | None = None,
        believed: Callable[[tuple[Tunnel, ...]], bool] = lambda _: True,
        *,
        listed: bool = False,
        ranges: Ranges | None = None,
        borders: Sequence[bytes] | None = None,
        within: Interval | None = None,
        threads: int = 1,
    ) -> None:
        self._snapshot: CapturedSnapshot = snapshot
        self._ranges = ranges or {}
        self._borders = borders
        self._within = within
        self._listed = listed
        self._components = _components_of([each.table for each in recordings], believed, threads)
        shows = self._components.shows
        self.ageless = ageless_entries(dumps, lambda ends: shows(*ends))
        self._recordings = [*recordings]
        for tracked in tracked_recordings(dumps, lambda ends: shows(*ends)):
            table = new_table(
                ReadOptions(fast=_is_fast(self._components)), os.urandom(SECRET_BYTES)
            )
            for row in tracked.rows:
                table.append_row(row)
            self._components.add_table(table)  # type: ignore[arg-type] # of the same kind
            self._recordings.append(tracked)
        self.offsets, self.other_readings = self._measured_offsets(clocks)
        if self.other_readings:
            self._snapshot = AnyClock(snapshot, self.other_readings)
        self._sightings = related_sightings(
            sightings_of(dumps, self.offsets), lambda ends: shows(*ends)
        )
        self._files = sorted({file for each in self._recordings for file in each.files})
        self._verdicts = Verdicts()
        self._join()

    def _measured_offsets(self, known: ClockFacts | None) -> Readings:
        """How far each clock was off, and by how much times would be later by another (S12)."""
        nodes = sorted({recording.node for recording in self._recordings})
        places = [nodes.index(recording.node) for recording in self._recordings]
        differences = {
            (nodes[one], nodes[other]): found
            for (one, other), found in self._components.clock_differences(places).items()
        }
        known = known or ClockFacts()
        return known.settle(
            relative_offsets(differences, nodes, known.ahead),
            other_readings(differences, nodes, known.ahead),
        )

    def _join(self) -> None:
        ranks = {file: rank for rank, file in enumerate(self._files)}
        self._components.join(
            [self.offsets.get(each.node, 0) for each in self._recordings],
            [each.first_ns for each in self._recordings],
            [[ranks[file] for file in each.files] for each in self._recordings],
            [
                (
                    one.protocol,
                    (one.client, one.target, one.server, one.reply_to),
                    one.time_ns,
                    one.tells_last,
                    one.assured,
                    one.began_within,
                )
                for one in self._sightings
            ],
            self._snapshot,
            os.urandom(SECRET_BYTES),
            self._ranges,
            self._borders,
            None if self._within is None else (self._within.start_ns, self._within.end_ns),
        )
        self._components.count(self._verdicts.judge, self._listed)

    @property
    def shapes(self) -> int:
        """How many shapes there were: as often the rules ran."""
        return self._components.shapes()

    @property
    def left_out_packets(self) -> int:
        """Packets inside tunnels that are not believed."""
        return self._components.left_out_packets

    @cached_property
    def stands(self) -> list[Stand]:
        """What groups refer to."""
        found = []
        for number, (side, first_ns, last_ns) in enumerate(self._components.stands()):
            clients, protocol, servers, is_example = self._components.side(side)
            found.append(
                Stand(
                    number,
                    protocol,
                    tuple((address, 0) for address in clients),
                    servers,
                    first_ns,
                    last_ns,
                    is_example,
                )
            )
        return found

    @cached_property
    def groups(self) -> list[ConnectionGroup]:
        """All connections that have a shape, counted."""
        numbered = enumerate(self._components.groups.all_groups())
        return self._groups_of((number, counted, ()) for number, counted in numbered)

    def added_up(self, clients: "array[int]", servers: "array[int]") -> list[ConnectionGroup]:
        """The same in fewer groups, where there is a compiled part to add up what is one.

        Args:
            clients: For each stand the number of those that count as one client; 0 for none.
            servers: The same of servers.
        """
        if _is_fast(self._components):
            kinds = families(self._verdicts.classes)
            return self._groups_of(added_up(self._components.groups, clients, servers, kinds))
        return self.groups

    def _groups_of(self, numbered: Iterable[NumberedGroup]) -> list[ConnectionGroup]:
        return groups_of(numbered, self._verdicts.classes, self.stands, self._files)

    @cached_property
    def odd(self) -> list[Connection]:
        """The connections of rows that have no shape."""
        if not self._components.has_odd_rows():
            return []
        left = [
            Recording(each.files, each.node, tuple(self._components.odd_rows(place)), each.first_ns)
            for place, each in enumerate(self._recordings)
        ]
        survey = partial(surveyed, self._components)
        return connect(left, self._snapshot, self._sightings, self.offsets, survey)

    def connections(
        self, wanted: Container[int], addresses: Collection[bytes] | None = None
    ) -> Iterator[tuple[int, Connection]]:
        """Each connection of some groups, with the group's number.

        Of a group with an example (`Stand.is_example`), those alone that have each of `addresses`,
        of which there are two at most; all where that is None.
        """

        def flag_of(group: ConnectionGroup) -> int:
            is_vague = addresses is not None and (
                group.client.is_example or group.server.is_example
            )
            return (AT_ADDRESSES if is_vague else EVERY) if group.number in wanted else 0

        flags = bytes(map(flag_of, self.groups))
        if not any(flags):
            return
        for found in self._components.connections(flags, addresses or ()):
            number, clients, servers, first_ns, last_ns, sent, packets, sizes, syns, legs = found
            kind = self.groups[number].kind
            yield (
                number,
                Connection(
                    protocol=kind.protocol,
                    clients=clients,
                    servers=servers,
                    rule=kind.rule,
                    outcome=kind.outcome,
                    first_ns=first_ns,
                    last_ns=last_ns,
                    client_sent=sent[0],
                    server_sent=sent[1],
                    packets=packets,
                    bytes=sizes,
                    syns=syns,
                    legs=tuple(
                        Leg(self._recordings[place], row, began_ns, ended_ns)
                        for place, row, began_ns, ended_ns in legs
                    ),
                    joined_by=kind.joined_by,
                    testimony=kind.testimony,
                ),
            )

    def listing(self) -> Iterator[ListedConnection]:
        """All connections that have a shape, by time, file and packet; nothing is kept."""
        kinds = [(kind.protocol, kind.rule.value, kind.outcome) for kind in self._verdicts.classes]
        return self._components.listing(kinds, self._files)


def _components_of(
    tables: Sequence[Table | None], believed: Callable[[tuple[Tunnel, ...]], bool], threads: int
) -> "FastComponents | Components":
    """The components of tables of one kind; without any, there is nothing to be slow with."""
    if FAST_PATH:
        compiled = [table for table in tables if isinstance(table, FastTable)]
        if len(compiled) == len(tables):
            return FastComponents(compiled, believed, LIMITS, threads)
    # Nobody else needs the modules that the compiled ones stand for.
    from otterize_pcap.connections.components import Components  # noqa: PLC0415

    return Components([table for table in tables if table is not None], believed, LIMITS)


def _is_fast(components: "FastComponents | Components") -> "TypeGuard[FastComponents]":
    return FAST_PATH and isinstance(components, FastComponents)

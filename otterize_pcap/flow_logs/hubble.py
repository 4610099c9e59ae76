"""Hubble's flows (`hubble observe -o json` or `jsonpb`, the agent's exporter) → flows.

Fields and meaning are those of Cilium's API: api/v1/flow/flow.proto, api/v1/observer/observer.proto
and api/v1/relay/relay.proto, in JSON as protobuf writes it with proto field names. A line is what
`GetFlows` answers, `{"flow": …}`, `{"lost_events": …}` or `{"node_status": …}`; releases before
0.9 wrote the flow bare.
"""

from typing import Any

from otterize_pcap.connections.rule import Rule
from otterize_pcap.flow_logs.fields import Fields
from otterize_pcap.flow_logs.flow import (
    DESTINATION,
    SOURCE,
    Answer,
    Flow,
    LoggedEnd,
    LogRecords,
    Shows,
    Translation,
)
from otterize_pcap.flow_logs.hubble_ends import end_of, node_name
from otterize_pcap.packets.protocols import PROTOCOL_NUMBERS, TCP
from otterize_pcap.table.rows import Endpoint

EVENTS = ("lost_events", "node_status", "agent_event", "debug_event")
"""What a line can be beside a flow."""
MOST_KEPT = 1 << 16
"""Ends that are kept to be known again; clients' ports make many."""
UNAVAILABLE = frozenset(("NODE_UNAVAILABLE", "NODE_GONE", "NODE_ERROR"))
SOCKET = "SOCK"
PASSED_ON = frozenset(("SOCK_XLATE_POINT_POST_DIRECTION_FWD", "SOCK_XLATE_POINT_PRE_DIRECTION_FWD"))

_FLAGS = (
    ("FIN", Shows.CLOSES | Shows.GOES_ON),
    ("RST", Shows.CLOSES | Shows.RESETS),
    ("PSH", Shows.GOES_ON),
)


class HubbleReader:
    """Reads the records of one file, in any order."""

    def __init__(self, found: LogRecords) -> None:
        self._found = found
        self._ends: dict[tuple[object, ...], LoggedEnd] = {}
        self._asked: dict[tuple[str, str], tuple[bytes, str, int]] = {}
        self._given: dict[tuple[str, str], tuple[bytes, LoggedEnd, int]] = {}

    def read(self, record: dict[str, Any], line: int) -> None:
        """Take in one line."""
        found = self._found
        outer = Fields(record, "$", found.odd)
        if isinstance(record.get("flow"), dict):
            self._flow(outer.object("flow"), outer, line)
        elif "lost_events" in record:
            found.lost += outer.object("lost_events").number("num_events_lost") or 0
            found.pass_over_event("lost_events")
        elif "node_status" in record:
            self._node_status(outer.object("node_status"))
        elif event := next((each for each in EVENTS if each in record), None):
            found.pass_over_event(event)
        elif "verdict" in record or "IP" in record or "Type" in record:
            self._flow(outer, outer, line)
        else:
            found.pass_over("that is no flow")

    def finish(self) -> None:
        """Put socket translations together: what was asked for, and what was given."""
        for key, (client, server, time_ns) in sorted(self._given.items()):
            asked = self._asked.get(key)
            if asked is None or asked[0] != client or not asked[1]:
                continue
            translation = Translation(client, asked[1], server.endpoint, asked[2], time_ns)
            self._found.translations.append(translation)

    def _node_status(self, status: Fields) -> None:
        self._found.pass_over_event("node_status")
        if status.text("state_change") in UNAVAILABLE:
            why = status.text("message") or status.text("state_change")
            for name in status.texts("node_names"):
                self._found.unavailable[node_name(name)] = why

    def _flow(self, flow: Fields, outer: Fields, line: int) -> None:
        found, addresses = self._found, flow.object("IP")
        time_ns = _time(flow, outer)
        protocol, ports, shows = _layer_4(flow.object("l4"))
        source, destination = addresses.address("source"), addresses.address("destination")
        if time_ns is None:
            found.pass_over("without a time")
            return
        found.note_time(time_ns)
        if source is None or destination is None:
            found.pass_over("without addresses")
            return
        if protocol is None:
            found.pass_over_protocol()
            return
        node = flow.text("node_name") or outer.text("node_name")
        ends = (
            self._end(flow, "source", (source, ports[0]), node),
            self._end(flow, "destination", (destination, ports[1]), node),
        )
        if flow.text("Type") == SOCKET:
            self._socket(flow, ends, protocol, time_ns)
            return
        self._dns(flow, ends[1], time_ns)
        client, rule = _direction(flow, protocol, shows)
        shows |= _verdict(flow)
        found.flows.append(
            Flow(
                *ends,
                protocol=protocol,
                first_ns=time_ns,
                last_ns=time_ns,
                client=client,
                rule=rule,
                shows=shows,
                node=node_name(node),
                view=node_name(node),
                file=found.file,
                line=line,
            )
        )

    def _end(self, flow: Fields, side: str, endpoint: Endpoint, node: str) -> LoggedEnd:
        service = flow.object(f"{side}_service")
        names = flow.texts(f"{side}_names")
        told = flow.object(side)
        # A log tells the same few ends again and again: to look at each takes half of the time.
        key = (endpoint, node, told.key, service.key, tuple(names))
        end = self._ends.get(key)
        if end is None:
            if len(self._ends) >= MOST_KEPT:
                self._ends.clear()
            end = self._ends[key] = end_of(told, service, names, endpoint, node)
        return end

    def _socket(
        self, flow: Fields, ends: tuple[LoggedEnd, LoggedEnd], protocol: int, time_ns: int
    ) -> None:
        """What a pod's socket asked for, or what it was given; its packets have flows of their own.

        Both have the socket's cookie. The source has no port, and there is no reply to tell.
        """
        self._found.pass_over_event("socket translation")
        point, cookie = flow.text("sock_xlate_point"), flow.text("socket_cookie")
        if point not in PASSED_ON or not cookie:
            return
        node = flow.text("node_name")
        client, server = ends
        if point.startswith("SOCK_XLATE_POINT_PRE"):
            self._asked[node, cookie] = client.address, server.service, protocol
        elif flow.text("verdict") == "TRANSLATED":
            self._given[node, cookie] = client.address, server, time_ns

    def _dns(self, flow: Fields, asker: LoggedEnd, time_ns: int) -> None:
        """What DNS told: the addresses of an answer that Cilium's proxy saw."""
        answer = flow.object("l7").object("dns")
        if "query" not in answer or flow.flag("is_reply") is not True:
            return
        addresses = []
        for text in answer.texts("ips"):
            told = Fields({"ip": text}, "$.flow.l7.dns.ips", self._found.odd)
            address = told.address("ip")
            if address is not None:
                addresses.append(address)
        if addresses:
            name = answer.text("query").rstrip(".").lower()
            self._found.answers.append(Answer(asker.address, name, tuple(addresses), time_ns))


def _time(flow: Fields, outer: Fields) -> int | None:
    """When it was seen, as the flow or what it came in says."""
    time_ns = flow.time("time")
    return outer.time("time") if time_ns is None else time_ns


def _layer_4(l4: Fields) -> tuple[int | None, tuple[int, int], int]:
    """Protocol, ports of source and destination, and what TCP's flags show."""
    for name, protocol in PROTOCOL_NUMBERS.items():
        if name not in l4:
            continue
        segment = l4.object(name)
        ports = segment.port("source_port"), segment.port("destination_port")
        if protocol != TCP or "flags" not in segment:
            return protocol, ports, 0
        flags = segment.object("flags")
        shows = Shows.FLAGGED
        for flag, what in _FLAGS:
            shows |= what if flags.flag(flag) else 0
        syn, ack = flags.flag("SYN"), flags.flag("ACK")
        if syn:
            shows |= Shows.ACCEPTS if ack else Shows.OPENS
        elif ack and not shows & Shows.RESETS:
            shows |= Shows.ACKNOWLEDGES
        return protocol, ports, shows
    return None, (0, 0), 0


def _direction(flow: Fields, protocol: int, shows: int) -> tuple[int | None, Rule]:
    """Who of the two is the client, as the flow itself tells.

    `is_reply` is null where Cilium does not know it, as of what was dropped. `reply`, which it
    replaced, is false there too.
    """
    reply = flow.flag("is_reply")
    if reply is None and flow.flag("reply"):
        reply = True
    if reply is not None:
        return DESTINATION if reply else SOURCE, Rule.HUBBLE_REPLY
    if protocol == TCP and shows & (Shows.OPENS | Shows.ACCEPTS):
        return DESTINATION if shows & Shows.ACCEPTS else SOURCE, Rule.HUBBLE_FLAGS
    return None, Rule.UNDIRECTED


def _verdict(flow: Fields) -> int:
    """Whether the packet went on, and whether it was a message of an application.

    FORWARDED, REDIRECTED (to the proxy), AUDIT (would be dropped, and was not) and TRACED went on.
    """
    if flow.text("verdict") in ("DROPPED", "ERROR"):
        return Shows.DROPPED
    return Shows.TALKS if flow.text("Type") == "L7" else 0

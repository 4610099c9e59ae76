"""NetObserv's flows: who is the client, what came of it, what is counted, in JSON and CSV."""

from typing import Any

import pytest

from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.flow_logs.connect_flows import connect_logs
from otterize_pcap.resolve.build_graph import Inclusion
from tests.conftest import FIXTURES
from tests.flow_logs.logs import (
    Json,
    as_lines,
    connections,
    edges,
    graph_of,
    read_log,
    summary,
)

FOLDER = FIXTURES / "flow-logs"
STORY = (FOLDER / "netobserv.json").read_bytes()
SYN, ACK, PSH, SYN_ACK, FIN_ACK, RST_ACK = 2, 16, 8, 0x100, 0x200, 0x400
WAY = ("10.0.0.1:40000", "10.0.0.2:5432")


def record(
    flags: int | None = None,
    *,
    turned: bool = False,
    ports: tuple[int, int] = (40000, 5432),
    **more: Any,  # noqa: ANN401 - JSON
) -> Json:
    """What an agent saw from one address to another; `turned`, the other way."""
    way = -1 if turned else 1
    found: Json = {
        **dict(zip(("SrcAddr", "DstAddr"), ("10.0.0.1", "10.0.0.2")[::way], strict=True)),
        **dict(zip(("SrcPort", "DstPort"), ports[::way], strict=True)),
        "Proto": 6,
        "Packets": 3,
        "Bytes": 180,
        "TimeFlowStartMs": 1_795_417_200_000,
        "TimeFlowEndMs": 1_795_417_201_000,
        "AgentIP": "192.168.10.1",
        **more,
    }
    if flags is not None:
        found["Flags"] = flags
    return found


CLIENT, SERVER = record(SYN | ACK | PSH), record(SYN_ACK | ACK | PSH, turned=True)


@pytest.mark.parametrize("name", ["netobserv.json", "netobserv.csv"])
def test_story_has_the_calls_that_were_made(name: str) -> None:
    """The CLI's lines and the console's CSV say the same."""
    assert edges(graph_of((FOLDER / name).read_bytes(), Inclusion(internet=True))) == [
        "checkout -> db 5432/TCP",
        "checkout -> kubernetes 443/TCP",
        "checkout -> 203.0.113.7 443/TCP",
        "web -> checkout 8080/TCP",
    ]


def test_hubble_and_netobserv_tell_one_story() -> None:
    """Who calls whom does not depend on who watched."""
    hubble = graph_of((FOLDER / "hubble.jsonl").read_bytes())
    found = diff_graphs(hubble, graph_of(STORY))
    assert (found.added, found.removed, found.not_seen) == ((), (), ())


def test_service_address_and_pod_are_one_connection() -> None:
    """The client's node saw the Service's address, the server's node the pod (S20)."""
    call = next(call for call in graph_of(STORY).calls if call.client.name == "web")
    (use,) = call.uses
    assert (use.connections, use.services, use.packets) == (1, ("checkout.shop",), (5, 4))


def test_real_records_of_the_console() -> None:
    """Loki's answer, as the console's own tests have it: labels and lines together, seen twice."""
    found = read_log((FOLDER / "netobserv-console.json").read_bytes())
    assert [(flow.packets, flow.bytes, flow.source.pod) for flow in found.flows] == [
        (2, 132, "service-ca-operator-575d5cf89-s8pjm"),
        (2, 1946, ""),
        (2, 1946, ""),
    ]
    assert found.flows[0].source.owners == (("Deployment", "service-ca-operator"),)
    assert [flow.view for flow in found.flows[1:]] == [
        "ip-10-0-1-7.ec2.internal eth0",
        "ip-10-0-1-7.ec2.internal br-ex",
    ]
    counted = connections_of("netobserv-console.json")
    assert [sum(one) for one in counted] == [2, 2]


def connections_of(name: str) -> list[tuple[int, int]]:
    """The packets of each connection in a fixture."""
    found = connect_logs([read_log((FOLDER / name).read_bytes())])
    return [one.connection.packets for one in found]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([CLIENT, SERVER], ("netobserv: Flags", "established"), id="both ways"),
        pytest.param([record(SYN)], ("netobserv: Flags", "unanswered"), id="SYN alone"),
        pytest.param([SERVER], ("netobserv: Flags", "established"), id="the server's side alone"),
        pytest.param(
            [record(SYN), record(RST_ACK, turned=True)],
            ("netobserv: Flags", "refused"),
            id="refused",
        ),
        pytest.param([CLIENT], ("S36", "established"), id="SYN and ACK in one side's sum"),
        pytest.param(
            [record(SYN | ACK), record(SYN | ACK, turned=True)],
            ("S36", "established"),
            id="sums of IPFIX have SYN for both sides",
        ),
        pytest.param(
            [record(ACK, ports=(40000, 443)), record(ACK, ports=(40000, 443), turned=True)],
            ("S35", "established"),
            id="older than the log, by its port",
        ),
        pytest.param(
            [record(ACK, DstK8S_Type="Service", DstK8S_Name="db", DstK8S_Namespace="data")],
            ("netobserv: Service", "unanswered"),
            id="nobody calls from a Service's address",
        ),
        pytest.param(
            [record(None), record(None, turned=True)],
            ("S36", "established"),
            id="without flags",
        ),
        pytest.param(
            [record(SYN, PktDropPackets=3), record(SYN_ACK, turned=True)],
            ("netobserv: Flags", "probed"),
            id="dropped",
        ),
    ],
)
def test_direction_and_outcome(records: list[Json], expected: tuple[str, str]) -> None:
    """What tells client from server, and what came of it."""
    ((_, _, *found),) = summary(records)
    assert tuple(found) == expected


def test_client_is_who_opened() -> None:
    """Whichever side comes first in the log."""
    assert summary([SERVER, CLIENT])[0][:2] == WAY
    assert summary([CLIENT, SERVER])[0][:2] == WAY


def test_counts_are_of_the_observer_that_counted_most() -> None:
    """Stretches of one interface add up; another interface, or node, counts the same packets."""
    records = [
        record(SYN | ACK, Interfaces=["eth0"]),
        record(ACK, Interfaces=["eth0"], TimeFlowStartMs=1_795_417_202_000),
        record(SYN | ACK, Interfaces=["br-ex"], Packets=4, Bytes=200),
        record(SYN_ACK | ACK, turned=True, Interfaces=["eth0"], Packets=2, Bytes=90),
    ]
    (found,) = connections(records)
    assert (found.connection.packets, found.connection.bytes) == ((6, 2), (360, 90))


def test_conversation_counts_once() -> None:
    """Each record of a conversation counts all of it so far."""
    ways: Json = {"Packets_AB": 5, "Bytes_AB": 300, "Packets_BA": 4, "Bytes_BA": 240, "Proto": 17}
    less: Json = {**ways, "Packets_AB": 1, "Bytes_AB": 60}
    records = [
        record(ports=(40000, 53), _RecordType="newConnection", **less),
        record(ports=(40000, 53), _RecordType="endConnection", **ways),
    ]
    (found,) = connections(records)
    connection = found.connection
    assert (connection.packets, connection.bytes) == ((5, 4), (300, 240))
    assert (connection.rule, connection.outcome) == ("S35", "established")


def test_sampling_is_told() -> None:
    """One packet in so many was looked at: a note says so."""
    coverage = graph_of(as_lines([{**CLIENT, "Sampling": 50}, SERVER])).coverage
    assert coverage is not None
    assert coverage.notes == ("log: one in 50 packets was looked at; calls may be missing",)


def test_odd_fields_cost_themselves_and_are_told() -> None:
    """A port that is none, an address that is none, a negative count."""
    records = [
        {**CLIENT, "Packets": -1, "SrcK8S_Name": 7},
        {**CLIENT, "SrcAddr": "10.0.0.300"},
        {**CLIENT, "TimeFlowStartMs": None, "TimeFlowEndMs": None},
        {**CLIENT, "Proto": 1},
    ]
    found = read_log(as_lines(records))
    assert list(found.odd) == [
        "$.SrcK8S_Name is 7; expected text",
        "$.Packets is -1; expected a whole number",
        '$.SrcAddr is "10.0.0.300"; expected an IP address',
    ]
    assert found.passed_over == {
        "flow-log record without addresses": 1,
        "flow-log record without a time": 1,
        "ICMP or an unknown protocol in a flow log": 1,
    }
    assert len(found.flows) == 1

"""Write the flow logs in fixtures/flow-logs that are made to their published schema.

One story, told as Hubble and as NetObserv tell it; fixtures/flow-logs/README.md says what happens.
`python -m scripts.flow_log_samples` writes the files anew; a test holds them equal.
"""

import csv
import io
import json
from pathlib import Path
from typing import Any

from scripts.flow_log_peers import (
    API,
    API_SERVICE,
    CHECKOUT,
    CHECKOUT_SERVICE,
    DB,
    DNS,
    HOSTS,
    METRICS,
    NODE,
    WEB,
    WORLD,
    Peer,
)

FOLDER = Path(__file__).parent.parent / "fixtures" / "flow-logs"
START_MS = 1_795_417_200_000
DAY = "2026-11-23T07:00"
Json = dict[str, Any]


SYN, SYN_ACK, ACK, FIN = {"SYN": True}, {"SYN": True, "ACK": True}, {"ACK": True}, {"FIN": True}


def stamp(at: float) -> str:
    """A time of the story, in seconds from its beginning, as RFC 3339 with nanoseconds."""
    return f"{DAY}:{at:012.9f}Z"


def endpoint(peer: Peer, node: str) -> Json:
    """Cilium's `Endpoint`."""
    found: Json = {}
    if peer.node == node and peer.kind == "Pod":
        found["ID"] = 100 + int(peer.address.rpartition(".")[2])
    if peer.identity:
        found["identity"] = peer.identity
    if peer.kind == "Pod":
        found["namespace"] = peer.namespace
    if peer.labels:
        found["labels"] = list(peer.labels)
    if peer.kind == "Pod":
        found["pod_name"] = peer.name
        found["workloads"] = [{"name": peer.owner[1], "kind": peer.owner[0]}]
    return found


def hubble(
    at: float,
    node: str,
    source: tuple[Peer, int],
    destination: tuple[Peer, int],
    protocol: str = "TCP",
    flags: Json | None = None,
    **more: Any,  # noqa: ANN401 - JSON
) -> Json:
    """One line of `hubble observe -o jsonpb`."""
    layer: Json = {"source_port": source[1], "destination_port": destination[1]}
    if flags is not None:
        layer["flags"] = flags
    flow = {
        "time": stamp(at),
        "verdict": "FORWARDED",
        "IP": {
            "source": source[0].address,
            "destination": destination[0].address,
            "ipVersion": "IPv4",
        },
        "l4": {protocol: layer},
        "source": endpoint(source[0], node),
        "destination": endpoint(destination[0], node),
        "Type": "L3_L4",
        "node_name": f"default/{node}",
        "event_type": {"type": 4},
        **more,
    }
    return {"flow": flow, "node_name": f"default/{node}", "time": stamp(at)}


def conversation(
    at: float, client: tuple[Peer, int], server: tuple[Peer, int], *nodes: str
) -> list[Json]:
    """A whole TCP connection, as each node saw it."""
    lines = []
    for late, node in enumerate(nodes):
        begun = at + late * 0.0002
        for step, (flags, reply) in enumerate(
            ((SYN, False), (SYN_ACK, True), (ACK, False), ({**FIN, **ACK}, False))
        ):
            ends = (server, client) if reply else (client, server)
            lines.append(hubble(begun + step * 0.001, node, *ends, flags=flags, is_reply=reply))
    return lines


def hubble_story() -> list[Json]:
    """All lines, in the order of time as Hubble Relay merges them."""
    service = {"name": "checkout", "namespace": "shop"}
    sock: Json = {"is_reply": None, "Type": "SOCK", "socket_cookie": "4711"}
    answer: Json = {
        "l7": {
            "type": "RESPONSE",
            "dns": {"query": "api.payments.example.", "ips": ["203.0.113.7"], "rcode": 0},
        },
    }
    lines = [
        hubble(
            1.0,
            "n1",
            (WEB, 0),
            (CHECKOUT_SERVICE, 80),
            **{**sock, "verdict": "TRACED", "destination_service": service},
            sock_xlate_point="SOCK_XLATE_POINT_PRE_DIRECTION_FWD",
        ),
        hubble(
            1.0001,
            "n1",
            (WEB, 0),
            (CHECKOUT, 8080),
            **{**sock, "verdict": "TRANSLATED"},
            sock_xlate_point="SOCK_XLATE_POINT_POST_DIRECTION_FWD",
        ),
        *conversation(1.001, (WEB, 41000), (CHECKOUT, 8080), "n1", "n2"),
        *conversation(2.0, (CHECKOUT, 42000), (DB, 5432), "n2", "n1"),
        hubble(3.0, "n2", (CHECKOUT, 43000), (DNS, 53), "UDP", is_reply=False),
        hubble(3.001, "n2", (DNS, 53), (CHECKOUT, 43000), "UDP", is_reply=True),
        hubble(
            3.002,
            "n2",
            (DNS, 53),
            (CHECKOUT, 43000),
            "UDP",
            **{"is_reply": True, "Type": "L7", **answer},
        ),
        *conversation(3.1, (CHECKOUT, 44000), (WORLD, 443), "n2"),
        *conversation(3.5, (CHECKOUT, 45000), (API, 6443), "n2"),
        *conversation(4.0, (NODE, 46000), (CHECKOUT, 8080), "n2"),
        hubble(
            5.0,
            "n1",
            (WEB, 47000),
            (DB, 5432),
            flags=SYN,
            verdict="DROPPED",
            drop_reason_desc="POLICY_DENIED",
        ),
        hubble(6.0, "n1", (WEB, 48000), (METRICS, 8125), "UDP", is_reply=False),
        hubble(6.5, "n1", (WEB, 0), (DB, 0), "ICMPv4"),
    ]
    del lines[-1]["flow"]["l4"]
    lines[-1]["flow"]["l4"] = {"ICMPv4": {"type": 8}}
    lost = {"source": "HUBBLE_RING_BUFFER", "num_events_lost": "7"}
    gone = {"state_change": "NODE_UNAVAILABLE", "node_names": ["default/n3"], "message": "timeout"}
    lines.append({"lost_events": lost, "node_name": "default/n1", "time": stamp(7.0)})
    lines.append({"node_status": gone, "node_name": "hubble-relay", "time": stamp(7.0)})
    return lines


def object_of(side: str, peer: Peer) -> Json:
    """What NetObserv's enrichment says of one end."""
    if not peer.kind:
        return {}
    found = {"Name": peer.name, "Type": peer.kind, "OwnerName": peer.owner[1] or peer.name}
    found["OwnerType"] = peer.owner[0] or peer.kind
    if peer.namespace:
        found["Namespace"] = peer.namespace
    if peer.node:
        found |= {"HostName": peer.node, "HostIP": HOSTS[peer.node]}
    return {f"{side}K8S_{name}": value for name, value in found.items()}


def netobserv(
    at: float,
    node: str,
    source: tuple[Peer, int],
    destination: tuple[Peer, int],
    packets: int,
    flags: int | None,
    **more: Any,  # noqa: ANN401 - JSON
) -> Json:
    """One record of a NetObserv agent."""
    found: Json = {
        "SrcAddr": source[0].address,
        "SrcPort": source[1],
        **object_of("Src", source[0]),
        "DstAddr": destination[0].address,
        "DstPort": destination[1],
        **object_of("Dst", destination[0]),
        "Proto": 17 if flags is None else 6,
        "Packets": packets,
        "Bytes": 60 * packets,
        "TimeFlowStartMs": START_MS + round(at * 1000),
        "TimeFlowEndMs": START_MS + round(at * 1000) + 40,
        "TimeReceived": START_MS // 1000 + int(at) + 1,
        "AgentIP": HOSTS[node],
        "Interfaces": ["eth0"],
        "IfDirections": [0],
        "Sampling": 1,
        **more,
    }
    if flags is not None:
        found["Flags"] = flags
    return found


def exchange(
    at: float, client: tuple[Peer, int], server: tuple[Peer, int], *nodes: str
) -> list[Json]:
    """Both ways of a TCP connection, as each node saw them: 0x100 is SYN with ACK, 0x200 FIN."""
    return [
        record
        for node in nodes
        for record in (
            netobserv(at, node, client, server, 5, 0x002 | 0x010 | 0x200),
            netobserv(at, node, server, client, 4, 0x100 | 0x010 | 0x200),
        )
    ]


def netobserv_story() -> list[Json]:
    """The same story; here the Service's address is seen, and nothing of a policy."""
    return [
        *exchange(1.0, (WEB, 41000), (CHECKOUT_SERVICE, 80), "n1"),
        *exchange(1.0, (WEB, 41000), (CHECKOUT, 8080), "n2"),
        *exchange(2.0, (CHECKOUT, 42000), (DB, 5432), "n2", "n1"),
        netobserv(3.0, "n2", (CHECKOUT, 43000), (DNS, 53), 1, None),
        netobserv(3.0, "n2", (DNS, 53), (CHECKOUT, 43000), 1, None),
        *exchange(3.1, (CHECKOUT, 44000), (WORLD, 443), "n2"),
        *exchange(3.5, (CHECKOUT, 45000), (API_SERVICE, 443), "n2"),
        *exchange(4.0, (NODE, 46000), (CHECKOUT, 8080), "n2"),
        netobserv(5.0, "n1", (WEB, 47000), (DB, 5432), 1, 0x002, PktDropPackets=1),
        netobserv(6.0, "n1", (WEB, 48000), (METRICS, 8125), 3, None),
    ]


def as_csv(records: list[Json]) -> str:
    """As NetObserv's console exports it: every value as Go prints it."""
    columns = list(dict.fromkeys(name for record in records for name in record))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["Timestamp", *columns])
    for record in records:
        values = [_go(record.get(name)) for name in columns]
        writer.writerow([record["TimeFlowEndMs"], *values])
    return out.getvalue()


def _go(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return "[" + " ".join(map(str, value)) + "]"
    if isinstance(value, int) and value >= 10**6:
        # Numbers of JSON are floats in Go.
        return f"{value:.16g}" if value < 10**21 else str(value)
    return "<nil>" if value is None else str(value)


def samples() -> dict[str, str]:
    """The files by name."""
    records = netobserv_story()
    return {
        "hubble.jsonl": "".join(json.dumps(line) + "\n" for line in hubble_story()),
        "netobserv.json": "".join(json.dumps(record) + ",\n" for record in records),
        "netobserv.csv": as_csv(records),
    }


if __name__ == "__main__":
    for file, text in samples().items():
        (FOLDER / file).write_text(text, encoding="utf-8")

"""Small clusters and captures built by hand: objects, packets, and what the mapper makes of them.

Times are seconds after `START`. Addresses are text; a pod `web` of Deployment `web` in namespace
`app` is `pod("web", "10.1.0.1")`.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from otterize_pcap.addresses import parse_address
from otterize_pcap.connections.conntrack import Dump, parse_conntrack
from otterize_pcap.connections.legs import Recording, TableRows
from otterize_pcap.graph.fate import Fate
from otterize_pcap.graph.service_graph import FileCoverage, Workload
from otterize_pcap.packets.packet import Packet, Tunnel
from otterize_pcap.packets.protocols import ACK, RST, SYN
from otterize_pcap.resolve.capture import Capture, CaptureContents
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import MappedCapture, map_capture
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.chunk import new_table
from otterize_pcap.table.read import ReadOptions
from otterize_pcap.table.rows import ConnectionTable

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND

Json = dict[str, Any]
# A packet, when (s), and at which interface.
Seen = tuple[Packet, float, int]

NODE_A, NODE_B = "192.168.0.1", "192.168.0.2"
OUTSIDE = "203.0.113.9"


def stamp(seconds: float) -> str:
    """An RFC 3339 time, so many seconds after `START`."""
    return datetime.fromtimestamp(START / SECOND + seconds, UTC).isoformat()


def owner(kind: str, name: str, *, controller: bool = True, api_version: str = "") -> Json:
    """An owner reference."""
    uid = f"{api_version}{kind}/{name}"
    reference = {"kind": kind, "name": name, "uid": uid, "controller": controller}
    return reference | ({"apiVersion": api_version} if api_version else {})


def item(
    kind: str,
    name: str,
    namespace: str = "app",
    owners: Sequence[Json] = (),
    api_version: str = "",
) -> Json:
    """An object of which only the metadata matters."""
    meta = {"name": name, "namespace": namespace, "uid": f"{api_version}{kind}/{name}"}
    version = {"apiVersion": api_version} if api_version else {}
    return {**version, "kind": kind, "metadata": {**meta, "ownerReferences": list(owners)}}


def pod(
    workload: str,
    address: str | Sequence[str] | None,
    *,
    name: str | None = None,
    namespace: str = "app",
    start: float = -100,
    ready: float | None = None,
    lost: float | None = None,
    finished: float | None = None,
    phase: str = "Running",
    node: str = "a",
    ports: Sequence[Json | int] = (),
    host_network: bool = False,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    owners: Sequence[Json] | None = None,
    images: dict[str, str] | None = None,
) -> Json:
    """A pod of a Deployment whose ReplicaSet is not needed: the owner is named as it is."""
    name = name or f"{workload}-pod"
    addresses = [address] if isinstance(address, str) else list(address or ())
    conditions = [
        {
            "type": "PodReadyToStartContainers",
            "status": status,
            "lastTransitionTime": stamp(seconds),
        }
        for status, seconds in (("True", ready), ("False", lost))
        if seconds is not None
    ]
    containers = [{"name": key, "image": image} for key, image in (images or {"c": "i"}).items()]
    declared = [port if isinstance(port, dict) else {"containerPort": port} for port in ports]
    containers[0]["ports"] = declared  # type: ignore[assignment] # JSON
    state = {"terminated": {"finishedAt": stamp(finished)}} if finished is not None else {}
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"{namespace}/{name}",
            "creationTimestamp": stamp(start - 1),
            "labels": {"app": workload} if labels is None else labels,
            "annotations": annotations or {},
            "ownerReferences": [owner("Deployment", workload)] if owners is None else list(owners),
        },
        "spec": {"nodeName": node, "hostNetwork": host_network, "containers": containers},
        "status": {
            "phase": phase,
            "podIP": addresses[0] if addresses else None,
            "podIPs": [{"ip": text} for text in addresses],
            "startTime": stamp(start),
            "conditions": conditions,
            "containerStatuses": [{"state": state}],
        },
    }


def service(
    name: str,
    cluster_ip: str = "None",
    port: int = 80,
    *,
    target: int | str | None = None,
    selector: dict[str, str] | None = None,
    namespace: str = "app",
    labels: dict[str, str] | None = None,
    protocol: str = "TCP",
    **spec: object,
) -> Json:
    """A Service with one port; more fields of its spec as keywords."""
    ports = spec.pop("ports", [{"port": port, "protocol": protocol, "targetPort": target or port}])
    status = spec.pop("status", {})
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "uid": name, "labels": labels or {}},
        "spec": {
            "clusterIP": cluster_ip,
            "ports": ports,
            "selector": selector if selector is not None else {"app": name},
            **spec,
        },
        "status": status,
    }


def endpoint_slice(
    name: str, addresses: Sequence[str], port: int = 80, namespace: str = "app", **extra: object
) -> Json:
    """The EndpointSlice of a Service with one port."""
    return {
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-slice",
            "namespace": namespace,
            "uid": f"{name}-slice",
            "labels": {"kubernetes.io/service-name": name},
        },
        "endpoints": [{"addresses": [address]} for address in addresses],
        "ports": [{"port": port, "protocol": "TCP", **extra}],
    }


def node(name: str, *addresses: str, pod_cidr: str | None = None) -> Json:
    """A node with its addresses."""
    return {
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"podCIDR": pod_cidr} if pod_cidr else {},
        "status": {"addresses": [{"type": "InternalIP", "address": text} for text in addresses]},
    }


NODES = (node("a", NODE_A), node("b", NODE_B))


def snapshot(
    *items: Json, observed: Sequence[Json] = (), watch: tuple[float, float] | None = (-1000, 1000)
) -> Snapshot:
    """A snapshot of these objects and two nodes; `watch` is when it watched."""
    own: Json = {"observed": list(observed)}
    if watch is not None:
        own |= {"watchStart": stamp(watch[0]), "watchEnd": stamp(watch[1])}
    document = {"kind": "List", "items": [*items, *NODES], "otterize": own}
    return parse_snapshot([("snapshot.json", json.dumps(document).encode())])


def end(text: str) -> tuple[bytes, int]:
    """`address:port`, the port after the last colon."""
    address, _, port = text.rpartition(":")
    return parse_address(address.strip("[]")), int(port)


def packet(
    source: str,
    target: str,
    flags: int = 0,
    seq: int = 0,
    ack: int = 0,
    *,
    protocol: int = 6,
    timestamp: int | None = None,
    hint: int = 0,
    tunnels: tuple[Tunnel, ...] = (),
    unreachable: bool = False,
    length: int = 60,
    station: int = 0,
) -> Packet:
    """One packet between two `address:port`."""
    (source_ip, source_port), (target_ip, target_port) = end(source), end(target)
    return Packet(
        protocol,
        source_ip,
        target_ip,
        source_port,
        target_port,
        length,
        flags,
        seq,
        ack,
        timestamp,
        hint,
        tunnels,
        unreachable,
        station=station,
    )


def call(
    client: str,
    server: str,
    at: float = 0,
    *,
    isn: int | None = None,
    answer: int | None = None,
    interface: int = 1,
    lasting: float = 0.1,
    tunnels: tuple[Tunnel, ...] = (),
) -> list[Seen]:
    """A TCP connection with its handshake, as one interface sees it."""
    isn = crc32(f"{client} {server} {at}".encode()) if isn is None else isn
    answer = isn ^ 0x5555555 if answer is None else answer
    steps = [
        (packet(client, server, SYN, isn, 0, tunnels=tunnels), 0.0),
        (packet(server, client, SYN | ACK, answer, isn + 1, tunnels=tunnels), 0.001),
        (packet(client, server, ACK, isn + 1, answer + 1, tunnels=tunnels), 0.002),
        (packet(server, client, ACK, answer + 1, isn + 1, tunnels=tunnels), lasting),
    ]
    return [(found, at + after, interface) for found, after in steps]


def attempt(client: str, server: str, at: float = 0, *, refused: bool = False) -> list[Seen]:
    """A SYN, and the RST that answers it."""
    seen = [(packet(client, server, SYN, 5, 0), at, 1)]
    if refused:
        seen.append((packet(server, client, RST | ACK, 0, 6), at + 0.001, 1))
    return seen


def talk(client: str, server: str, at: float = 0, *, seq: int = 1000) -> list[Seen]:
    """Two segments of a connection whose handshake was before the capture."""
    return [
        (packet(client, server, ACK, seq, 500), at, 1),
        (packet(server, client, ACK, 500, seq + 10), at + 0.001, 1),
    ]


def datagrams(client: str, server: str, at: float = 0, *, answered: bool = True) -> list[Seen]:
    """A UDP question, and its answer."""
    seen = [(packet(client, server, protocol=17), at, 1)]
    if answered:
        seen.append((packet(server, client, protocol=17), at + 0.001, 1))
    return seen


def recording(
    seen: Iterable[Seen], name: str = "a", *, compiled: bool = True, first: float | None = None
) -> Recording:
    """One node's recording of packets, in order of time; `first` is when its first packet came."""
    ordered = sorted(seen, key=lambda entry: entry[1])
    table = new_table(ReadOptions(), bytes(range(56))) if compiled else ConnectionTable()
    for number, (found, at, interface) in enumerate(ordered, 1):
        table.add(found, START + round(at * SECOND), number, interface)
    begun = ordered[0][1] if first is None else first
    return Recording(
        (f"{name}.pcap",), name, TableRows(table), START + round(begun * SECOND), table
    )


def capture(
    known: Snapshot,
    *recordings: Recording | Iterable[Seen],
    dumps: Sequence[Dump] = (),
    nodes: dict[str, str] | None = None,
    ahead: dict[str, float] | None = None,
) -> Capture:
    """A capture of recordings, or of packets that node `a` recorded.

    `nodes` maps local addresses to the nodes that have them, separated by spaces.
    """
    made = [found if isinstance(found, Recording) else recording(found) for found in recordings]
    files = []
    for found in made:
        times = [time for row in found.rows for time in (row.first_ns, row.last_ns)]
        first, last = min(times, default=None), max(times, default=None)
        files.append(FileCoverage(found.files[0], found.node, len(times), first, last))
    addresses = {
        parse_address(text): frozenset(names.split()) for text, names in (nodes or {}).items()
    }
    clocks = {name: round(seconds * SECOND) for name, seconds in (ahead or {}).items()}
    return Capture(
        CaptureContents(made, known, dumps, addresses, tuple(files), clocks_ahead=clocks)
    )


def mapped(
    known: Snapshot,
    *recordings: Recording | Iterable[Seen],
    rules: Rules | None = None,
    dumps: Sequence[Dump] = (),
    nodes: dict[str, str] | None = None,
    ahead: dict[str, float] | None = None,
) -> MappedCapture:
    """What the mapper makes of a capture."""
    made = capture(known, *recordings, dumps=dumps, nodes=nodes, ahead=ahead)
    return map_capture(made, rules or Rules())


def edges(found: MappedCapture) -> set[str]:
    """The calls as `client -> server:port`, names only; another protocol than TCP is said."""
    return {
        f"{call.client.name} -> {call.server.name}:{use.port}"
        + ("" if use.protocol == "TCP" else f"/{use.protocol}")
        for call in found.graph.calls
        for use in call.uses
    }


def fates(found: MappedCapture) -> dict[Fate, int]:
    """How many connections each fate had."""
    assert found.graph.coverage is not None
    return dict(found.graph.coverage.connections)


def only_identity(known: Snapshot, **rules: Any) -> Workload:  # noqa: ANN401 - options as they are
    """The workload that pod 10.1.0.1 is, by a call to itself."""
    found = mapped(known, call("10.1.0.1:40000", "10.1.0.1:80"), rules=Rules(**rules))
    (only,) = found.graph.calls
    return only.client


def conntrack(
    *lines: str, at: float = 10, name: str = "a", timeouts: dict[str, int] | None = None
) -> Dump:
    """A conntrack dump of a node."""
    known = {
        "nf_conntrack_tcp_timeout_established": 432000,
        "nf_conntrack_tcp_timeout_time_wait": 120,
        "nf_conntrack_udp_timeout": 30,
        "nf_conntrack_udp_timeout_stream": 120,
    }
    return parse_conntrack(
        lines,
        name,
        START + round(at * SECOND),
        known if timeouts is None else timeouts,
        f"node/{name}/conntrack-end",
    )


def entry(
    client: str,
    target: str,
    server: str | None = None,
    reply_to: str | None = None,
    *,
    state: str = "ESTABLISHED",
    remaining: int = 431995,
    assured: bool = True,
    protocol: str = "tcp",
) -> str:
    """A line of /proc/net/nf_conntrack."""
    number = {"tcp": 6, "udp": 17}[protocol]

    def ends(one: str, other: str) -> str:
        (one_ip, _, one_port), (other_ip, _, other_port) = (
            one.rpartition(":"),
            other.rpartition(":"),
        )
        return f"src={one_ip} dst={other_ip} sport={one_port} dport={other_port}"

    shown = f"{state} " if protocol == "tcp" else ""
    return (
        f"ipv4     2 {protocol}      {number} {remaining} {shown}{ends(client, target)} "
        f"{ends(server or target, reply_to or client)} "
        f"{'[ASSURED] ' if assured else ''}mark=0 use=2"
    )

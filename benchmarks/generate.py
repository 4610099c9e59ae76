"""Deterministic captures to measure with.

Run as: python benchmarks/generate.py OUT --packets 10000000 --connections 20000 --shape snapped

Which connection a packet belongs to is drawn by Zipf's law (exponent 1.1), so that few connections
have most packets, as in clusters. The first packet drawn is a SYN, the second a SYN-ACK, then
segments in both directions; every tenth connection is UDP and every fourth IPv6. In the shape
`one-way` no answer was recorded, in `no-syn-ack` only the first is missing; in `scan` a SYN to a
closed port goes before each connection, and nothing answers it. The same arguments make the same
bytes.
"""

import argparse
import json
import random
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

START_S = 1_700_000_000
PACKETS_PER_SECOND = 50_000
SEGMENT = 1448
PODS = 1000
SERVERS = 211
SNAPLEN = 96

ETHERNET, SLL2 = 1, 276
SHAPES = {
    "snapped": ETHERNET,
    "full": ETHERNET,
    "vxlan": ETHERNET,
    "sll2": SLL2,
    "one-way": ETHERNET,
    "no-syn-ack": ETHERNET,
    "scan": ETHERNET,
}
SYN, SYN_ACK, ACK = 0x02, 0x12, 0x10
CLOSED_PORT = 7


def ipv4(protocol: int, source: int, target: int, payload_length: int) -> bytes:
    """An IPv4 header without options; the checksum is left 0, as by a card that computes it."""
    return struct.pack(
        ">BBHHHBBHII", 0x45, 0, 20 + payload_length, 0, 0x4000, 64, protocol, 0, source, target
    )


def ipv6(protocol: int, source: int, target: int, payload_length: int) -> bytes:
    """An IPv6 header with addresses out of fd00::/64."""
    prefix = 0xFD00 << 112
    return (
        struct.pack(">IHBB", 6 << 28, payload_length, protocol, 64)
        + (prefix | source).to_bytes(16)
        + (prefix | target).to_bytes(16)
    )


def client_of(index: int) -> int:
    """The IPv4 address of the client pod, one of a thousand."""
    return 0x0A000000 + index % PODS + 1


def server_of(index: int) -> int:
    """The server's IPv4 address: each client calls five of 211."""
    return 0x0A800000 + (index % PODS * 5 + index // PODS % 5) % SERVERS + 1


def segment(ports: tuple[int, int], seq: int, ack: int, flags: int, stamp: int) -> bytes:
    """A TCP header with timestamps (RFC 7323)."""
    numbers = (seq & 0xFFFFFFFF, ack & 0xFFFFFFFF)
    header = struct.pack(">HHIIBBHHH", *ports, *numbers, 0x80, flags, 0xFFFF, 0, 0)
    return header + struct.pack(">BBBBII", 1, 1, 8, 10, stamp, 0)


class Connection:
    """The frames of one connection: SYN, SYN-ACK, and one segment in each direction."""

    def __init__(self, index: int, shape: str) -> None:
        self.is_udp = index % 10 == 9
        self._network = ipv6 if index % 4 == 3 else ipv4
        client, server = client_of(index), server_of(index)
        # A server has one port, and no two connections of a client have one of its.
        ports = (20_000 + index // PODS % 40_000, 53 if self.is_udp else 8000 + server % 17)
        isn = index * 2_654_435_761 & 0xFFFFFFFF
        answer = isn ^ 0xFFFFFFFF
        self._shape = shape
        self.frames: list[tuple[bytes, int]] = []
        if shape == "scan":
            probe = segment((ports[0], CLOSED_PORT), isn ^ 0x5555, 0, SYN, index)
            self._send(6, client, server, probe)
        for step in range(4):
            outbound = step in (0, 2) or shape == "one-way"
            source, target = (client, server) if outbound else (server, client)
            used = ports if outbound else ports[::-1]
            if self.is_udp:
                payload = struct.pack(">HHHH", *used, 72, 0)
                payload += struct.pack(">HH", index & 0xFFFF, 0x0100 if outbound else 0x8180)
                self._send(17, source, target, payload + bytes(60))
                continue
            flags = SYN if step == 0 else ACK
            if step == 1 and shape not in ("one-way", "no-syn-ack"):
                flags = SYN_ACK
            seq, ack = (isn + (step > 0), answer + 1) if outbound else (answer, isn + 1)
            header = segment(used, seq, ack, flags, index)
            self._send(6, source, target, header, SEGMENT if step == 3 else 0)

    def _send(self, protocol: int, source: int, target: int, payload: bytes, data: int = 0) -> None:
        self._add(self._network(protocol, source, target, len(payload) + data) + payload, data)

    def _add(self, packet: bytes, data: int) -> None:
        ethertype = 0x86DD if packet[0] >> 4 == 6 else 0x0800
        if self._shape == "sll2":
            link = struct.pack(">HHIHBB8x", ethertype, 0, 7, 1, 0, 6)
        else:
            link = struct.pack(">6s6sH", b"\x02\0\0\0\0\1", b"\x02\0\0\0\0\2", ethertype)
        frame = link + packet
        if self._shape == "vxlan":
            inner = struct.pack(">II", 0x08000000, 1 << 8) + frame
            udp = struct.pack(">HHHH", 50_000, 8472, 8 + len(inner) + data, 0) + inner
            outer = ipv4(17, 0xC0A80001, 0xC0A80002, len(udp) + data) + udp
            frame = struct.pack(">6s6sH", b"\x02\0\0\0\0\3", b"\x02\0\0\0\0\4", 0x0800) + outer
        length = len(frame) + data
        if self._shape == "full":
            frame += bytes(data)
        elif len(frame) < length:
            frame += bytes(min(data, max(SNAPLEN - len(frame), 0)))
        self.frames.append((struct.pack("<II", len(frame), length) + frame, length))


def packets(count: int, connections: int, shape: str, seed: int = 1) -> Iterator[bytes]:
    """The records of a capture, without its header."""
    choose = random.Random(seed)
    weights = list(accumulate(1 / (rank + 1) ** 1.1 for rank in range(connections)))
    order = list(range(connections))
    choose.shuffle(order)
    made: list[Connection | None] = [None] * connections
    steps = bytearray(connections)
    stamp = struct.Struct("<II")
    tick = 1_000_000 // PACKETS_PER_SECOND
    left, elapsed = count, 0
    while left:
        # Every connection once in the first half, so that there are as many as were asked for.
        batch = choose.choices(order, cum_weights=weights, k=min(left, 100_000))
        done = count - left
        for offset in range(0, len(batch), max(count // (2 * connections), 2)):
            fresh = (done + offset) * 2 * connections // count
            if fresh < connections:
                batch[offset] = fresh
        for index in batch:
            connection = made[index]
            if connection is None:
                connection = made[index] = Connection(index, shape)
            step = steps[index]
            last = len(connection.frames) - 1
            steps[index] = step + 1 if step < last else last - 1
            seconds, micro = divmod(elapsed, 1_000_000)
            elapsed += tick
            yield stamp.pack(START_S + seconds, micro) + connection.frames[step][0]
        left -= len(batch)


def write(out: BinaryIO, count: int, connections: int, shape: str) -> None:
    """Write a whole pcap file."""
    snaplen = 262_144 if shape == "full" else SNAPLEN
    out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snaplen, SHAPES[shape]))
    out.writelines(packets(count, connections, shape))


def snapshot(connections: int) -> dict[str, object]:
    """The pods of a capture as `kubectl get -o json` would list them, ten to a Deployment."""
    clients = sorted({client_of(index) for index in range(connections)})
    servers = sorted({server_of(index) for index in range(connections)})
    items = [
        pod(f"{role}-{number // 10}", number, address)
        for role, addresses in (("client", clients), ("server", servers))
        for number, address in enumerate(addresses)
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def pod(deployment: str, number: int, address: int) -> dict[str, object]:
    """A running dual-stack pod of a Deployment, known by its ReplicaSet's name and hash."""
    name = f"{deployment}-5d4f8c7b9-{number:05d}"
    addresses = [
        str(IPv4Address(address)),
        str(IPv6Address(0xFD00 << 112 | address)),
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "load",
            "uid": f"uid-{name}",
            "creationTimestamp": "2023-11-14T00:00:00Z",
            "labels": {"app": deployment, "pod-template-hash": "5d4f8c7b9"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"{deployment}-5d4f8c7b9",
                    "uid": f"uid-{deployment}",
                    "controller": True,
                }
            ],
        },
        "spec": {"nodeName": "node1", "containers": [{"name": "main", "image": "main:1"}]},
        "status": {
            "phase": "Running",
            "podIP": addresses[0],
            "podIPs": [{"ip": text} for text in addresses],
            "startTime": "2023-11-14T00:00:00Z",
        },
    }


def main() -> None:
    """Write one capture, and beside it the snapshot that explains its addresses."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--packets", type=int, default=10_000_000)
    parser.add_argument("--connections", type=int, default=20_000)
    parser.add_argument("--shape", choices=SHAPES, default="snapped")
    options = parser.parse_args()
    with options.out.open("wb") as out:
        write(out, options.packets, options.connections, options.shape)
    beside = options.out.with_suffix(".json")
    beside.write_text(json.dumps(snapshot(options.connections)), encoding="utf-8")


if __name__ == "__main__":
    main()

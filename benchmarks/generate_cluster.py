"""A capture directory of two nodes, as `otterize capture` makes it in a real cluster.

Run as: python benchmarks/generate_cluster.py OUT --connections 120000 --older 30 --restarts

Every packet is there as often as `tcpdump -i any` shows it: on veth, bridge, tunnel device and, in
VXLAN, uplink, on both nodes, before and after DNAT (`cluster_frames.py`); half of the connections
are TCP, half DNS lookups (`cluster_traffic.py`). OUT/truth.json has every call with its number of
connections. The same arguments make the same bytes.
"""

import argparse
import hashlib
import struct
from pathlib import Path
from typing import BinaryIO

from cluster_frames import Frame
from cluster_layout import NODES, SECOND, build_cluster
from cluster_objects import manifest, snapshot, truth, write_addresses, write_json
from cluster_traffic import Traffic
from generate import SLL2, START_S

# SLL2, then IPv4, UDP, VXLAN and Ethernet, then IPv4 and a SYN's TCP. A snaplen of 96 would leave
# none of the copies on eth0 a whole TCP header.
ALL_HEADERS = 20 + 20 + 8 + 8 + 14 + 20 + 40
SNAPLEN = 144
CONNECTIONS_PER_SECOND = 4000
SHORTEST_S = 60
# How long a packet is under way from node to node, in microseconds.
WIRE = 120
FLUSH = 20_000

_TIME = struct.Struct("<II")


class NodeFile:
    """One node's pcap file: records in order of time, a microsecond apart at least."""

    def __init__(self, stream: BinaryIO, snaplen: int) -> None:
        self._stream = stream
        self._pieces = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snaplen, SLL2)]
        self._hash = hashlib.sha256()
        self._clock = 0
        self.bytes = 0
        self.records = 0

    def add(
        self, time: int, frames: tuple[Frame, ...], ports: tuple[bytes, bytes], rest: bytes
    ) -> None:
        """One packet, on every device that it passes on this node."""
        pieces = self._pieces
        clock = max(self._clock, time)
        for start, through_service, data in frames:
            clock += 1
            pieces += (
                _TIME.pack(START_S + clock // SECOND, clock % SECOND),
                start,
                ports[through_service],
                rest,
                data,
            )
        self._clock = clock
        self.records += len(frames)
        if len(pieces) > FLUSH:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered."""
        block = b"".join(self._pieces)
        self._pieces.clear()
        self._stream.write(block)
        self._hash.update(block)
        self.bytes += len(block)

    def entry(self, path: str) -> dict[str, object]:
        """As the manifest lists it."""
        return {"path": path, "bytes": self.bytes, "sha256": self._hash.hexdigest()}


def generate(
    out: Path, connections: int, older: int, *, restarts: bool, snaplen: int = SNAPLEN
) -> int:
    """Write one capture directory.

    Args:
        out: The directory, made where it is missing.
        connections: TCP connections and lookups together.
        older: Percent of the TCP connections that began before the capture.
        restarts: One pod of ten is replaced meanwhile.
        snaplen: How many bytes of each packet are kept; `ALL_HEADERS` or more.

    Returns:
        How many packets it holds.
    """
    duration = max(SHORTEST_S, connections // CONNECTIONS_PER_SECOND) * SECOND
    cluster = build_cluster(duration, restarts=restarts)
    traffic = Traffic(cluster, snaplen, older)
    (out / "pcap").mkdir(parents=True, exist_ok=True)
    paths = [f"pcap/{node}.pcap" for node in NODES]
    with (out / paths[0]).open("wb") as first, (out / paths[1]).open("wb") as second:
        files = (NodeFile(first, snaplen), NodeFile(second, snaplen))
        for time, talk in traffic.packets(connections, duration):
            seen, ports, rest = talk.packet()
            at = time
            for node, frames in seen:
                files[node].add(at, frames, ports, rest)
                at += WIRE
        for file in files:
            file.flush()
    entries = [file.entry(path) for file, path in zip(files, paths, strict=True)]
    packets = [file.records for file in files]
    write_json(out / "manifest.json", manifest(duration, snaplen, entries, packets))
    write_json(out / "snapshot.json", snapshot(cluster, duration))
    write_json(out / "truth.json", truth(cluster, traffic.counts))
    write_addresses(out)
    return sum(packets)


def main() -> None:
    """Write the capture that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--connections", type=int, default=120_000)
    parser.add_argument("--older", type=int, default=0, metavar="PERCENT")
    parser.add_argument("--restarts", action="store_true")
    parser.add_argument("--snaplen", type=int, default=SNAPLEN)
    options = parser.parse_args()
    if options.snaplen < ALL_HEADERS:
        parser.error(f"--snaplen {options.snaplen} cuts headers; {ALL_HEADERS} is the least")
    packets = generate(
        options.out,
        options.connections,
        options.older,
        restarts=options.restarts,
        snaplen=options.snaplen,
    )
    print(f"{options.out}: {packets:,} packets")


if __name__ == "__main__":
    main()

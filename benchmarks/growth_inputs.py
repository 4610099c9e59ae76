"""Words of one kind in growing sizes, made under a directory; the same sizes make the same bytes.

Run as: python benchmarks/growth_inputs.py DIRECTORY KIND SIZE

It makes what is not there yet, and prints as JSON what to write behind `otterize intents list` and
what command writes its standard input. Whoever measures starts this as a process of its own: a
child's peak memory counts its parent's at the fork.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from generate import START_S, Connection, snapshot
from growth_objects import listed, node, service, small_pod, whole_pod
from growth_packets import PCAP, STAMP, call, records

HERE = Path(__file__).resolve().parent
MEGABYTE = 10**6

Json = dict[str, Any]
Words = list[str]


def packets_program(data: Path) -> str:
    """The generator in C, compiled where it is not yet."""
    program, source = data / "packets", HERE / "packets.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-o", str(program), str(source)], check=True)
    return str(program)


def write_json(path: Path, document: object) -> None:
    """As the API sends it, in one line."""
    path.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")


def pods_of_clients(data: Path) -> Path:
    """The snapshot of all clients and servers that the generators know."""
    path = data / "clients.json"
    if not path.exists():
        write_json(path, snapshot(5_000))
    return path


def write_packets(data: Path, path: Path, *words: int) -> None:
    """A pcap of the generator in C."""
    with path.open("wb") as out:
        command = [packets_program(data), *map(str, words)]
        subprocess.run(command, check=True, stdout=out)


def tiny_pcap(path: Path) -> None:
    """One connection."""
    frames = [frame for frame, _ in Connection(0, "snapped").frames]
    path.write_bytes(PCAP + b"".join(records(frames, 0)))


def connections(data: Path, size: int) -> Words:
    """So many connections of four packets, a thousand at a time."""
    path = data / f"connections-{size}.pcap"
    if not path.exists():
        write_packets(data, path, size, 4, 1000, 0, START_S)
    return [str(path), "--snapshot", str(pods_of_clients(data))]


def stream(data: Path, size: int) -> Words:  # noqa: ARG001 - every length is of the same pods
    """Standard input; see `writer`."""
    return ["-", "--snapshot", str(pods_of_clients(data))]


def writer(data: Path, size: int) -> Words:
    """What writes about so many MB of at most 20,000 connections, as fast as they are taken."""
    header, payload = 16 + 54, 700
    # The handshake's three packets carry nothing.
    segments = max(1, (size * MEGABYTE // 20_000 - 3 * header) // (header + payload))
    count = size * MEGABYTE // (3 * header + segments * (header + payload))
    words = map(str, (count, 3 + segments, 20_000, payload, START_S))
    return [packets_program(data), *words]


def pods(data: Path, size: int) -> Words:
    """A snapshot of so many pods as the API sends them, some 4 KB each, ten to a ReplicaSet."""
    directory = data / f"pods-{size}"
    if not directory.exists():
        directory.mkdir()
        tiny_pcap(directory / "node-0.pcap")
        items = [whole_pod(number) for number in range(size)]
        write_json(directory / "snapshot.json", listed(items))
    return [str(directory)]


PODS_A_NODE = 5
CALLS_A_NODE = 40


def nodes(data: Path, size: int) -> Words:
    """A capture directory of so many nodes, with manifest and addresses; 40 calls begin on each.

    Each is in the files of both nodes, as on a network without tunnels.
    """
    directory = data / f"nodes-{size}"
    if not directory.exists():
        _write_nodes(directory, size)
    return [str(directory)]


def node_pod(number: int) -> int:
    """The address of a pod; each node has five."""
    return 0x0A000000 + (number // PODS_A_NODE << 8) + number % PODS_A_NODE + 2


def _write_nodes(directory: Path, size: int) -> None:
    (directory / "pcap").mkdir(parents=True)
    found: list[list[tuple[int, bytes]]] = [[] for _ in range(size)]
    for index in range(size * CALLS_A_NODE):
        place, number = divmod(index, CALLS_A_NODE)
        other = (place + 1 + number * 7) % size
        client, server = place * PODS_A_NODE + number % PODS_A_NODE, other * PODS_A_NODE
        for step, frame in enumerate(call(index, node_pod(client), node_pod(server))):
            for where in {place, other}:
                found[where].append((index * 10 + step, frame))
    captured = []
    for place, kept in enumerate(found):
        name, folder = f"node-{place}", directory / "node" / f"node-{place}"
        content = PCAP + b"".join(
            STAMP.pack(START_S + at // 1_000_000, at % 1_000_000) + frame
            for at, frame in sorted(kept)
        )
        (directory / "pcap" / f"{name}.pcap").write_bytes(content)
        folder.mkdir(parents=True)
        own = f"2: eth0    inet {_host(place)}/16 scope global eth0"
        bridge = f"4: cni0    inet {IPv4Address(node_pod(place * PODS_A_NODE) - 1)}/24 scope global"
        (folder / "addresses").write_text(f"1: lo    inet 127.0.0.1/8\n{own}\n{bridge}\n", "ascii")
        captured.append(_captured(name, content, len(kept)))
    times = {"start": "2023-11-14T22:13:19Z", "end": "2023-11-14T22:20:00Z"}
    each = [{**node, **times} for node in captured]
    write_json(
        directory / "manifest.json", {"version": 1, "tool": "growth", **times, "nodes": each}
    )
    items = [node(f"node-{place}", _host(place)) for place in range(size)]
    items += [_pod_of(number) for number in range(size * PODS_A_NODE)]
    write_json(directory / "snapshot.json", listed(items))


def _host(place: int) -> str:
    return str(IPv4Address(0xC0A80000 + place + 1))


def _captured(name: str, content: bytes, packets: int) -> Json:
    digest = hashlib.sha256(content).hexdigest()
    return {
        "name": name,
        "status": "captured",
        "files": [{"path": f"pcap/{name}.pcap", "bytes": len(content), "sha256": digest}],
        "packets": {"captured": packets, "received": packets, "dropped": 0},
        "clockAhead": 0.0,
    }


def _pod_of(number: int) -> Json:
    place, address = number // PODS_A_NODE, str(IPv4Address(node_pod(number)))
    return small_pod(f"app-{number}-0", f"app-{number}", address, f"node-{place}", _host(place))


CONNECTIONS_A_FILE = 25


def files(data: Path, size: int) -> Words:
    """So many files of one node's ring, as `tcpdump -C` names them, of 25 connections each."""
    directory = data / f"files-{size}"
    if not directory.exists():
        directory.mkdir()
        write_json(directory / "snapshot.json", snapshot(5_000))
        for number in range(size):
            made = [
                frame
                for index in range(CONNECTIONS_A_FILE)
                for frame, _ in Connection(number * CONNECTIONS_A_FILE + index, "snapped").frames
            ]
            name = f"node-0.pcap{number or ''}"
            (directory / name).write_bytes(PCAP + b"".join(records(made, number * 10_000)))
    return [str(directory)]


def services(data: Path, size: int) -> Words:
    """So many pods in one namespace, and a third as many Services without EndpointSlices.

    Each Service was called once, by a pod of the next one; the packets are from before DNAT.
    """
    directory = data / f"services-{size}"
    if not directory.exists():
        directory.mkdir()
        calls = [
            record
            for number in range(size // 3)
            for record in call(number, SERVING + (number * 3 + 3) % size, VIRTUAL + number)
        ]
        (directory / "node-0.pcap").write_bytes(PCAP + b"".join(records(calls, 0)))
        items = [_serving(number) for number in range(size)]
        items += [_service(number) for number in range(size // 3)]
        write_json(directory / "snapshot.json", listed(items))
    return [str(directory)]


SERVING, VIRTUAL = 0x0A000001, 0x0B000001
SERVER_PORT = 8003
"""Of the first connection of `generate.py`, of which all calls are made."""


def _serving(number: int) -> Json:
    name, address = f"app-{number // 3}", str(IPv4Address(SERVING + number))
    return small_pod(f"{name}-{number % 3}", name, address, "node-0", "192.168.0.1")


def _service(number: int) -> Json:
    return service(f"app-{number}", str(IPv4Address(VIRTUAL + number)), SERVER_PORT)


CONNECTIONS_A_CAPTURE = 20_000


def captures(data: Path, size: int) -> Words:
    """So many capture directories, an hour apart, of 20,000 connections each."""
    found = []
    for number in range(size):
        directory = data / f"captures/{number:03d}"
        found.append(str(directory))
        if not directory.exists():
            directory.mkdir(parents=True)
            write_json(directory / "snapshot.json", snapshot(5_000))
            words = CONNECTIONS_A_CAPTURE, 4, 1000, 0, START_S + number * 3600
            write_packets(data, directory / "node-0.pcap", *words)
    return found


FILES = 8


def shares(data: Path, size: int) -> Words:
    """A capture directory of eight nodes' files with so many connections of four packets."""
    return _shares(data / f"shares-{size}", size, packets=4)


def megabytes(data: Path, size: int) -> Words:
    """The same of 20,000 connections and so many MB, of headers alone."""
    return _shares(
        data / f"megabytes-{size}", 20_000, packets=size * MEGABYTE // 20_000 // (16 + 54)
    )


def _shares(directory: Path, size: int, packets: int) -> Words:
    if not directory.exists():
        directory.mkdir()
        write_json(directory / "snapshot.json", snapshot(5_000))
        each = size // FILES
        for number in range(FILES):
            words = each, packets, 1000, 0, START_S, number * each
            write_packets(directory.parent, directory / f"node-{number}.pcap", *words)
    return [str(directory)]


def parts(data: Path, size: int) -> Words:
    """The same connections as `shares`, reduced, in eight files to be merged."""
    (directory,) = map(Path, shares(data, size))
    found = []
    for source in sorted(directory.glob("*.pcap")):
        path = data / f"part-{size}-{source.stem}.parquet"
        found.append(str(path))
        if not path.exists():
            inputs = [str(source), "--snapshot", str(directory / "snapshot.json")]
            command = [sys.executable, "-m", "otterize_pcap", "reduce", *inputs, "--quiet", "-o"]
            subprocess.run([*command, str(path)], check=True, cwd=HERE.parent)
    return found


KINDS: dict[str, Callable[[Path, int], Words]] = {
    each.__name__: each
    for each in (
        *(pods, nodes, files, connections, stream, services, captures),
        *(shares, megabytes, parts),
    )
}


def main() -> None:
    """Make one input."""
    data, kind, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    data.mkdir(parents=True, exist_ok=True)
    source = writer(data, size) if kind == "stream" else []
    print(json.dumps({"words": KINDS[kind](data, size), "writer": source}))


if __name__ == "__main__":
    main()

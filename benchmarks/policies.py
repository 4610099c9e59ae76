"""Time `otterize netpol check`: 2,000 policies, 5,000 workloads, 50,000 observed calls.

    python benchmarks/policies.py [DIRECTORY] [--namespaces N]

Writes policies.yaml, snapshot.json and calls.pcap into the directory, and runs the command on them
three times. Each policy selects the workloads of one team of a namespace and allows what three in
four of the calls need.
"""

import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

POLICIES, WORKLOADS, CALLS = 2_000, 5_000, 50_000
START_S = 1_700_000_000
PORT = 8080
SYN, ACK = 2, 16


def address(number: int) -> str:
    """The address of a workload's pod."""
    return f"10.{100 + number // 65536}.{number // 256 % 256}.{number % 256}"


def snapshot(namespaces: int) -> dict[str, Any]:
    """A pod a workload, and the namespaces."""
    items: list[dict[str, Any]] = [
        {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": f"ns{at}", "labels": {}}}
        for at in range(namespaces)
    ]
    for number in range(WORKLOADS):
        labels = {"app": f"app{number}", "team": f"team{number % POLICIES}", "tier": "back"}
        items.append(
            {
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": {
                    "name": f"app{number}-0",
                    "namespace": f"ns{number % namespaces}",
                    "uid": f"uid{number}",
                    "creationTimestamp": "2023-01-01T00:00:00Z",
                    "labels": labels,
                    "ownerReferences": [
                        {
                            "apiVersion": "apps/v1",
                            "kind": "StatefulSet",
                            "name": f"app{number}",
                            "uid": f"set{number}",
                            "controller": True,
                        }
                    ],
                },
                "spec": {
                    "nodeName": f"node{number % 50}",
                    "containers": [{"name": "c", "ports": [{"containerPort": PORT}]}],
                },
                "status": {
                    "phase": "Running",
                    "podIP": address(number),
                    "startTime": "2023-01-01T00:00:00Z",
                },
            }
        )
    watch = {"watchStart": "2023-11-01T00:00:00Z", "watchEnd": "2023-12-01T00:00:00Z"}
    return {"kind": "List", "apiVersion": "v1", "items": items, "otterize": watch}


def calls(seed: int = 1) -> list[tuple[int, int]]:
    """Client and server of each call, no two alike: each team calls workloads of some others."""
    chance = random.Random(seed)
    found: dict[tuple[int, int], None] = {}
    while len(found) < CALLS:
        client = chance.randrange(WORKLOADS)
        called = (client % POLICIES * 7 + chance.randrange(1, 6)) % POLICIES
        server = called + POLICIES * chance.randrange(WORKLOADS // POLICIES + 1)
        if client != server and server < WORKLOADS:
            found[client, server] = None
    return list(found)


def policies(found: list[tuple[int, int]], namespaces: int) -> Iterator[str]:
    """YAML of each policy; one in four peers is forgotten."""
    teams: dict[int, set[tuple[int, int]]] = {}
    for client, server in found:
        caller = (client % POLICIES, client % namespaces)
        teams.setdefault(server % POLICIES, set()).add(caller)
    for team in range(POLICIES):
        for namespace in sorted({each % namespaces for each in range(team, WORKLOADS, POLICIES)}):
            yield (
                "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
                f"metadata:\n  name: team{team}\n  namespace: ns{namespace}\nspec:\n"
                f"  podSelector:\n    matchLabels:\n      team: team{team}\n"
                "  policyTypes: [Ingress]\n  ingress:\n  - from:\n"
            )
            kept = [each for each in sorted(teams.get(team, ())) if each[0] % 4]
            for caller, where in kept or [(team, namespace)]:
                yield (
                    "    - namespaceSelector:\n        matchLabels:\n"
                    f"          kubernetes.io/metadata.name: ns{where}\n"
                    f"      podSelector:\n        matchLabels:\n          team: team{caller}\n"
                )
            yield f"    ports:\n    - port: {PORT}\n"


def frames(found: list[tuple[int, int]]) -> Iterator[bytes]:
    """The records of a pcap file: three packets a call."""
    for number, (client, server) in enumerate(found):
        source, target = ((address(end), port) for end, port in ((client, 40000), (server, PORT)))
        steps = ((source, target, SYN, 1, 0), (target, source, SYN | ACK, 7, 2),
                 (source, target, ACK, 2, 8))  # fmt: skip
        for step, (sender, receiver, flags, seq, ack) in enumerate(steps):
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0)
            ip += b"".join(bytes(map(int, end[0].split("."))) for end in (sender, receiver))
            tcp = struct.pack("!HHIIBBHHH", sender[1], receiver[1], seq, ack, 0x50, flags, 64, 0, 0)
            frame = bytes(12) + b"\x08\x00" + ip + tcp
            micros = number * 10 + step
            when = (START_S + micros // 1_000_000, micros % 1_000_000)
            yield struct.pack("<IIII", *when, len(frame), len(frame)) + frame


def write(directory: Path, namespaces: int) -> None:
    """All three files."""
    found = calls()
    (directory / "policies.yaml").write_text("".join(policies(found, namespaces)))
    (directory / "snapshot.json").write_text(json.dumps(snapshot(namespaces), indent=1))
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    (directory / "calls.pcap").write_bytes(head + b"".join(frames(found)))


def main() -> None:
    """Write the files, and time the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path)
    parser.add_argument("--namespaces", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        directory = given.directory or Path(made)
        directory.mkdir(exist_ok=True)
        write(directory, given.namespaces)
        base = [sys.executable, "-m", "otterize_pcap"]
        capture = [directory / "calls.pcap", "--snapshot", directory / "snapshot.json", "-q"]
        check = [*base, "netpol", "check", directory / "policies.yaml", *capture]
        for command in ([*base, "intents", "list", *capture], check, [*check, "--unused"]):
            for _ in range(3):
                began, before = time.monotonic(), os.times().children_user
                done = subprocess.run(command, capture_output=True, check=False, text=True)
                took, cpu = time.monotonic() - began, os.times().children_user - before
                first = next(iter(done.stdout.splitlines()), done.stderr)
                name = " ".join(map(str, command[3:5]))
                print(f"{took:6.2f} s, {cpu:6.2f} s of a processor  {name}  {first}")


if __name__ == "__main__":
    main()

"""Time `netpol check` and `netpol export` where one thing is there by the thousand.

    python benchmarks/policy_shapes.py [ranges|rules|replicas|ports]...

Each case is made once and once of twice its size: what takes four times as long is quadratic.
"""

import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from policies import SYN, START_S, ACK, address  # isort: skip # beside this file

Json = dict[str, Any]
Call = tuple[str, str, int]
Case = tuple[list[Json], list[Call], list[Json]]
WATCH = {"watchStart": "2023-11-01T00:00:00Z", "watchEnd": "2023-12-01T00:00:00Z"}


def pod(number: int, workload: int, namespace: str = "ns0") -> Json:
    """A pod of a StatefulSet."""
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": f"app{workload}"}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": f"app{workload}-{number}",
            "namespace": namespace,
            "uid": f"uid{number}",
            "creationTimestamp": "2023-01-01T00:00:00Z",
            "labels": {"app": f"app{workload}", "tier": "back"},
            "ownerReferences": [{**owner, "uid": f"set{workload}", "controller": True}],
        },
        "spec": {"nodeName": f"node{number % 50}", "containers": [{"name": "c"}]},
        "status": {
            "phase": "Running",
            "podIP": address(number),
            "startTime": "2023-01-01T00:00:00Z",
        },
    }


def policy(name: str, namespace: str, spec: Json) -> Json:
    """A NetworkPolicy."""
    metadata = {"name": name, "namespace": namespace}
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    return {**kind, "metadata": metadata, "spec": spec}


def ranges(size: int) -> Case:
    """One rule with 5,000 ipBlocks, 20,000 calls to them."""
    outside = [f"203.{at // 65536}.{at // 256 % 256}.{at % 256}" for at in range(5_000 * size)]
    calls = [(address(at % 100), outside[at * 7 % len(outside)], 443) for at in range(20_000)]
    to = [{"ipBlock": {"cidr": f"{each}/32"}} for each in outside]
    rule = {"to": to, "ports": [{"port": 443}]}
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [rule]}
    return [pod(at, at) for at in range(100)], calls, [policy("p", "ns0", spec)]


def rules(size: int) -> Case:
    """One policy with 500 rules, 20,000 calls to 100 pods that it isolates."""
    chance = random.Random(1)
    calls = [(address(chance.randrange(1000)), address(at % 100), 8080) for at in range(20_000)]
    asked = (f"app{at}" for at in range(500 * size))
    ingress = [{"from": [{"podSelector": {"matchLabels": {"app": each}}}]} for each in asked]
    spec = {"podSelector": {}, "ingress": ingress}
    return [pod(at, at) for at in range(1000)], calls, [policy("p", "ns0", spec)]


def replicas(size: int) -> Case:
    """50 workloads of 100 pods each, 20,000 calls between any of them."""
    chance = random.Random(1)
    pods = [pod(at, at // 100, f"ns{at // 100 % 5}") for at in range(5_000)]
    calls = [
        (address(chance.randrange(5_000)), address(chance.randrange(5_000)), 8080)
        for _ in range(20_000 * size)
    ]
    peers = [
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": f"app{at}"}}}
        for at in range(0, 50, 2)
    ]
    made = [
        policy(
            f"p{at}",
            f"ns{at % 5}",
            {"podSelector": {"matchLabels": {"app": f"app{at}"}}, "ingress": [{"from": peers}]},
        )
        for at in range(50)
    ]
    return pods, calls, made


def ports(size: int) -> Case:
    """20 pairs of pods with 1,000 ports each, and one rule with all of these."""
    numbers = range(1024, 1024 + 1_000 * size)
    calls = [(address(at), address(at + 20), port) for at in range(20) for port in numbers]
    spec = {"podSelector": {}, "ingress": [{"ports": [{"port": port} for port in numbers]}]}
    return [pod(at, at) for at in range(40)], calls, [policy("p", "ns0", spec)]


CASES = {"ranges": ranges, "rules": rules, "replicas": replicas, "ports": ports}


def frames(calls: Iterable[Call]) -> bytes:
    """A pcap file of three packets a call."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for number, (client, server, port) in enumerate(dict.fromkeys(calls)):
        ends = (client, 40000), (server, port)
        for step, (way, flags, seq, ack) in enumerate(
            ((1, SYN, 1, 0), (-1, SYN | ACK, 7, 2), (1, ACK, 2, 8))
        ):
            sender, receiver = ends[::way]
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0)
            ip += b"".join(bytes(map(int, each[0].split("."))) for each in (sender, receiver))
            tcp = struct.pack("!HHIIBBHHH", sender[1], receiver[1], seq, ack, 0x50, flags, 64, 0, 0)
            frame = bytes(12) + b"\x08\x00" + ip + tcp
            seconds, micros = divmod(number * 10 + step, 1_000_000)
            parts += struct.pack("<IIII", START_S + seconds, micros, *[len(frame)] * 2), frame
    return b"".join(parts)


def write(directory: Path, case: Case) -> None:
    """The three files of a case."""
    pods, calls, made = case
    names = sorted({each["metadata"]["namespace"] for each in pods})
    items = [{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": n}} for n in names]
    snapshot = {"kind": "List", "apiVersion": "v1", "items": [*items, *pods], "otterize": WATCH}
    (directory / "snapshot.json").write_text(json.dumps(snapshot, indent=1))
    (directory / "calls.pcap").write_bytes(frames(calls))
    (directory / "policies.yaml").write_text("".join(f"---\n{json.dumps(each)}\n" for each in made))


def main() -> None:
    """Write the files of each case, and time the commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    for name in parser.parse_args().cases:
        for size in (1, 2):
            with tempfile.TemporaryDirectory() as made:
                directory = Path(made)
                write(directory, CASES[name](size))
                for words in (["check", "policies.yaml", "--unused"], ["export"]):
                    command = [sys.executable, "-m", "otterize_pcap", "netpol", *words]
                    command += ["calls.pcap", "--snapshot", "snapshot.json", "-q"]
                    before = os.times().children_user
                    done = subprocess.run(
                        command,
                        cwd=directory,
                        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
                        capture_output=True,
                        check=False,
                    )
                    took = os.times().children_user - before
                    print(f"{name}, size {size}, {words[0]}: {took:.2f} s, exit {done.returncode}")


if __name__ == "__main__":
    main()

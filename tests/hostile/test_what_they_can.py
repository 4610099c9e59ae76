"""The `can` column of the security page: what its rows admit is so, and seen for what it is."""

import json
from pathlib import Path

import pytest

from otterize_pcap.packets.protocols import ACK, SYN
from tests.capture_bytes import ethernet, ipv4, pcap, tcp
from tests.cluster_builder import NODES, Json, pod
from tests.conftest import Otterize

ATTACKER, VICTIM, BANK = "10.1.0.1", "10.1.0.2", "10.1.0.3"
NAMED = {"attacker": ATTACKER, "victim": VICTIM, "bank": BANK}


def call(source: str, target: str) -> list[bytes]:
    """The frames of a handshake."""
    return [
        ethernet(ipv4(tcp(40000, 80, SYN, 1, 0), source=source, target=target)),
        ethernet(ipv4(tcp(80, 40000, SYN | ACK, 9, 2), source=target, target=source)),
        ethernet(ipv4(tcp(40000, 80, ACK, 2, 10), source=source, target=target)),
    ]


def capture(tmp_path: Path, frames: list[bytes], named: dict[str, str]) -> tuple[str, ...]:
    """The arguments for a recording, and a snapshot in which workloads have these addresses."""
    (tmp_path / "x.pcap").write_bytes(pcap(frames))
    items: list[Json] = [pod(name, address) for name, address in named.items()]
    (tmp_path / "s.json").write_text(json.dumps({"kind": "List", "items": [*items, *NODES]}))
    return "x.pcap", "--snapshot", "s.json"


def test_pod_is_seen_whoever_it_calls(otterize: Otterize, tmp_path: Path) -> None:
    """Its own call has its own name."""
    arguments = capture(tmp_path, call(ATTACKER, BANK), NAMED)
    assert otterize("intents", "list", *arguments).stdout == "attacker calls:\n  - bank\n"


@pytest.mark.parametrize("who", ["a pod with NET_RAW", "a node"])
def test_packets_as_recorded_are_believed(who: str, otterize: Otterize, tmp_path: Path) -> None:
    """Packets in the victim's name that went both ways are the victim's call, whoever sent them."""
    frames = call(VICTIM, BANK) + (call(ATTACKER, BANK) if who.startswith("a pod") else [])
    arguments = capture(tmp_path, frames, NAMED)
    assert "victim calls:\n  - bank\n" in otterize("intents", "list", *arguments).stdout


def test_forged_attempt_alone_is_no_call(otterize: Otterize, tmp_path: Path) -> None:
    """A SYN in the victim's name is one-sided: the answer goes to the victim, and none comes."""
    arguments = capture(tmp_path, call(VICTIM, BANK)[:1], NAMED)
    done = otterize("intents", "list", *arguments)
    assert "calls:" not in done.stdout


def test_author_of_the_snapshot_names_the_workloads(otterize: Otterize, tmp_path: Path) -> None:
    """Addresses that change their names in the snapshot change them in the map."""
    swapped = NAMED | {"attacker": VICTIM, "victim": ATTACKER}
    arguments = capture(tmp_path, call(ATTACKER, BANK), swapped)
    assert otterize("intents", "list", *arguments).stdout == "victim calls:\n  - bank\n"


def test_pull_request_declares_and_ignores(otterize: Otterize, tmp_path: Path) -> None:
    """A call that is neither declared nor ignored is found; either makes the check pass."""
    arguments = capture(tmp_path, call(ATTACKER, BANK), NAMED)
    seen = otterize("intents", "export", *arguments).stdout
    (tmp_path / "declared.yaml").write_text(seen)
    (tmp_path / "none.yaml").write_text(seen.replace("name: bank", "name: other"))
    (tmp_path / "ignored").write_text("attacker -> bank\nattacker -> other\n")
    check = ("check", *arguments, "--allow")
    assert otterize(*check, "none.yaml").returncode == 1
    assert otterize(*check, "declared.yaml").returncode == 0
    assert otterize(*check, "none.yaml", "--ignore", "ignored").returncode == 0


def test_author_of_policies_decides_what_they_allow(otterize: Otterize, tmp_path: Path) -> None:
    """A policy that allows everybody makes the check pass that one for nobody fails."""
    arguments = capture(tmp_path, call(ATTACKER, BANK), NAMED)
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "bank", "namespace": "app"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }
    (tmp_path / "nobody.json").write_text(json.dumps(policy))
    policy["spec"] = {"podSelector": {}, "ingress": [{}]}
    (tmp_path / "everybody.json").write_text(json.dumps(policy))
    assert otterize("netpol", "check", "nobody.json", *arguments).returncode == 1
    assert otterize("netpol", "check", "everybody.json", *arguments).returncode == 0


def test_flow_logs_are_believed(otterize: Otterize, tmp_path: Path) -> None:
    """Whoever writes a log names both ends, and says who called."""
    flow = {
        "time": "2026-11-23T07:00:01Z",
        "verdict": "FORWARDED",
        "IP": {"source": VICTIM, "destination": BANK},
        "l4": {"TCP": {"source_port": 4000, "destination_port": 80, "flags": {"ACK": True}}},
        "source": {"namespace": "app", "pod_name": "victim"},
        "destination": {"namespace": "app", "pod_name": "bank"},
        "is_reply": False,
    }
    back = flow | {
        "IP": {"source": BANK, "destination": VICTIM},
        "l4": {"TCP": {"source_port": 80, "destination_port": 4000, "flags": {"ACK": True}}},
        "source": flow["destination"],
        "destination": flow["source"],
        "is_reply": True,
    }
    lines = "".join(f"{json.dumps({'flow': each})}\n" for each in (flow, back))
    (tmp_path / "flows.jsonl").write_text(lines)
    assert otterize("intents", "list", "flows.jsonl").stdout == "victim calls:\n  - bank\n"

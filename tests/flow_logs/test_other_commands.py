"""Flow logs given to commands that were made for packets: right, or refused in one line."""

import tarfile
from pathlib import Path

import pytest

from otterize_pcap.packets.protocols import ACK, SYN
from tests.capture_bytes import ethernet, ipv4, pcap, tcp
from tests.conftest import FIXTURES, Otterize

LOGS = FIXTURES / "flow-logs"
HUBBLE, NETOBSERV = LOGS / "hubble.jsonl", LOGS / "netobserv.json"
WEB, CHECKOUT = "10.244.1.10", "10.244.2.20"
TIME_NS = 1_795_417_201_000_000_000
"""2026-11-23T07:00:01Z."""
POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: checkout, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {}}]
      ports: [{protocol: TCP, port: PORT}]
"""


def handshake(folder: Path) -> Path:
    """A capture of `web` calling `checkout`, at the time and between the ends of the logs."""
    ends = (41000, 8080)
    frames = [
        ethernet(ipv4(tcp(*ends, SYN, 1, 0), source=WEB, target=CHECKOUT)),
        ethernet(ipv4(tcp(*ends[::-1], SYN | ACK, 1, 2), source=CHECKOUT, target=WEB)),
        ethernet(ipv4(tcp(*ends, ACK, 2, 2), source=WEB, target=CHECKOUT)),
    ]
    path = folder / "n1.pcap"
    path.write_bytes(pcap(frames, start=TIME_NS))
    return path


@pytest.mark.parametrize("log", [HUBBLE, NETOBSERV], ids=lambda path: path.name)
def test_a_log_names_the_pods_of_packets(log: Path, otterize: Otterize, tmp_path: Path) -> None:
    """`--snapshot` of a log beside packets of the same time: their ends have names."""
    done = otterize("intents", "list", handshake(tmp_path), "--snapshot", log, "--wide", "-q")
    assert done.returncode == 0
    heading, *rows = done.stdout.splitlines()
    assert heading.startswith("CLIENT")
    [row] = rows
    assert row.split()[:7] == [
        *("web", "shop", "Deployment", "checkout", "shop", "Deployment", "8080/TCP")
    ]


@pytest.mark.parametrize("packed", ["w", "w:gz"])
def test_a_tar_of_logs_is_to_be_unpacked(packed: str, otterize: Otterize, tmp_path: Path) -> None:
    """One error, with the way to go."""
    path = tmp_path / "logs.tar"
    with tarfile.open(path, packed) as archive:  # type: ignore[call-overload] # both are modes
        archive.add(HUBBLE, "hubble.jsonl")
    for command in (("intents", "list"), ("connections",), ("explain", "web", "checkout")):
        done = otterize(*command, path, "--snapshot", HUBBLE)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr == (
            f"otterize: {path}: no capture in the tar archive; unpack it: flow logs and documents "
            "are read as files\n"
        )


@pytest.mark.parametrize("given", [HUBBLE, NETOBSERV, LOGS], ids=lambda path: path.name)
def test_logs_are_not_reduced(given: Path, otterize: Otterize, tmp_path: Path) -> None:
    """There are no rows in them; nothing is written."""
    made = tmp_path / "x.parquet"
    done = otterize("reduce", given, "-o", made)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(
        ": a flow log, which every command reads as it is, and which has no packets to reduce; "
        "give packets\n"
    )
    assert not made.exists()


@pytest.mark.parametrize("given", [HUBBLE, NETOBSERV, LOGS], ids=lambda path: path.name)
def test_no_policies_are_made_of_a_sample(given: Path, otterize: Otterize, tmp_path: Path) -> None:
    """What a log lacks would be denied."""
    done = otterize("netpol", "export", given, "-o", tmp_path / "made", "-q")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(
        ": a flow log is a sample, and policies made of it would deny what it lacks; give packets, "
        "or hold policies against it with netpol check\n"
    )
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(("port", "code"), [(8080, 0), (9999, 1)])
def test_policies_are_held_against_logs(
    port: int, code: int, otterize: Otterize, tmp_path: Path
) -> None:
    """What policies would deny of logged calls is a violation, as of packets."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.replace("PORT", str(port)))
    done = otterize("netpol", "check", policy, HUBBLE, "-q")
    assert done.returncode == code
    assert ("web" in done.stdout) == bool(code)


def test_policies_select_nobody_in_a_log_without_labels(otterize: Otterize, tmp_path: Path) -> None:
    """NetObserv names pods and no labels: that is no agreement with what was observed."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.replace("PORT", "8080"))
    done = otterize("netpol", "check", policy, NETOBSERV, "-q")
    assert done.returncode == 6
    assert "no pod of the snapshot has a label" in done.stderr


def test_inspection_of_a_log(otterize: Otterize) -> None:
    """A log has no objects, and what it names is not said to be missing."""
    done = otterize("snapshot", "inspect", HUBBLE)
    assert done.returncode == 0
    objects, pods, _, *lacks = done.stdout.splitlines()
    assert objects == "objects    none; what is known is named by flow logs"
    assert pods == "pods       5 workloads on 5 addresses"
    assert not any("no Pods" in line or "no Services" in line for line in lacks)


@pytest.mark.parametrize("given", [HUBBLE, NETOBSERV, LOGS], ids=lambda path: path.name)
def test_logs_are_not_anonymised(given: Path, otterize: Otterize, tmp_path: Path) -> None:
    """Nor is a directory of them; nothing is written."""
    done = otterize("anonymise", given, "-o", tmp_path / "made")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"otterize: {given}: a flow log, of which no anonymised form is made; give packets\n"
    )
    assert not (tmp_path / "made").exists()

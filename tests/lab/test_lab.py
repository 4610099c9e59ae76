"""The lab's recordings say the same in packets, snapshot and truth; and it records anew.

What is checked of `fixtures/` needs nothing; the tests marked `lab` build network namespaces and
run tcpdump, and are skipped, saying why, where that cannot be.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.capture_dir import decode_manifest
from otterize_pcap.timestamps import SECOND_NS, parse_time
from tests.awaiting import until
from tests.lab.views import snapshot_files, unknown, uplink_of

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "scripts" / "lab" / "record.py"
FIXTURES = sorted(path.parent for path in (ROOT / "fixtures").glob("*/truth.json"))
TRUTHS = {path: json.loads((path / "truth.json").read_text()) for path in FIXTURES}
SLL, SLL2, ETHERNET = 113, 276, 1
RECORDED_AS_V1 = ("handover-cooked-v1", "handover-untold")
VXLAN_PORT, VXLAN_HEADER = 8472, 8
MOST_BYTES = 300_000
VARIANT = "7"

Json = dict[str, Any]
# Addresses, protocol and ports of one packet, from sender to receiver.
Tuple5 = tuple[str, str, str, int, int]


def why_no_lab() -> str | None:
    """What this machine lacks to build the lab, or None."""
    if os.geteuid() != 0:
        return "the lab needs root"
    missing = [tool for tool in ("ip", "bridge", "nft", "sysctl", "tcpdump") if not _has(tool)]
    if missing:
        return f"the lab needs {', '.join(missing)}"
    if not Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
        return "the lab needs br_netfilter"
    name = f"otelab-{os.getpid()}-try"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "network namespaces cannot be made here"
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return None


def _has(tool: str) -> bool:
    return shutil.which(tool) is not None


NO_LAB = why_no_lab()
needs_lab = pytest.mark.skipif(NO_LAB is not None, reason=NO_LAB or "")


def read_json(path: Path) -> Json:
    """A JSON document of a capture directory."""
    document: Json = json.loads(path.read_text())
    return document


def packets(path: Path) -> Iterator[tuple[float, Any]]:
    """Time and IP packet of every record that holds one."""
    with path.open("rb") as stream:
        reader = dpkt.pcap.Reader(stream)
        link = dpkt.sll2.SLL2 if reader.datalink() == SLL2 else dpkt.ethernet.Ethernet
        for moment, frame in reader:
            # Inside a tunnel the packet is whole at least once more, on flannel.1 or cni0.
            packet = link(frame).data
            if isinstance(packet, dpkt.ip.IP | dpkt.ip6.IP6):
                yield moment, packet


def tunnelled(directory: Path) -> set[Tuple5]:
    """Every TCP and UDP 5-tuple inside VXLAN on the nodes' uplinks."""
    found: set[Tuple5] = set()
    for path in uplink_of(directory).iterdir():
        for _, outer in packets(path):
            if isinstance(outer.data, dpkt.udp.UDP) and outer.data.dport == VXLAN_PORT:
                inner = dpkt.ethernet.Ethernet(outer.data.data[VXLAN_HEADER:]).data
                found |= {each for each in [_tuple5(inner)] if each is not None}
    return found


def plain(directory: Path) -> set[Tuple5]:
    """Every TCP and UDP 5-tuple outside the tunnel on the nodes' uplinks."""
    return {
        each
        for path in uplink_of(directory).iterdir()
        for _, packet in packets(path)
        if (each := _tuple5(packet)) is not None
    }


def _tuple5(packet: Any) -> Tuple5 | None:  # noqa: ANN401 (dpkt has no types)
    """The 5-tuple of a dpkt packet, where it has one."""
    segment = getattr(packet, "data", None)
    if not isinstance(segment, dpkt.tcp.TCP | dpkt.udp.UDP):
        return None
    protocol = "TCP" if isinstance(segment, dpkt.tcp.TCP) else "UDP"
    source, destination = (dpkt.utils.inet_to_str(end) for end in (packet.src, packet.dst))
    return source, destination, protocol, segment.sport, segment.dport


def tuples(directory: Path) -> set[Tuple5]:
    """Every TCP and UDP 5-tuple in the captures and the conntrack dumps."""
    found: set[Tuple5] = set()
    for path in (directory / "pcap").iterdir():
        found |= {each for _, packet in packets(path) if (each := _tuple5(packet)) is not None}
    for dump in directory.glob("node/*/conntrack-*"):
        if dump.name in ("conntrack-start", "conntrack-end"):
            found |= {each for line in dump.read_text().splitlines() for each in _directions(line)}
    return found


def _directions(line: str) -> Iterator[Tuple5]:
    """The original and the reply tuple of one line of /proc/net/nf_conntrack."""
    words = line.split()
    fields = [word.partition("=") for word in words if "=" in word]
    for start in (0, 4):
        values = {key: value for key, _, value in fields[start : start + 4]}
        if values.keys() == {"src", "dst", "sport", "dport"}:
            ports = int(values["sport"]), int(values["dport"])
            yield values["src"], values["dst"], words[2].upper(), *ports


def truth_of(directory: Path) -> Json:
    """The truth.json of a fixture, or of a recording made just now."""
    truth: Json = read_json(directory / "truth.json")
    return truth


class Snapshot:
    """Whose an address is, by the labels that the lab puts on everything it makes."""

    def __init__(self, directory: Path) -> None:
        files = snapshot_files(truth_of(directory), directory) or [directory / "snapshot.json"]
        self.documents = [read_json(path) for path in files]
        self.items: list[Json] = [item for each in self.documents for item in each["items"]]

    def of_kind(self, kind: str) -> list[Json]:
        """All objects of a kind."""
        return [item for item in self.items if item["kind"] == kind]

    def pod_addresses(self, workload: Json) -> set[str]:
        """The addresses of a workload's pods, or of a Service without pods."""
        if workload["kind"] == "Service" and "group" not in workload:
            return self.endpoints(workload["name"], workload["namespace"])
        return {
            address
            for pod in self.of_kind("Pod")
            if pod["metadata"]["namespace"] == workload["namespace"]
            and workload["name"] in _names(pod["metadata"])
            for address in _addresses(pod)
        }

    def service(self, name: str, namespace: str) -> Json:
        """A Service by name."""
        [found] = [
            item
            for item in self.of_kind("Service")
            if (item["metadata"]["name"], item["metadata"]["namespace"]) == (name, namespace)
        ]
        return found

    def endpoints(self, name: str, namespace: str) -> set[str]:
        """The addresses in a Service's EndpointSlices."""
        return {
            address
            for item in self.of_kind("EndpointSlice")
            if item["metadata"]["labels"]["kubernetes.io/service-name"] == name
            and item["metadata"]["namespace"] == namespace
            for endpoint in item["endpoints"]
            for address in endpoint["addresses"]
        }

    def entrances(self, edge: Json) -> set[str]:
        """Every address that leads to an edge's server."""
        found = self.servers(edge) | ({edge["entrance"]} if "entrance" in edge else set())
        if edge["service"] is None:
            return found | self.host_port_nodes(edge["server"])
        service = self.service(edge["service"], edge["server"]["namespace"])
        balancer = service["status"]["loadBalancer"].get("ingress", [])
        found |= {*service["spec"]["clusterIPs"], *service["spec"].get("externalIPs", [])}
        found |= {each["ip"] for each in balancer if "ip" in each}
        if service["spec"]["type"] != "ClusterIP":
            found |= {
                each["address"]
                for node in self.of_kind("Node")
                for each in node["status"]["addresses"]
            }
        return found

    def host_port_nodes(self, workload: Json) -> set[str]:
        """The addresses of the nodes where a pod of this workload has a hostPort."""
        return {
            pod["status"]["hostIP"]
            for pod in self.of_kind("Pod")
            if workload["name"] in _names(pod["metadata"])
            for container in pod["spec"]["containers"]
            for port in container.get("ports", ())
            if "hostPort" in port
        }

    def servers(self, edge: Json) -> set[str]:
        """The addresses that an edge's server itself has."""
        return self.pod_addresses(edge["server"])


def _addresses(pod: Json) -> set[str]:
    """A pod's addresses, those of its further networks too."""
    status = pod["metadata"].get("annotations", {}).get("k8s.v1.cni.cncf.io/network-status", "[]")
    further = {address for network in json.loads(status) for address in network["ips"]}
    return further | {address["ip"] for address in pod["status"]["podIPs"]}


def _names(metadata: Json) -> set[str]:
    """What a pod's workload may be called in truth.json."""
    in_pod_name = metadata["name"].replace(".", "_").rpartition("-")[0]
    return {metadata["labels"]["app"], in_pod_name, *metadata.get("annotations", {}).values()}


def made(directory: Path) -> list[Json]:
    """The calls of a scenario, between its controllers where an owner above merges them."""
    truth = truth_of(directory)
    edges: list[Json] = truth["nearest"] if "nearest" in truth else truth["edges"]
    return edges


def unproven(directory: Path) -> list[str]:
    """The true edges for which no packet and no conntrack entry speaks, both ways."""
    snapshot, seen = Snapshot(directory), tuples(directory)
    missing = []
    for edge in made(directory):
        if "recorded" in edge.get("unknown", {}):
            continue
        clients = snapshot.pod_addresses(edge["client"])
        entrances, servers = snapshot.entrances(edge), snapshot.servers(edge)
        asked = any(
            source in clients and destination in entrances and protocol == edge["protocol"]
            for source, destination, protocol, _, _ in seen
        )
        answered = any(
            source in servers and (protocol, port) == (edge["protocol"], edge["port"])
            for source, _, protocol, port, _ in seen
        )
        spoke = {"client": asked, "server": answered}
        recorded = [edge["oneWay"]] if "oneWay" in edge else ["client", "server"]
        if not all(spoke[side] for side in recorded):
            missing.append(f"{edge['client']['name']} -> {edge['server']['name']}")
    return missing


def syn_times(path: Path) -> dict[int, float]:
    """When each SYN was first recorded in a file, by its sequence number."""
    times: dict[int, float] = {}
    for moment, packet in packets(path):
        segment = packet.data
        if isinstance(segment, dpkt.tcp.TCP) and segment.flags & 0x12 == dpkt.tcp.TH_SYN:
            times.setdefault(segment.seq, moment)
    return times


def record(*arguments: str) -> str:
    """Run the lab; it must succeed."""
    command = [sys.executable, str(RECORD), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def namespaces_of(process: int) -> list[str]:
    """The network namespaces that a lab process has made and not removed."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if line.startswith(f"otelab-{process}-")]


by_fixture = pytest.mark.parametrize("directory", FIXTURES, ids=lambda path: path.name)
with_manifest = pytest.mark.parametrize(
    "directory",
    [path for path in FIXTURES if TRUTHS[path].get("manifest", True)],
    ids=lambda path: path.name,
)
watched = pytest.mark.parametrize(
    "directory",
    [
        path
        for path in FIXTURES
        if "snapshots" not in TRUTHS[path] and "otterize" in read_json(path / "snapshot.json")
    ],
    ids=lambda path: path.name,
)


def test_every_scenario_has_a_fixture() -> None:
    """What `--list` names is what `fixtures/` holds."""
    assert record("--list").split() == [path.name for path in FIXTURES]


@with_manifest
def test_manifest_describes_the_files(directory: Path) -> None:
    """Every file has the size and hash that the manifest states, and no packet was dropped."""
    path = directory / "manifest.json"
    manifest = decode_manifest(path.read_bytes(), str(path))
    assert manifest.nodes
    for node in manifest.nodes:
        assert node.packets.dropped == 0
        for file in node.files:
            content = (directory / file.path).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)


@with_manifest
def test_packets_lie_within_their_node_s_times(directory: Path) -> None:
    """S12: packets and manifest are by the same clock, the node's own."""
    path = directory / "manifest.json"
    manifest = decode_manifest(path.read_bytes(), str(path))
    for node in manifest.nodes:
        assert node.start is not None
        assert node.end is not None
        for file in node.files:
            with (directory / file.path).open("rb") as stream:
                times = [float(seconds) for seconds, _ in dpkt.pcap.Reader(stream)]
            start, end = parse_time(node.start) / SECOND_NS, parse_time(node.end) / SECOND_NS
            assert [seconds for seconds in times if not start <= seconds <= end] == []


@by_fixture
def test_captures_have_the_stated_link_types(directory: Path) -> None:
    """`-i any` gives LINUX_SLL2, or v1 where asked, the uplink Ethernet, for the same nodes."""
    links = {}
    for kind, folder in (("any", directory / "pcap"), ("uplink", uplink_of(directory))):
        for path in folder.iterdir():
            with path.open("rb") as stream:
                links[kind, path.name] = dpkt.pcap.Reader(stream).datalink()
    nodes = {name for _, name in links}
    cooked = SLL if directory.name in RECORDED_AS_V1 else SLL2
    assert links == {("any", name): cooked for name in nodes} | {
        ("uplink", name): ETHERNET for name in nodes
    }


@watched
def test_snapshot_observes_known_objects(directory: Path) -> None:
    """S10: every interval belongs to an object of the snapshot, and ends after it starts."""
    snapshot = Snapshot(directory)
    known = {item["metadata"]["uid"] for item in snapshot.items}
    observed = snapshot.documents[0]["otterize"]["observed"]
    assert observed
    assert [each for each in observed if each["uid"] not in known] == []
    assert [each for each in observed if each["end"] and each["end"] <= each["start"]] == []


@by_fixture
def test_true_edges_are_in_the_recording(directory: Path) -> None:
    """Each true edge was asked for and answered, by packets or by conntrack."""
    assert unproven(directory) == []


@by_fixture
def test_uplink_shows_what_the_truth_says(directory: Path) -> None:
    """Edges marked `yes` cross the uplinks between the pods' own addresses, `no` do not."""
    snapshot, inside = Snapshot(directory), tunnelled(directory) | plain(directory)
    inside |= {(to, source, protocol, at, port) for source, to, protocol, port, at in inside}
    for edge in made(directory):
        clients, servers = snapshot.pod_addresses(edge["client"]), snapshot.servers(edge)
        crossed = any(
            source in clients and destination in servers and port == edge["port"]
            for source, destination, _, _, port in inside
        )
        if edge["uplink"] != "conntrack" and (crossed or not unknown(edge, "uplink")):
            assert crossed is (edge["uplink"] == "yes"), edge


@by_fixture
def test_fixture_is_small_and_documented(directory: Path) -> None:
    """A fixture stays below 300 kB, and its README says how to record it again."""
    sizes = [path.stat().st_size for path in directory.rglob("*") if path.is_file()]
    assert sum(sizes) < MOST_BYTES
    assert f"scripts/lab/record.py {directory.name}`" in (directory / "README.md").read_text()


def test_skewed_clock_is_in_the_packets() -> None:
    """S12: in `clock-skew` the SYNs seen on both nodes are 3.7 s apart."""
    folder = ROOT / "fixtures" / "clock-skew" / "pcap"
    ours, theirs = syn_times(folder / "node-a.pcap"), syn_times(folder / "node-b.pcap")
    offsets = [theirs[number] - ours[number] for number in ours.keys() & theirs.keys()]
    assert len(offsets) >= 3
    assert [offset for offset in offsets if abs(offset - 3.7) > 0.1] == []


@given(nanoseconds=st.integers(-(10**12), 10**12).map(lambda number: number * 1000))
def test_shifting_back_restores_the_capture(nanoseconds: int) -> None:
    """Moving a capture in time and back changes nothing."""
    location = ROOT / "scripts" / "lab" / "shift.py"
    spec = importlib.util.spec_from_file_location("lab_shift", location)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    capture = (ROOT / "fixtures" / "hairpin" / "pcap" / "node-a.pcap").read_bytes()
    assert module.shift(module.shift(capture, nanoseconds), -nanoseconds) == capture


@pytest.mark.lab
@needs_lab
def test_fresh_run_agrees_with_its_truth(tmp_path: Path) -> None:
    """A new run with other names and ports is a valid capture that shows its true edges."""
    record("two-nodes", "--variant", VARIANT, "-o", str(tmp_path))
    directory = tmp_path / "two-nodes"
    path = directory / "manifest.json"
    assert len(decode_manifest(path.read_bytes(), str(path)).nodes) == 2
    assert unproven(directory) == []
    fresh = {edge["client"]["name"] for edge in read_json(directory / "truth.json")["edges"]}
    fixture = read_json(ROOT / "fixtures" / "two-nodes" / "truth.json")["edges"]
    assert len(fresh) == 4
    assert fresh.isdisjoint({edge["client"]["name"] for edge in fixture})


@pytest.mark.lab
@needs_lab
def test_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    """After SIGTERM no namespace and no process of the run is left."""
    command = [sys.executable, str(RECORD), "ip-reuse", "-o", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as run:
        until((tmp_path / "ip-reuse" / "pcap" / "node-b.pcap").exists)
        assert namespaces_of(run.pid)
        run.send_signal(signal.SIGTERM)
        run.wait(timeout=60)
    assert namespaces_of(run.pid) == []

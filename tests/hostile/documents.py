"""Every kind of document: one that is right, how it is changed, and all that is done with it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from otterize_pcap.capture_dir import decode_manifest
from otterize_pcap.cli.comparing import FINDING_FORMATS
from otterize_pcap.cli.logged_connections import listed_of_logs, log_lines
from otterize_pcap.cli.policy_input import in_order, recorded_policies
from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.compare.ignore_rules import parse_ignore_rules
from otterize_pcap.connections.conntrack import last_packet_ns, parse_conntrack, parse_timeouts
from otterize_pcap.connections.node_files import parse_inside_networks, parse_node_addresses
from otterize_pcap.connections.port_ranges import parse_port_range
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.flow_log_files import flow_logs_among, read_flow_logs
from otterize_pcap.files.make_blocks import BlockMaker
from otterize_pcap.files.reduce_captures import reduce_captures
from otterize_pcap.files.snapshot_files import load_snapshot
from otterize_pcap.graph.graph_format import decode_graph, encode_graph
from otterize_pcap.graph.service_graph import ServiceGraph
from otterize_pcap.inspect_snapshot import inspect_snapshot
from otterize_pcap.intents.places import declared_places
from otterize_pcap.intents.read_intents import parse_intents
from otterize_pcap.intents.sort_files import NamedFile
from otterize_pcap.policies.action_rule import AnyPolicy
from otterize_pcap.policies.policy_findings import policy_findings
from otterize_pcap.policies.policy_rules import Remark
from otterize_pcap.policies.read_policies import read_policies
from otterize_pcap.render.diff_text import render_diff
from otterize_pcap.render.list_text import render_list
from otterize_pcap.render.netpol_json import render_policy_check_json
from otterize_pcap.render.netpol_text import render_policy_check
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.map_capture import MappedCapture, graph_capture, map_capture
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from otterize_pcap.table.chunk import ReadOptions
from tests.conftest import FIXTURES, GOLDEN
from tests.hostile.mutations import mutated
from tests.hostile.page_mutations import mutated_pages
from tests.hostile.parquet_mutations import mutated_parquet
from tests.hostile.policy_documents import ADMIN, CILIUM, as_list
from tests.hostile.table_mutations import mutated_table
from tests.policies.judged import check_policies

CAPTURE = FIXTURES / "two-nodes"
NODE = CAPTURE / "node" / "node-a"
TUTORIAL = FIXTURES / "tutorial-before"
TUNNELS = FIXTURES / "pod-tunnels"
LOGS = FIXTURES / "flow-logs"
MOST_FLOWS = 100_000
EVERYTHING = Rules(
    inclusion=Inclusion(
        attempts=True, one_way_udp=True, cluster_dns=True, internet=True, lookups=True
    ),
    force=True,
)
_KEPT = TemporaryDirectory()


@dataclass(frozen=True, slots=True)
class Document:
    """What is done with a kind of document, one that is right, and how a seed changes it."""

    use: Callable[[bytes], object]
    content: bytes
    change: Callable[[bytes, int], bytes] = mutated


def afresh(name: str) -> Path:
    """Where to write a file that is not there.

    One that is cut off and written again ext4 writes to the disk at once, and mutations waited.
    """
    path = Path(_KEPT.name) / name
    path.unlink(missing_ok=True)
    return path


def snapshot(content: bytes) -> None:
    """As `snapshot inspect` reads it."""
    inspect_snapshot(parse_snapshot([("snapshot.json", content)]))


def intents(content: bytes) -> None:
    """As `check --allow` reads it, with the places for annotations."""
    graph = parse_intents([("intents.yaml", content)])
    list(declared_places([("intents.yaml", content)]))
    render_diff(diff_graphs(ServiceGraph(), graph))
    encode_graph(graph)


def graph(content: bytes) -> None:
    """As `diff` reads it."""
    found = decode_graph(content, "graph.json")
    render_list(found)
    encode_graph(found)


def dump(content: bytes) -> None:
    """A conntrack dump and the timeouts of a node."""
    text = content.decode("ascii", "replace")
    timeouts = parse_timeouts((NODE / "conntrack-timeouts").read_text() + text)
    found = parse_conntrack(text.splitlines(), "a", 1 << 60, timeouts)
    for entry in found.entries:
        last_packet_ns(entry, found)


def addresses(content: bytes) -> None:
    """What `ip addr` and `ip route` said."""
    text = content.decode("utf-8", "replace")
    parse_inside_networks(text, parse_node_addresses(text))
    parse_port_range(text)


def ignored(content: bytes) -> None:
    """Rules of calls that are not held against anybody."""
    parse_ignore_rules(content.decode("utf-8", "replace"), "ignored")


@cache
def small_capture() -> Path:
    """A capture directory whose manifest and snapshot are replaced again and again."""
    folder = Path(_KEPT.name) / "capture"
    shutil.copytree(TUTORIAL, folder)
    return folder


def manifest(content: bytes) -> None:
    """With the packets that it speaks of: times, nodes, clocks and files are used."""
    decode_manifest(content, "manifest.json")
    folder = small_capture()
    afresh("capture/manifest.json").write_bytes(content)
    for capture in open_captures([folder]):
        render_list(graph_capture(capture))


@cache
def two_nodes() -> MappedCapture:
    """What policies are held against."""
    (capture,) = open_captures([CAPTURE])
    return map_capture(capture)


def policies(content: bytes) -> None:
    """As `netpol check` reads files, and prints what it finds in each format."""
    for in_folder in (False, True):
        found = read_policies([NamedFile("policies.yaml", content, in_folder)])
    _judge(found.policies, found.remarks)


def recorded(content: bytes) -> None:
    """Policies of a snapshot, beside all else that it holds."""
    documents = [("snapshot.json", (CAPTURE / "snapshot.json").read_bytes())]
    _judge(recorded_policies(parse_snapshot([*documents, ("policies.json", content)])), ())


def _judge(found: tuple[AnyPolicy, ...], remarks: tuple[Remark, ...]) -> None:
    check, more = check_policies(found, [two_nodes()], attempts=True)
    told = in_order((*remarks, *more))
    render_policy_check(check, told, unused=True)
    render_policy_check_json(check, told, ())
    findings = policy_findings(check, told, unused=True)
    for render in FINDING_FORMATS.values():
        render(findings)


def flow_log(content: bytes) -> None:
    """As `intents list` and `connections` read it, alone and with a snapshot."""
    path = afresh("flows")
    path.write_bytes(content)
    for snapshots in ([], [CAPTURE / "snapshot.json"]):
        for capture in open_captures([path], snapshots):
            mapped = graph_capture(capture, EVERYTHING)
            render_list(mapped)
            encode_graph(mapped)
    logs = read_flow_logs(flow_logs_among([path]).items(), MOST_FLOWS)
    listed_of_logs(logs, legs=False)
    listed_of_logs(logs, legs=True)
    list(log_lines(logs))


def reduced(content: bytes) -> None:
    """As every command reads it in the place of its capture, and as it is merged into another."""
    path = afresh("table.parquet")
    path.write_bytes(content)
    for capture in open_captures([path], (), ReadOptions(collect_names=True)):
        encode_graph(graph_capture(capture, EVERYTHING))
    with afresh("merged.parquet").open("wb") as stream:
        reduce_captures(stream, [path])


def node_table(content: bytes) -> None:
    """As a recording that its node reduced: mapped, and reduced again."""
    path = afresh("node-a.conntable")
    path.write_bytes(content)
    for options in (ReadOptions(), ReadOptions(collect_names=True)):
        for capture in open_captures([path], [TUNNELS / "snapshot.json"], options):
            encode_graph(graph_capture(capture, EVERYTHING))
    with afresh("of-table.parquet").open("wb") as stream:
        reduce_captures(stream, [path], [TUNNELS / "snapshot.json"])


def _table_with_tunnels() -> bytes:
    """One in which tunnels are open, and those that a pod forged are shut."""
    nodes = sorted(load_snapshot([TUNNELS / "snapshot.json"]).nodes)
    recording = min((TUNNELS / "pcap").iterdir())
    return BlockMaker(ReadOptions(), nodes).block(recording.read_bytes()).content


def _reduced_tutorial() -> bytes:
    path = afresh("tutorial.parquet")
    with path.open("wb") as stream:
        reduce_captures(stream, [TUTORIAL])
    return path.read_bytes()


WRITTEN_POLICIES = (GOLDEN / "netpol" / "policies.yaml").read_bytes()
EVERY_FIELD = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "all", "namespace": "app", "labels": {"team": "a"}, "uid": "u"},
    "spec": {
        "podSelector": {
            "matchLabels": {"app": "orders"},
            "matchExpressions": [
                {"key": "app", "operator": "In", "values": ["orders", "ledger"]},
                {"key": "team", "operator": "DoesNotExist"},
            ],
        },
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                "from": [
                    {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "gateway"}}},
                    {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.0.0/16"]}},
                ],
                "ports": [{"protocol": "TCP", "port": 80, "endPort": 90}, {"port": "http"}],
            }
        ],
        "egress": [
            {"to": [{"ipBlock": {"cidr": "fd00::/8"}}]},
            {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "SCTP"}]},
        ],
    },
}
POLICY_LIST = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            EVERY_FIELD,
            *(
                each
                for each in yaml.safe_load_all(WRITTEN_POLICIES)
                if each["kind"] == "NetworkPolicy"
            ),
        ],
    }
).encode()
IGNORE = b"# known\napi -> kafka.shop\n*.shop -> *  # all\nweb -> api.example.com\n"
DOCUMENTS = {
    "snapshot": Document(snapshot, (CAPTURE / "snapshot.json").read_bytes()),
    "manifest": Document(manifest, (TUTORIAL / "manifest.json").read_bytes()),
    "intents, YAML": Document(intents, (GOLDEN / "export" / "v2beta1.yaml").read_bytes()),
    "intents, JSON": Document(intents, (GOLDEN / "tutorial-before" / "export.json").read_bytes()),
    "graph": Document(graph, (GOLDEN / "render" / "graph.json").read_bytes()),
    "conntrack": Document(dump, (NODE / "conntrack-end").read_bytes()),
    "addresses": Document(addresses, (NODE / "addresses").read_bytes()),
    "ignored": Document(ignored, IGNORE),
    "policies, YAML": Document(policies, WRITTEN_POLICIES),
    "policies, JSON": Document(policies, POLICY_LIST),
    "policies, recorded": Document(recorded, POLICY_LIST),
    "policies of Cilium, YAML": Document(policies, CILIUM.encode()),
    "policies of Cilium, JSON": Document(policies, json.dumps(as_list(CILIUM)).encode()),
    "policies of administrators, YAML": Document(policies, ADMIN.encode()),
    "policies of administrators, JSON": Document(policies, json.dumps(as_list(ADMIN)).encode()),
    "flows, Hubble": Document(flow_log, (LOGS / "hubble.jsonl").read_bytes()),
    "flows, NetObserv": Document(flow_log, (LOGS / "netobserv.json").read_bytes()),
    "flows, Loki": Document(flow_log, (LOGS / "netobserv-console.json").read_bytes()),
    "flows, CSV": Document(flow_log, (LOGS / "netobserv.csv").read_bytes()),
    "reduced": Document(reduced, _reduced_tutorial(), mutated_parquet),
    "reduced, its pages": Document(reduced, _reduced_tutorial(), mutated_pages),
    "node table": Document(node_table, _table_with_tunnels(), mutated_table),
}

"""Snapshot, manifest and node files: what is not understood is not copied."""

import json
from typing import get_type_hints

import msgspec
import pytest

from otterize_pcap.anonymise.manifest import LEFT_OUT, anonymise_manifest
from otterize_pcap.anonymise.node_files import anonymise_node_file
from otterize_pcap.anonymise.objects import TREATMENTS
from otterize_pcap.anonymise.renaming import Renaming
from otterize_pcap.anonymise.snapshot_document import anonymise_snapshot
from otterize_pcap.capture_dir import CapturedFile, Manifest, NodeCapture, PacketCounters
from otterize_pcap.errors import SnapshotError
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.snapshot import endpoints, objects
from otterize_pcap.snapshot.odd_fields import OddFields
from otterize_pcap.snapshot.read_objects import read_objects

KEY = bytes(range(32))
RENAMING = Renaming.by(KEY)
NAME, ADDRESS = RENAMING.names.name, RENAMING.addresses.text
STRUCTS = [
    each
    for module in (objects, endpoints)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, msgspec.Struct) and each is not msgspec.Struct
]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_has_its_treatment(struct: type[msgspec.Struct]) -> None:
    """A field that the rules come to read has to be thought about before it is shared."""
    assert set(TREATMENTS[struct]) == set(get_type_hints(struct)) - {"__match_args__"}


def snapshot_of(item: dict[str, object]) -> dict[str, object]:
    """What an object becomes, as a snapshot has it."""
    document = anonymise_snapshot(json.dumps(item).encode(), "test", RENAMING, OddFields())
    found = json.loads(document)
    assert isinstance(found, dict)
    return found


def test_fields_that_no_rule_reads_are_gone() -> None:
    """Environment, commands, volumes, status messages: nothing of them comes out."""
    found = json.dumps(
        snapshot_of(
            {
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": {
                    "name": "web-1",
                    "annotations": {"token": "hunter2", "intents.otterize.com/workload-name": "x"},
                    "managedFields": ["hunter2"],
                },
                "spec": {
                    "containers": [{"name": "c", "env": [{"name": "A", "value": "hunter2"}]}],
                    "serviceAccountName": "hunter2",
                },
                "status": {
                    "phase": "hunter2",
                    "message": "hunter2",
                    "conditions": [{"type": "hunter2", "status": "True"}],
                },
            }
        )
    )
    assert "hunter2" not in found
    assert NAME("web-1") in found


def test_policies_select_and_allow_the_same() -> None:
    """Of a policy names and addresses go; what it says of them stays."""
    found = snapshot_of(
        {
            "kind": "NetworkPolicy",
            "apiVersion": "networking.k8s.io/v1",
            "metadata": {"name": "db", "namespace": "shop"},
            "spec": {
                "podSelector": {"matchExpressions": [
                    {"key": "team", "operator": "In", "values": ["payments"]}
                ]},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{
                    "from": [
                        {"namespaceSelector": {
                            "matchLabels": {"kubernetes.io/metadata.name": "shop"}
                        }, "podSelector": {}},
                        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
                    ],
                    "ports": [{"port": "postgres"}, {"port": 53, "endPort": 54, "protocol": "UDP"}],
                }],
                "egress": [{}],
            },
        }
    )  # fmt: skip
    network = RENAMING.addresses.network
    assert found["apiVersion"] == "networking.k8s.io/v1"
    assert found["spec"] == {
        "podSelector": {
            "matchExpressions": [
                {"key": NAME("team"), "operator": "In", "values": [NAME("payments")]}
            ]
        },
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                "from": [
                    {
                        "podSelector": {},
                        "namespaceSelector": {
                            "matchLabels": {"kubernetes.io/metadata.name": NAME("shop")}
                        },
                    },
                    {
                        "ipBlock": {
                            "cidr": network("10.0.0.0/8"),
                            "except": [network("10.1.0.0/16")],
                        }
                    },
                ],
                "ports": [
                    {"port": NAME("postgres")},
                    {"protocol": "UDP", "port": 53, "endPort": 54},
                ],
            }
        ],
        "egress": [{}],
    }


def test_labels_keep_the_keys_that_everybody_has() -> None:
    """A key of one's own is a name; values always are, and stay equal where they were."""
    found = snapshot_of(
        {
            "kind": "Pod",
            "metadata": {"name": "web", "labels": {"app": "web", "acme.example/team": "red"}},
        }
    )
    assert found["metadata"]["labels"] == {  # type: ignore[index] # JSON
        "app": NAME("web"),
        NAME("acme.example/team"): NAME("red"),
    }


def test_kinds_of_others_are_renamed() -> None:
    """A custom resource's kind and group tell who made it; those that the rules know stay."""
    found = snapshot_of(
        {
            "kind": "AcmeDatabase",
            "apiVersion": "db.acme.example/v2beta1",
            "metadata": {"name": "a", "ownerReferences": [{"kind": "Rollout", "name": "b",
                "apiVersion": "argoproj.io/v1alpha1"}]},
        }
    )  # fmt: skip
    assert found["kind"] == RENAMING.kind("AcmeDatabase")
    assert found["apiVersion"] == NAME("db.acme.example") + "/v1"
    owner = found["metadata"]["ownerReferences"][0]  # type: ignore[index] # JSON
    assert (owner["kind"], owner["apiVersion"]) == ("Rollout", "argoproj.io/v1")


def test_times_are_shifted_alike() -> None:
    """Every time is later by the same, but for the one that means that there was none."""
    later = Renaming.by(KEY, later_ns=60_000_000_000)
    pod = {
        "kind": "Pod",
        "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"startTime": "1970-01-01T00:00:00Z"},
    }
    found = json.loads(anonymise_snapshot(json.dumps(pod).encode(), "test", later, OddFields()))
    assert found["metadata"]["creationTimestamp"] == "2026-01-01T00:01:00Z"
    assert found["status"]["startTime"] == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("Pod", {"status": {"startTime": "hunter2"}}, "not an RFC 3339 time"),
        ("Pod", {"status": {"podIP": "hunter2"}}, "not an IP address"),
        ("Node", {"spec": {"podCIDR": "hunter2"}}, "not a range of IP addresses"),
    ],
    ids=["time", "address", "range"],
)
def test_what_should_be_another_thing_is_an_error(
    kind: str, fields: dict[str, object], said: str
) -> None:
    """A time, address or range that is none ends it: nobody knows what it says."""
    with pytest.raises(SnapshotError, match=f"test: {kind} a: {said}"):
        snapshot_of({"kind": kind, "metadata": {"name": "a"}, **fields})


def test_sloppy_addresses_are_understood() -> None:
    """Leading zeros, which older API servers took, are decimal numbers here too."""
    status: dict[str, object] = {"podIP": "010.001.2.3"}
    pod: dict[str, object] = {"kind": "Pod", "metadata": {"name": "a"}, "status": status}
    assert snapshot_of(pod)["status"]["podIP"] == ADDRESS("10.1.2.3")  # type: ignore[index] # JSON


def test_lists_stay_apart() -> None:
    """What is not in a list was not there then: two lists in one file stay two, with versions."""
    pod = {"kind": "Pod", "metadata": {"name": "a"}}
    first = {"kind": "List", "metadata": {"resourceVersion": "7"}, "items": [pod]}
    second = {"kind": "List", "items": [pod, {"kind": "Pod", "metadata": {"name": "b"}}]}
    document = f"{json.dumps(first)}\n{json.dumps(second)}".encode()

    found = anonymise_snapshot(document, "test", RENAMING, OddFields())

    parts = read_objects(found, "test", OddFields())
    assert [(len(part.items), part.view) for part in parts] == [(1, "version 7"), (2, "test 1")]


def test_a_pod_in_doubt_is_an_error() -> None:
    """Who lost when it had its address would have it for certain, once the odd field is gone."""
    pod = {"kind": "Pod", "metadata": {"name": "a"}, "status": {"startTime": 7}}
    with pytest.raises(SnapshotError, match="in doubt"):
        anonymise_snapshot(json.dumps(pod).encode(), "test", RENAMING, OddFields())


def test_a_table_for_people_is_refused() -> None:
    """What `kubectl get pods -o wide` prints has no form in JSON that would mean the same."""
    table = (
        b"NAMESPACE NAME READY STATUS RESTARTS AGE IP NODE\nshop a 1/1 Running 0 1m 10.0.0.1 n\n"
    )
    with pytest.raises(SnapshotError, match="a table for people"):
        anonymise_snapshot(table, "test", RENAMING, OddFields())


def test_addresses_of_a_node() -> None:
    """Interfaces and routes are written anew; a line that is neither is left out."""
    text = (
        "1: lo    inet 127.0.0.1/8 scope host lo\\\\ valid_lft forever\n"
        "2: eth0    inet 192.168.77.11/24 brd 192.168.77.255 scope global eth0 # hunter2\n"
        "hunter2\n"
        "default via 192.168.77.1 dev eth0 proto dhcp src 192.168.77.11\n"
        "10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink\n"
        "blackhole 10.244.7.0/26 proto 80\n"
    )
    eth0, flannel = NAME("eth0"), NAME("flannel.1")
    assert anonymise_node_file("addresses", text, RENAMING) == (
        "1: lo    inet 127.0.0.1/8 scope global\n"
        f"2: {eth0}    inet {ADDRESS('192.168.77.11')}/24 scope global\n"
        f"default via {ADDRESS('192.168.77.1')} dev {eth0}\n"
        f"{RENAMING.addresses.network('10.244.2.0/24')} via {ADDRESS('10.244.2.0')} dev {flannel}\n"
        f"blackhole {RENAMING.addresses.network('10.244.7.0/26')}\n"
    )


def test_conntrack_entries() -> None:
    """Entries keep their lines, states and timeouts; marks, labels and other lines are gone."""
    text = (
        "hunter2\n"
        "ipv4     2 tcp      6 119 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 "
        "src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 [ASSURED] mark=77 secctx=hunter2 zone=0 use=2\n"
        "ipv4     2 udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=53 [UNREPLIED] "
        "src=10.0.0.2 dst=10.0.0.1 sport=53 dport=1 use=2\n"
    )
    a, b = ADDRESS("10.0.0.1"), ADDRESS("10.0.0.2")
    assert anonymise_node_file("conntrack-start", text, RENAMING) == (
        "\n"
        f"ipv4     2 tcp 6 119 ESTABLISHED src={a} dst={b} sport=1 dport=2 "
        f"src={b} dst={a} sport=2 dport=1 [ASSURED] use=1\n"
        f"ipv4     2 udp 17 29 src={a} dst={b} sport=1 dport=53 [UNREPLIED] "
        f"src={b} dst={a} sport=53 dport=1 use=1\n"
    )


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("ip_local_port_range", "1024\t32000\n", "1024\t32000\n"),
        ("ip_local_port_range", "hunter2\n", ""),
        (
            "conntrack-timeouts",
            "net.netfilter.nf_conntrack_udp_timeout = 30\nhunter2 = 1\n",
            "net.netfilter.nf_conntrack_udp_timeout = 30\n",
        ),
        ("tcpdump-stats", "tcpdump: listening on secret0\n7 packets captured\n",
         "7 packets captured\n"),
        ("resolv.conf", "search acme.example\n", None),
    ],
)  # fmt: skip
def test_other_node_files(name: str, text: str, expected: str | None) -> None:
    """Of each file what its reader understands; of a file that nobody reads nothing."""
    assert anonymise_node_file(name, text, RENAMING) == expected


def test_manifest() -> None:
    """Names are renamed, free text is left out, and files are those that were written."""
    files = (CapturedFile("pcap/x.pcapng", 1, "00"),)
    manifest = Manifest(
        version=1,
        tool="hunter2",
        start="2026-01-01T00:00:00Z",
        end="2026-01-01T00:01:00Z",
        nodes=(
            NodeCapture("node-a", NodeStatus.CAPTURED, files=(CapturedFile("a", 9, "ff"),),
                        packets=PacketCounters(1, 2, 3), clock_ahead=0.5),
            NodeCapture("node-b", NodeStatus.FAILED, reason="hunter2"),
        ),
        cluster="acme",
        server_version="v1.36.0",
        profile="calls",
        filter="host 10.0.0.1",
        snaplen=256,
        interface="eth0",
        namespaces=("shop",),
        pod_selector="app=hunter2",
    )  # fmt: skip
    found = anonymise_manifest(manifest, {"node-a": files}, RENAMING)
    assert found == Manifest(
        version=1,
        tool=found.tool,
        start=manifest.start,
        end=manifest.end,
        nodes=(
            NodeCapture(NAME("node-a"), NodeStatus.CAPTURED, files=files,
                        packets=PacketCounters(1, 2, 3), clock_ahead=0.5),
            NodeCapture(NAME("node-b"), NodeStatus.FAILED, reason=LEFT_OUT),
        ),
        cluster=NAME("acme"),
        server_version="v1.36.0",
        profile="calls",
        snaplen=256,
        interface=NAME("eth0"),
        namespaces=(NAME("shop"),),
    )  # fmt: skip
    assert found.tool.startswith("otterize-pcap ")

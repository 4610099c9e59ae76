"""Every document that we read, changed by its structure: a result or one of our errors, in time.

`OTTERIZE_MUTATIONS` says how many there are of each (`make fuzz`: 10,000) and
`OTTERIZE_FIRST_MUTATION` the seed of the first. Seeds that once found a fault are kept, and run
first. They are counted through, not drawn by Hypothesis: to draw 10,000 takes it longer than all
readers together, and a seed is as small as it gets.
"""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from otterize_pcap.capture_dir import decode_manifest
from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.compare.ignore_rules import parse_ignore_rules
from otterize_pcap.connections.conntrack import last_packet_ns, parse_conntrack, parse_timeouts
from otterize_pcap.connections.node_files import parse_inside_networks, parse_node_addresses
from otterize_pcap.connections.port_ranges import parse_port_range
from otterize_pcap.errors import OtterizeError
from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.graph_format import decode_graph, encode_graph
from otterize_pcap.graph.service_graph import ServiceGraph
from otterize_pcap.inspect_snapshot import inspect_snapshot
from otterize_pcap.intents.places import declared_places
from otterize_pcap.intents.read_intents import parse_intents
from otterize_pcap.render.diff_text import render_diff
from otterize_pcap.render.list_text import render_list
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from tests.conftest import FIXTURES, GOLDEN
from tests.hostile.memory import within_memory
from tests.hostile.mutations import mutated

COUNT = int(os.environ.get("OTTERIZE_MUTATIONS", "300"))
FIRST = int(os.environ.get("OTTERIZE_FIRST_MUTATION", "0"))
KEPT = (
    *(520, 815, 884, 2190, 2963, 5565, 91310, 231531, 294723, 3556018),
    *(1884471968, 4124052488),
)
SECONDS = 5.0
BYTES = 64 << 20
CAPTURE = FIXTURES / "two-nodes"
NODE = CAPTURE / "node" / "node-a"

Use = Callable[[bytes], object]


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
    shutil.copytree(FIXTURES / "tutorial-before", folder)
    return folder


_KEPT = TemporaryDirectory()


def manifest(content: bytes) -> None:
    """With the packets that it speaks of: times, nodes, clocks and files are used."""
    decode_manifest(content, "manifest.json")
    folder = small_capture()
    (folder / "manifest.json").write_bytes(content)
    for capture in open_captures([folder]):
        render_list(graph_capture(capture))


IGNORE = b"# known\napi -> kafka.shop\n*.shop -> *  # all\nweb -> api.example.com\n"
DOCUMENTS: dict[str, tuple[Use, bytes]] = {
    "snapshot": (snapshot, (CAPTURE / "snapshot.json").read_bytes()),
    "manifest": (manifest, (FIXTURES / "tutorial-before" / "manifest.json").read_bytes()),
    "intents, YAML": (intents, (GOLDEN / "export" / "v2beta1.yaml").read_bytes()),
    "intents, JSON": (intents, (GOLDEN / "tutorial-before" / "export.json").read_bytes()),
    "graph": (graph, (GOLDEN / "render" / "graph.json").read_bytes()),
    "conntrack": (dump, (NODE / "conntrack-end").read_bytes()),
    "addresses": (addresses, (NODE / "addresses").read_bytes()),
    "ignored": (ignored, IGNORE),
}


def test_memory_is_measured() -> None:
    """What was held and given back meanwhile counts."""
    with pytest.raises(AssertionError, match="bytes more at once"), within_memory(8 << 20):
        bytearray(b"a") * (32 << 20)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_document_as_it_is_reads(kind: str) -> None:
    """What is changed below is right before."""
    use, content = DOCUMENTS[kind]
    use(content)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_changed_document_is_read_or_refused(kind: str) -> None:
    """No other exception leaves a reader, and none takes long or much memory."""
    use, content = DOCUMENTS[kind]
    for seed in (*KEPT, *range(FIRST, FIRST + COUNT)):
        changed = mutated(content, seed)
        begun = time.process_time()
        try:
            with within_memory(BYTES), suppress(OtterizeError):
                use(changed)
        except Exception as error:
            error.add_note(f"seed {seed} of {kind}")
            raise
        assert time.process_time() - begun < SECONDS, f"seed {seed} of {kind}"

"""Every file that a manifest lists is compared with what is there (S65)."""

import bz2
import hashlib
import json
import lzma
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from otterize_pcap.compare.diff import diff_graphs
from otterize_pcap.compare.thresholds import Thresholds, unmet_thresholds
from otterize_pcap.files import manifest_files
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.compared_beside import MEMORY_OTHERWISE, MOST_OF_MEMORY
from otterize_pcap.files.hashed_ahead import SMALL
from otterize_pcap.graph.damage import is_damaged
from otterize_pcap.graph.service_graph import ServiceGraph
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.table.read import ReadOptions
from tests.conftest import FIXTURES, Otterize

SERVICES = FIXTURES / "services"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A capture directory to be damaged."""
    copy = tmp_path / "capture"
    shutil.copytree(SERVICES, copy, ignore=shutil.ignore_patterns("truth.json"))
    return copy


def cut_at_a_record(path: Path) -> None:
    """End a file where one of its records ends, as an interrupted copy can."""
    content = path.read_bytes()
    at = 24
    while at < len(content) * 3 // 10:
        at += 16 + int.from_bytes(content[at + 8 : at + 12], "little")
    path.write_bytes(content[:at])


def change_a_byte(path: Path) -> None:
    """Change what no reader of packets looks at: a byte of the last payload."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def pack_another(path: Path) -> None:
    """Leave another file compressed in the place of the one that was listed."""
    change_a_byte(path)
    path.with_name(path.name + ".xz").write_bytes(lzma.compress(path.read_bytes()))
    path.unlink()


def undercount(path: Path) -> None:
    """Say that tcpdump counted more packets than the file holds."""
    manifest = path.parents[1] / "manifest.json"
    document = json.loads(manifest.read_text())
    document["nodes"][0]["packets"]["captured"] += 1
    manifest.write_text(json.dumps(document))


def forget(path: Path) -> None:
    """Remove a node's file, and with it from the manifest; the node still counts as captured."""
    path.unlink()
    manifest = path.parents[1] / "manifest.json"
    document = json.loads(manifest.read_text())
    document["nodes"][0]["files"] = []
    manifest.write_text(json.dumps(document))


NODE_A = Thresholds(nodes=frozenset({"node-a"}))
BROKEN = [
    pytest.param(Path.unlink, "not there, and manifest.json lists it", id="missing"),
    pytest.param(cut_at_a_record, "bytes, and manifest.json lists 26,221", id="cut at a record"),
    pytest.param(change_a_byte, "another content than manifest.json lists", id="another content"),
    pytest.param(pack_another, "another content than manifest.json lists", id="another, packed"),
    pytest.param(undercount, "278 packets, and manifest.json counts 279", id="fewer packets"),
    pytest.param(forget, "no file of it", id="no file of a captured node"),
]


@pytest.mark.parametrize(("damage", "reason"), BROKEN)
def test_broken_promise_is_a_gap(
    capture: Path, damage: Callable[[Path], object], reason: str
) -> None:
    """A node whose file is not the one listed may have shown calls that are absent now."""
    before = graph_of(SERVICES)
    assert before.coverage is not None
    assert list(unmet_thresholds(before.coverage, NODE_A)) == []
    damage(capture / "pcap" / "node-a.pcap")
    graph = graph_of(capture)
    assert graph.coverage is not None
    [file] = [file for file in graph.coverage.files if file.truncated]
    assert file.node == "node-a"
    assert reason in str(file.reason)
    assert is_damaged(graph.coverage)
    assert diff_graphs(before, graph).removed == ()
    (unmet,) = unmet_thresholds(graph.coverage, NODE_A)
    assert reason in unmet


def graph_of(path: Path) -> ServiceGraph:
    """Who calls whom in the only capture of a directory."""
    (opened,) = open_captures([path], None, ReadOptions())
    return graph_capture(opened)


def test_gates_fail_where_a_promise_is_broken(otterize: Otterize, capture: Path) -> None:
    """Exit 6 under --strict and --require-node, and no call is said to be gone."""
    cut_at_a_record(capture / "pcap" / "node-a.pcap")
    assert otterize("intents", "list", capture, "--strict").returncode == 6
    compared = otterize("diff", SERVICES, capture)
    assert compared.returncode == 0
    assert "?   - shop" in compared.stdout
    assert not [line for line in compared.stdout.splitlines() if line.startswith("-")]
    assert otterize("diff", SERVICES, capture, "--require-node", "node-a").returncode == 6


@pytest.mark.parametrize(("ending", "compress"), [(".xz", lzma.compress), (".bz2", bz2.compress)])
def test_listed_file_compressed_since(
    otterize: Otterize, capture: Path, ending: str, compress: Callable[[bytes], bytes]
) -> None:
    """The promise is kept where what the compressed file holds is what was listed."""
    path = capture / "pcap" / "node-a.pcap"
    path.with_name(path.name + ending).write_bytes(compress(path.read_bytes()))
    path.unlink()
    done = otterize("diff", SERVICES, capture, "--require-node", "node-a")
    assert (done.returncode, done.stdout) == (0, otterize("diff", SERVICES, SERVICES).stdout)
    assert otterize("intents", "list", capture, "--strict").returncode == 0


def test_gap_is_in_graph_json(otterize: Otterize, capture: Path) -> None:
    """A graph that is kept says why a file is not whole, and is read again with it."""
    cut_at_a_record(capture / "pcap" / "node-a.pcap")
    graph = capture.parent / "graph.json"
    otterize("intents", "list", capture, "--format", "graph", "-o", graph)
    first, second = json.loads(graph.read_text())["coverage"]["files"]
    assert first["truncated"] is True
    assert first["reason"] == "7,880 bytes, and manifest.json lists 26,221"
    assert "reason" not in second
    compared = otterize("diff", SERVICES, graph)
    assert "7,880 bytes, and manifest.json lists 26,221" in compared.stderr


def make_big(capture: Path, size: int) -> None:
    """Repeat the records of each file until it has a size, and list it as it is then."""
    manifest = capture / "manifest.json"
    document = json.loads(manifest.read_text())
    for node in document["nodes"]:
        (listed,) = node["files"]
        path = capture / listed["path"]
        content = path.read_bytes()
        path.write_bytes(content + content[24:] * (size // len(content)))
        listed["bytes"] = path.stat().st_size
        listed["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(document))


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("memory", [MEMORY_OTHERWISE, SMALL])
def test_big_files_are_compared_while_they_are_read(
    capture: Path, threads: int, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same is found whether who reads hashes as well, or another thread does."""
    monkeypatch.setattr(
        manifest_files, "fits_the_cache", lambda size: size <= memory // MOST_OF_MEMORY
    )
    make_big(capture, SMALL)
    options = ReadOptions(threads=threads)
    (whole,) = open_captures([capture], None, options)
    assert [file.reason for file in whole.files] == [None, None]
    change_a_byte(capture / "pcap" / "node-b.pcap")
    (changed,) = open_captures([capture], None, options)
    assert [file.reason for file in changed.files] == [
        None,
        "another content than manifest.json lists (SHA-256)",
    ]


def test_what_nobody_reads_is_compared_too(capture: Path) -> None:
    """Of a file that is damaged at its beginning, all is hashed nevertheless."""
    make_big(capture, 1 << 19)
    path = capture / "pcap" / "node-a.pcap"
    content = bytearray(path.read_bytes())
    content[24 + 8 : 24 + 12] = b"\xff" * 4
    path.write_bytes(content)
    (found,) = open_captures([capture], None, ReadOptions())
    first, second = found.files
    assert first.packets == 0
    assert first.truncated
    assert first.reason == "another content than manifest.json lists (SHA-256)"
    assert second.reason is None


def test_whole_capture_has_no_gap() -> None:
    """What is as its manifest says is not marked."""
    (capture,) = open_captures([SERVICES], None, ReadOptions())
    assert [(file.node, file.truncated, file.reason) for file in capture.files] == [
        ("node-a", False, None),
        ("node-b", False, None),
    ]

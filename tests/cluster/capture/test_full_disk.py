"""Disks with room for some of what a capture writes, and a snapshot: what is there is whole."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

from otterize_pcap.cluster.capture import reducing
from otterize_pcap.cluster.capture.reducing import NodeTables
from otterize_pcap.errors import ClusterError
from otterize_pcap.files.table_journal import JournalEntry
from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import Run, assert_clean, pod, read_manifest
from tests.hostile.mounts import small_disk

PAGE = 4096
ROOM = 64
PAGES = range(1, 11)
INODES = range(1, 13)
"""Up to where there is room for all: the last of them is enough."""
FILES = {"tcpdump-stats", "node1.pcap", "node2.pcap", "snapshot.json", "manifest.json"}
"""What may be there: nothing that was half written has such a name."""


def disks() -> list[object]:
    """A parameter of a test for each kind of disk: room in pages, and the options of its mount."""
    return [
        *(pytest.param(pages, "", id=f"{pages} pages") for pages in PAGES),
        *(pytest.param(ROOM, f"nr_inodes={inodes}", id=f"{inodes} inodes") for inodes in INODES),
        pytest.param(ROOM, "ro", id="read-only"),
    ]


@pytest.fixture
def many_pods(api: FakeApi) -> FakeApi:
    """So many that their snapshot takes pages."""
    for number in range(30):
        api.add("pods", pod(f"pod{number}", f"10.244.2.{number + 1}"))
    return api


@pytest.mark.parametrize(("pages", "options"), disks())
def test_capture_on_a_full_disk(many_pods: FakeApi, run: Run, pages: int, options: str) -> None:
    """It says which path had no room; what was recorded is kept, and is whole, or nothing is."""
    with small_disk(pages * PAGE, options) as disk:
        out = disk / "out"
        result = run(many_pods, "capture", "--duration", "1s", "-o", str(out))

        assert_clean(many_pods)
        left = [path for path in disk.rglob("*") if path.is_file()]
        assert {path.name for path in left} <= FILES
        assert all(path.read_bytes() for path in left)
        recorded = [path for path in left if path.suffix == ".pcap"]
        if result.exception is None:
            assert (pages, options) in {(PAGES[-1], ""), (ROOM, f"nr_inodes={INODES[-1]}")}
            assert len(read_manifest(out).nodes) == len(recorded) == 2
            return
        assert isinstance(result.exception, ClusterError)
        said = str(result.exception)
        assert re.match(rf"{out}[^:]*: the (disk is full|file system is read-only); ", said)
        assert ("what was recorded is in" in said) == bool(recorded)
        assert out.exists() == bool(recorded)


@pytest.mark.parametrize(
    ("pages", "options"), [(1, ""), (3, ""), (ROOM, "nr_inodes=1"), (ROOM, "ro")]
)
def test_snapshot_on_a_full_disk(many_pods: FakeApi, run: Run, pages: int, options: str) -> None:
    """It names the file, and leaves nothing of it."""
    with small_disk(pages * PAGE, options) as disk:
        out = disk / "snapshot.json"
        result = run(many_pods, "snapshot", "-o", str(out))

        assert isinstance(result.exception, ClusterError)
        reason = "the file system is read-only" if options == "ro" else "the disk is full"
        assert str(result.exception) == f"{out}: {reason}; give another file with -o"
        assert list(disk.iterdir()) == []


def test_directory_that_was_there_stays(run: Run, api: FakeApi, tmp_path: Path) -> None:
    """Who made it may want it still, though nothing could be written there."""
    with small_disk(PAGE, "nr_inodes=2") as disk:
        (disk / "out").mkdir()
        result = run(api, "capture", "--duration", "1s", "-o", str(disk / "out"))
        assert isinstance(result.exception, ClusterError)
        assert [path.name for path in disk.iterdir()] == ["out"]
    assert not (tmp_path / "otterize-captures").exists()


def test_table_that_finds_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a node reduced before is as the manifest lists it, and a first block is not there."""
    monkeypatch.setattr(reducing, "read_head", lambda _content, _name: None)
    fits = JournalEntry("a", PAGE, "", 1, 1, {})
    too_large = JournalEntry("b", 2 * PAGE, "", 1, 1, {})
    with small_disk(2 * PAGE) as disk:
        tables = NodeTables(disk / "node1.conntable")
        with pytest.raises(OSError, match=r"."):
            tables.append(too_large, b"x" * 3 * PAGE)
        assert (tables.files(), list(disk.iterdir())) == ((), [])
        tables.append(fits, b"a" * PAGE)
        with pytest.raises(OSError, match=r"."):
            tables.append(too_large, b"x" * 2 * PAGE)
        (listed,) = tables.files()
        content = (disk / "node1.conntable").read_bytes()
        assert content == b"a" * PAGE
        assert (listed.bytes, listed.sha256) == (PAGE, sha256(content).hexdigest())

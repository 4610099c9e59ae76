"""Files of a manifest that are hashed before anybody asks."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from otterize_pcap.files import hashed_ahead as ahead
from otterize_pcap.files import manifest_files
from otterize_pcap.files.captures import open_captures
from otterize_pcap.files.hashed_ahead import SMALL, Hashed, hash_ahead, hashed_ahead
from otterize_pcap.table.read import ReadOptions
from tests.conftest import FIXTURES

SERVICES = FIXTURES / "services"
NODES = ("node-a", "node-b")


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A capture directory with large files, each as its manifest says."""
    manifest = json.loads((SERVICES / "manifest.json").read_text())
    (tmp_path / "pcap").mkdir()
    (tmp_path / "snapshot.json").symlink_to(SERVICES / "snapshot.json")
    for node in manifest["nodes"]:
        (listed,) = node["files"]
        content = (SERVICES / listed["path"]).read_bytes()
        large = content + content[24:] * (SMALL // len(content))
        (tmp_path / listed["path"]).write_bytes(large)
        listed |= {"bytes": len(large), "sha256": hashlib.sha256(large).hexdigest()}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_hash_is_that_of_the_file(capture: Path) -> None:
    """Of all of it; each is told once."""
    hash_ahead(capture)
    for node in NODES:
        path = capture / "pcap" / f"{node}.pcap"
        hashed = hashed_ahead(path)
        assert hashed is not None
        content = path.read_bytes()
        assert hashed.size == len(content)
        assert hashed.digest.hexdigest() == hashlib.sha256(content).hexdigest()
        assert hashed_ahead(path) is None


def test_comparing_takes_what_was_hashed(capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is not hashed again, and one with another content is found."""
    path = capture / "pcap" / "node-b.pcap"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    hash_ahead(capture)
    taken: dict[Path, Hashed | None] = {}

    def take(path: Path) -> Hashed | None:
        taken[path] = hashed_ahead(path)
        return taken[path]

    monkeypatch.setattr(manifest_files, "hashed_ahead", take)
    (opened,) = open_captures([capture], None, ReadOptions(threads=2))
    assert [file.reason for file in opened.files] == [
        None,
        "another content than manifest.json lists (SHA-256)",
    ]
    paths = [capture / "pcap" / f"{node}.pcap" for node in NODES]
    sizes = {path: path.stat().st_size for path in paths}
    assert {path: hashed and hashed.size for path, hashed in taken.items()} == sizes


def test_file_that_vanishes_leaves_nobody_waiting(
    capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever compares it hashes it then, or says what is wrong."""

    def refuse() -> None:
        raise OSError

    monkeypatch.setattr(ahead, "Hashed", refuse)
    hash_ahead(capture)
    assert [hashed_ahead(capture / "pcap" / f"{node}.pcap") for node in NODES] == [None, None]


def test_thread_that_cannot_begin_leaves_nobody_waiting(
    capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod's limit of processes is one of threads; `main` drops what the guess raises."""

    def refuse(_: Thread) -> None:
        raise RuntimeError

    monkeypatch.setattr(Thread, "start", refuse)
    with suppress(RuntimeError):
        hash_ahead(capture)
    assert [hashed_ahead(capture / "pcap" / f"{node}.pcap") for node in NODES] == [None, None]


def test_thread_that_fails_leaves_nobody_waiting(
    capture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first file as well."""

    def refuse() -> None:
        raise MemoryError

    monkeypatch.setattr(ahead, "give_way", refuse)
    hash_ahead(capture)
    assert [hashed_ahead(capture / "pcap" / f"{node}.pcap") for node in NODES] == [None, None]


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(b"{", id="no manifest"),
        pytest.param((SERVICES / "manifest.json").read_bytes(), id="other sizes"),
    ],
)
def test_odd_manifest_is_no_error_here(capture: Path, manifest: bytes) -> None:
    """Who reads it says what is wrong; what has another size differs anyway."""
    (capture / "manifest.json").write_bytes(manifest)
    hash_ahead(capture)
    assert hashed_ahead(capture / "pcap" / "node-a.pcap") is None


@pytest.mark.parametrize("name", ["services", "nowhere"])
def test_little_is_not_worth_a_thread(name: str) -> None:
    """Nor is what is not there."""
    hash_ahead(FIXTURES / name)
    assert hashed_ahead(FIXTURES / name / "pcap" / "node-a.pcap") is None

"""Several captures in one tar archive are several files."""

import gzip
import io
import lzma
import shutil
import tarfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from otterize_pcap.errors import CaptureError
from otterize_pcap.files.bare_recordings import read_recordings
from otterize_pcap.files.pcap_files import ReadFiles
from otterize_pcap.table.read import ReadOptions
from tests.capture_bytes import START, ethernet, ipv4, pcap, tcp
from tests.conftest import FIXTURES, Otterize

SERVICES = FIXTURES / "services"
NODES = ("node-a", "node-b")
GOOD = pcap([ethernet(ipv4(tcp(1000, 80)))])
OTHER = pcap([ethernet(ipv4(tcp(1001, 81)))])
LATER = pcap([ethernet(ipv4(tcp(1002, 82)))], start=START + 60)
ENDS_EARLY = "the tar archive ends early; the file is incomplete"
Pack = Callable[[bytes], bytes]


def archive(files: Mapping[str, bytes]) -> bytes:
    """A tar of these files, in this order."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


def read(path: Path, content: bytes, file_nodes: tuple[tuple[str, str], ...] = ()) -> ReadFiles:
    """Read an archive as `otterize connections` does."""
    path.write_bytes(content)
    return read_recordings([path], ReadOptions(file_nodes=file_nodes))


def recorded(found: ReadFiles) -> dict[str, int]:
    """How many packets each node has."""
    return {node: table.counts.packets for node, table in found.recordings}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_archive_of_the_nodes_is_their_captures(
    pack: Pack, tmp_path: Path, otterize: Otterize
) -> None:
    """Named with a snapshot, or lying in a directory: the same calls as from the files."""
    snapshot = SERVICES / "snapshot.json"
    files = {
        f"pcap/{node}.pcap": (SERVICES / "pcap" / f"{node}.pcap").read_bytes() for node in NODES
    }
    expected = otterize("intents", "list", SERVICES).stdout
    directory = tmp_path / "capture"
    directory.mkdir()
    shutil.copy(snapshot, directory)
    made = directory / "all.tar"
    made.write_bytes(pack(archive(files)))
    for arguments in ((directory,), (made, "--snapshot", snapshot)):
        done = otterize("intents", "list", *arguments)
        assert (done.returncode, done.stdout) == (0, expected)
        assert "packets: 469 in 2 files" in done.stderr


def test_each_file_of_an_archive_is_like_one_beside_it(tmp_path: Path) -> None:
    """Parts, empty ones and what is no capture are what they are elsewhere; long names stay."""
    deep = "/".join(["x" * 60] * 3)
    found = read(
        tmp_path / "all.tar",
        archive(
            {
                "../a.pcap": GOOD,
                f"{deep}/b.pcap": gzip.compress(OTHER),
                f"{deep}/b.pcap1": LATER,
                "c.pcap": b"",
                "._a.pcap": b"\0\5\x16\7",
                "notes.txt": b"notes",
            }
        ),
    )
    assert recorded(found) == {"a": 1, "b": 2}
    [empty] = found.unread
    assert (empty.path, empty.node) == (tmp_path / "all.tar" / "c.pcap", "c")
    assert found.notes == (f"left out of {tmp_path / 'all.tar'}: notes.txt (no capture)",)


def test_file_of_an_archive_can_be_given_to_a_node(tmp_path: Path) -> None:
    """`--node FILE=NAME` means it by its name, or by its path through the archive."""
    path = tmp_path / "all.tar"
    said = (("a.pcap", "one"), (str(path / "b.pcap"), "two"))
    found = read(path, archive({"a.pcap": GOOD, "b.pcap": OTHER}), file_nodes=said)
    assert recorded(found) == {"one": 1, "two": 1}


def test_copies_within_an_archive_count_once(tmp_path: Path) -> None:
    """As files do; and of one name the last, as unpacking would leave it."""
    found = read(tmp_path / "all.tar", archive({"a.pcap": GOOD, "a.pcap.gz": gzip.compress(GOOD)}))
    assert recorded(found) == {"a": 1}
    assert "holds the same packets as" in found.notes[0]
    (tmp_path / "a.pcap").write_bytes(GOOD)
    beside = read_recordings([tmp_path], ReadOptions())
    assert recorded(beside) == {"a": 1}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_archive_that_was_cut_says_so(pack: Pack, tmp_path: Path) -> None:
    """Within the last file, right behind it, and within the one before."""
    whole = archive({"a.pcap": GOOD, "b.pcap": OTHER, "c.pcap": LATER})
    last = whole.index(LATER)
    for cut in (last + len(LATER) - 5, last + len(LATER), last + 512):
        found = read(tmp_path / "all.tar", pack(whole[:cut]))
        damage = [each for _, table in found.recordings for each in table.counts.damage]
        assert ENDS_EARLY in "; ".join(damage), cut
        assert recorded(found).keys() == {"a", "b", "c"}


def test_archive_cut_between_two_files_says_so(tmp_path: Path) -> None:
    """Nothing of the next one is there, nor the zeros that end an archive."""
    for files in ({"a.pcap": GOOD}, {"a.pcap": GOOD, "b.pcap": OTHER}):
        found = read(tmp_path / "all.tar", archive(files).rstrip(b"\0") + bytes(512))
        whole = read(tmp_path / "all.tar", archive(files))
        assert recorded(found) == recorded(whole)
        assert not any(table.counts.damage for _, table in whole.recordings)
    padded = -(-len(GOOD) // 512) * 512
    cut = read(tmp_path / "all.tar", archive({"a.pcap": GOOD, "b.pcap": OTHER})[: 512 + padded])
    [(_, table)] = cut.recordings
    assert table.counts.damage == (f"{tmp_path / 'all.tar'}: {ENDS_EARLY}",)


def test_whole_capture_directory_is_to_be_unpacked(tmp_path: Path) -> None:
    """Its manifest says what must be there, which nobody would hold the files against."""
    files = {"x/manifest.json": b"{}", "x/pcap/a.pcap": GOOD, "x/pcap/b.pcap": OTHER}
    with pytest.raises(CaptureError, match=r"several captures in one tar archive; unpack it"):
        read(tmp_path / "all.tar", archive(files))


@pytest.mark.parametrize("size", [b"\x80" + b"\xff" * 11, b"\x80" + bytes(4) + b"\x3f" * 7])
@pytest.mark.parametrize("name", ["node-a.pcap", "notes.txt"])
@pytest.mark.parametrize("mode", ["", "gz"])
def test_size_that_no_file_has_ends_the_archive(
    size: bytes, name: str, mode: str, tmp_path: Path
) -> None:
    """Tarfile would go on for 2**88 bytes, block by block (binary sizes, as GNU tar has them)."""
    content = bytearray(archive({name: GOOD, "node-b.pcap": OTHER}))
    content[124:136] = size
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    packed = gzip.compress(bytes(content)) if mode else bytes(content)
    path = tmp_path / f"x.tar{mode and '.' + mode}"
    with suppress(CaptureError):
        read(path, packed)

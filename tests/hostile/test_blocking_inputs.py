"""Inputs that wait, never end, change underfoot or cost more than they are: an error or a bound."""

import gzip
import os
import struct
import threading
import time
import zlib
from io import BytesIO
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.errors import InputError
from otterize_pcap.files import opening
from otterize_pcap.files.found_files import find_captures
from otterize_pcap.files.opening import map_file, read_bytes
from otterize_pcap.files.retina import read_tarballs
from otterize_pcap.files.tar_members import holds_several
from otterize_pcap.records.compression import Decompressed
from otterize_pcap.records.stream import Window
from otterize_pcap.table.read import ReadOptions, read_capture
from tests.conftest import FIXTURES, Otterize
from tests.strategies import laws

SNAPSHOT = FIXTURES / "two-nodes" / "snapshot.json"
PCAP = FIXTURES / "two-nodes" / "pcap" / "node-a.pcap"


@pytest.mark.parametrize("device", ["/dev/zero"])
def test_device_is_no_file(device: str, otterize: Otterize) -> None:
    """What has no end is refused before it is read, wherever a file is named."""
    for command in (
        ("connections", device),
        ("intents", "list", device, "--snapshot", SNAPSHOT),
        ("intents", "list", PCAP, "--snapshot", device),
        ("snapshot", "inspect", device),
        ("diff", device, FIXTURES / "tutorial-before"),
        ("check", FIXTURES / "tutorial-before", "--allow", device),
    ):
        done = otterize(*command)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr == f"otterize: {device}: a device, no file; name a file\n"


def test_pipe_that_nobody_writes_to(tmp_path: Path) -> None:
    """It is waited for, and then said."""
    pipe = tmp_path / "a.json"
    os.mkfifo(pipe)
    for read in (read_bytes, map_file):
        with (
            patch.object(opening, "PATIENCE_S", 0.05),
            pytest.raises(InputError, match="a pipe that nobody writes to"),
        ):
            read(pipe)


def test_pipe_whose_writer_comes_later(tmp_path: Path) -> None:
    """`mkfifo` first, then the reader, then the writer, who takes time between two pieces."""
    pipe = tmp_path / "a.json"
    os.mkfifo(pipe)

    def write() -> None:
        time.sleep(0.05)
        with pipe.open("wb") as stream:
            time.sleep(0.05)
            for piece in (b"one", b"two"):
                stream.write(piece)
                stream.flush()
                time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    assert read_bytes(pipe) == b"onetwo"
    writer.join()


def test_pipes_in_directories_are_passed_over(tmp_path: Path, otterize: Otterize) -> None:
    """Nobody named them, so nobody waits for them."""
    for name in ("a.pcap", "b.json", "c.yaml"):
        os.mkfifo(tmp_path / name)
    found = find_captures(tmp_path)
    assert found.captures == ()
    assert found.notes == (f"left out of {tmp_path}: a.pcap, b.json, c.yaml (no capture)",)
    done = otterize("intents", "list", PCAP, "--snapshot", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)


def test_document_without_end_is_bounded(tmp_path: Path) -> None:
    """What is larger than any document is refused, not held."""
    large = tmp_path / "large.yaml"
    large.write_bytes(b"a" * 100)
    with (
        patch.object(opening, "MAX_DOCUMENT", 99),
        pytest.raises(InputError, match="which no document needs"),
    ):
        read_bytes(large)


def test_snapshot_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    """Another process cuts the file short: the pages that are gone would end this one (SIGBUS)."""
    path = tmp_path / "snapshot.json"
    path.write_bytes(b"a" * 100_000)
    with patch.object(opening, "LARGE", 1):
        mapped = map_file(path)
    os.truncate(path, 0)
    assert bytes(mapped[:]) == b"a" * 100_000


def unzipped(content: bytes) -> tuple[bytes, str | None]:
    """What a gzip stream holds, and why it ended early."""
    plain = Decompressed(Window(BytesIO(content)), "f", "gzip")
    found = bytearray()
    buffer = bytearray(1000)
    while count := plain.readinto(memoryview(buffer)):
        found += buffer[:count]
    return bytes(found), plain.damage


def named(name: bytes, content: bytes) -> bytes:
    """A gzip member with a file name (RFC 1952, 2.3.1)."""
    member = gzip.compress(content)
    return member[:3] + b"\x08" + member[4:10] + name + b"\0" + member[10:]


def test_name_in_a_gzip_header_costs_nothing() -> None:
    """One of 30 MB is passed over at once; byte by byte it took 20 s."""
    content = named(b"n" * (30 << 20), b"plain")
    begun = time.process_time()
    assert unzipped(content) == (b"plain", None)
    assert time.process_time() - begun < 3


def test_name_in_a_gzip_header_costs_nothing_where_archives_are_looked_for(tmp_path: Path) -> None:
    """Tarfile's own unpacking took it byte by byte: each capture in gzip is looked into so."""
    capture = tmp_path / "a.pcap.gz"
    capture.write_bytes(named(b"n" * (30 << 20), PCAP.read_bytes()))
    begun = time.process_time()
    assert not read_tarballs([capture], ()).nodes
    assert not holds_several(capture)
    assert time.process_time() - begun < 3


@laws
@given(
    members=st.lists(st.binary(max_size=3000), min_size=1, max_size=4),
    padding=st.integers(0, 20),
)
def test_gzip_is_read_as_others_read_it(members: list[bytes], padding: int) -> None:
    """Several members make one file, and zeros may follow them."""
    stream = b"".join(named(b"x", member) for member in members) + bytes(padding)
    assert unzipped(stream) == (b"".join(members), None)


@laws
@given(content=st.binary(min_size=1, max_size=3000), cut=st.integers(1, 17))
def test_gzip_that_ends_early_is_said(content: bytes, cut: int) -> None:
    """A prefix of the plain bytes, and the reason."""
    plain, damage = unzipped(gzip.compress(content)[:-cut])
    assert content.startswith(plain)
    assert damage == "f: the gzip data end early; the file is incomplete"


def test_gzip_with_something_else_behind_it_is_damaged() -> None:
    """As with a flipped bit, what was whole counts."""
    plain, damage = unzipped(gzip.compress(b"plain") + b"garbage")
    assert plain == b"plain"
    assert damage is not None
    broken = bytearray(gzip.compress(zlib.compress(bytes(range(256)) * 9)))
    broken[-5] ^= 1
    assert unzipped(bytes(broken))[1] is not None


def block(kind: int, body: bytes) -> bytes:
    """A pcapng block, in little endian."""
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def statistics(interfaces: int, blocks: int) -> bytes:
    """A pcapng file of interfaces, and of blocks that each say that one more packet was dropped."""
    parts = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    parts += [block(1, struct.pack("<HHI", 1, 0, 0))] * interfaces
    for number in range(blocks):
        option = struct.pack("<HHQ", 5, 8, 1 + number // max(interfaces, 1))
        parts.append(block(5, struct.pack("<III", number % 65_536, 0, 0) + option))
    return b"".join(parts)


def dropped(content: bytes) -> int | None:
    """How many packets a capture says were dropped."""
    return read_capture(BytesIO(content), "a.pcapng", ReadOptions()).counts.dropped


def test_statistics_of_each_interface_count_once() -> None:
    """Totals so far: of each interface the last one; of one that was not described, none."""
    assert dropped(statistics(10, 10)) == 10
    assert dropped(statistics(10, 0)) is None
    assert dropped(statistics(0, 10)) is None


def test_statistics_cost_the_same_each() -> None:
    """40,000 blocks took 10 s: at each all interfaces were summed anew."""
    content = statistics(20_000, 20_000)
    begun = time.process_time()
    assert dropped(content) == 20_000
    assert time.process_time() - begun < 4

"""Files that are no capture say what they are and what to do; archives are opened."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterize_pcap.errors import CaptureError, UnknownCaptureFormat
from otterize_pcap.records.foreign_files import SEARCHED, is_crlf, not_a_capture
from otterize_pcap.table.read import ReadOptions, read_capture
from tests.capture_bytes import (
    block,
    ethernet,
    interface,
    ipv4,
    pcap,
    read,
    section,
    tcp,
)
from tests.conftest import FIXTURES

CASES = FIXTURES / "cases" / "misleading-hints"
CAPTURE = pcap([ethernet(ipv4(tcp(1000, 80)))] * 3)

HINTS = {
    "05-defaulted.pcap": 'a capture behind 70 other bytes (Defaulted container "app" out of: app'
    ", i…); cut them off with tail -c +71",
    "05-stderr-front.pcap": "a capture behind 86 other bytes (tcpdump: listening on eth0",
    "05-utf8-replaced.pcap": "a capture of which bytes were replaced, as where text is not",
    "06-text.pcap": "what tcpdump prints of packets, not the packets; record them with tcpdump -w",
    "40-zstd-long31.pcap.zst": "zstd --long with a window of 2048 MiB, more than is read",
    "42-lz4-legacy.pcap.lz4": "lz4-compressed in the format before 1.0 (lz4 -l), which is not read",
    "44-sysdig.scap": "a scap file of Falco or sysdig, system calls without packets;",
    "48-pktap-idb.pcapng": "258 (PKTAP) is not supported; name an interface to macOS' tcpdump",
    "81-user0.pcap": "147 (USER0) is not supported; its meaning is private to whoever wrote it",
}


@pytest.mark.parametrize(("name", "said"), HINTS.items())
def test_error_says_what_it_is(name: str, said: str) -> None:
    """The hint fits: editcap cannot help with any of these."""
    with (CASES / name).open("rb") as stream, pytest.raises(CaptureError) as caught:
        read_capture(stream, name)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)
    assert "editcap -F" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["07-tar.tar", "07-targz.tar.gz", "43-zstd-skippable-first.pcap.zst"]
)
@pytest.mark.parametrize("fast", [True, False])
def test_capture_within(name: str, fast: bool) -> None:
    """tar, as `kubectl cp` and Retina write it, and pzstd's frames are opened."""
    with (CASES / name).open("rb") as stream:
        table = read_capture(stream, name, ReadOptions(fast=fast))
    assert (table.counts.packets, table.counts.damage, len(table)) == (5, (), 1)


def test_line_feeds_that_a_terminal_changed() -> None:
    """What stopped the reading is said with its cause: every line feed became CR LF."""
    with (CASES / "04-crlf-big.pcap").open("rb") as stream:
        (damage,) = read_capture(stream, "x").counts.damage
    assert "a captured length of 409600" in damage
    assert "every line feed became CR LF, as a terminal does; copy it again" in damage


def test_pcapng_that_a_terminal_changed() -> None:
    """The type of its first block has line feeds, so that it is none any more."""
    content = (section() + interface(1)).replace(b"\n", b"\r\n")
    assert "every line feed became CR LF" in not_a_capture(content)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        pytest.param("héllo".encode("utf-16"), "text in UTF-16, which PowerShell's >", id="UTF-16"),
        pytest.param(
            b"tcpdump: eth7: No such device\n", "text, no capture (tcpdump: eth7: No", id="text"
        ),
        pytest.param(
            (65536).to_bytes(4, "little") + bytes(68) + b"\x02\0\x02\xc0",
            "an event trace of Windows (netsh trace, pktmon); convert it with pktmon etl2pcap",
            id="ETL",
        ),
        pytest.param(b"snoop\0\0\0", "a Solaris snoop file; pcap and pcapng are read", id="snoop"),
        pytest.param(b"PK\x03\x04", "a zip archive, which is not read; unpack it first", id="zip"),
        pytest.param(b"\0\1\2\3", "no capture (it begins with 00 01 02 03)", id="unknown"),
    ],
)
def test_hints_by_the_first_bytes(head: bytes, said: str) -> None:
    """Each kind is told by its content."""
    assert said in not_a_capture(head)


@given(front=st.binary(min_size=1, max_size=200))
def test_bytes_in_front_of_a_capture(front: bytes) -> None:
    """The place that is named is where the capture begins, whatever stands in front of it."""
    said = not_a_capture((front + CAPTURE)[:SEARCHED])
    if "behind" in said:
        at = int(said.split("tail -c +")[1].split(",")[0])
        assert at <= len(front) + 1
        assert read((front + CAPTURE)[at - 1 :]).counts.packets >= 0
    assert said.isprintable()


def test_is_crlf_is_about_all_line_feeds() -> None:
    """One line feed that is none of a pair, or too few, prove nothing."""
    assert is_crlf(b"a\r\nb\r\n")
    assert not is_crlf(b"a\r\nb")
    assert not is_crlf(b"a\r\nb\n\r\n")


def archive(files: dict[str, bytes], *, pax: bool = False) -> bytes:
    """A tar of these files, in a directory."""
    made = io.BytesIO()
    kind = tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT
    with tarfile.open(fileobj=made, mode="w", format=kind) as tar:
        folder = tarfile.TarInfo("capture")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in files.items():
            member = tarfile.TarInfo(f"capture/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


Pack = Callable[[bytes], bytes]

OTHERS = {"iptables-rules.txt": b"*nat\n" * 300, "._node.pcap": b"\0\5\x16\7", "empty": b""}


@pytest.mark.parametrize("pax", [False, True])
@pytest.mark.parametrize("wrap", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("inner", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_the_only_capture_of_an_archive(pax: bool, wrap: type, inner: type) -> None:
    """Whatever else is in it, before and after, is passed over."""
    name = f"node-{'x' * 120}.pcap"
    content = archive({**OTHERS, name: inner(CAPTURE), "z.log": b"log"}, pax=pax)
    assert read(wrap(content)).counts.packets == 3


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_texts_of_an_archive_are_no_captures(pack: Pack) -> None:
    """A log that was compressed, before the capture and after it, is neither it nor another."""
    log = pack(random.Random(1).randbytes(1 << 18))
    files = {"a.log.z": log, "a.pcap.z": pack(CAPTURE), "z.log.z": log}
    assert read(archive(files)).counts.packets == 3
    with pytest.raises(CaptureError, match="no capture in the tar archive"):
        read(archive({"a.log.z": log}))
    with pytest.raises(CaptureError, match="several captures in one tar archive"):
        read(archive({**files, "b.pcap.z": pack(CAPTURE)}))


def test_archive_without_a_capture() -> None:
    """An archive of other files is an error."""
    with pytest.raises(CaptureError, match="no capture in the tar archive"):
        read(archive(OTHERS))


def test_several_captures_in_an_archive() -> None:
    """Whose each is, their names say, which nobody asks here."""
    with pytest.raises(CaptureError, match="several captures in one tar archive; unpack it"):
        read(archive({"a.pcap": CAPTURE, "b.pcap": CAPTURE}))


def test_archive_that_was_cut_off() -> None:
    """What is there is read, and the cut is said."""
    whole = archive({"a.pcap": CAPTURE})
    begin = whole.index(CAPTURE)
    counts = read(whole[: begin + len(CAPTURE) - 10]).counts
    assert counts.packets == 2
    assert counts.damage == ("test.pcap: the tar archive ends early; the file is incomplete",)


def test_pcapng_of_a_header_alone() -> None:
    """What converters leave of an event trace without packets is damage, which gates ask for."""
    with (CASES / "45-etl-empty.pcapng").open("rb") as stream:
        counts = read_capture(stream, "x").counts
    (damage,) = counts.damage
    assert damage.startswith("x: the file has no interface and no packet; capture again, and")


def test_empty_pcapng_with_an_interface_is_a_capture() -> None:
    """A recording that saw nothing is no error."""
    assert read(section() + interface(1)).counts.packets == 0


def test_blocks_that_are_not_falcos_are_passed_over() -> None:
    """Only the blocks of Falco's own numbers make a file a scap file."""
    assert read(section() + block(0xBAD, bytes(4)) + interface(1)).counts.packets == 0
    with pytest.raises(UnknownCaptureFormat, match="a scap file"):
        read(section() + block(0x201, bytes(4)))


def test_files_are_recognised_the_same_way_in_directories(tmp_path: Path) -> None:
    """The reader is given a stream, and the name only for its messages."""
    path = tmp_path / "capture"
    path.write_bytes(archive({"a.pcap": CAPTURE}))
    with path.open("rb") as stream:
        assert read_capture(stream, "capture", ReadOptions(threads=2)).counts.packets == 3

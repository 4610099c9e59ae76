"""Any capture file → its records: tells compression and container by their first bytes."""

from io import BytesIO
from typing import Literal, Protocol

from msgspec import Struct

from otterize_pcap.errors import CaptureError, UnknownCaptureFormat
from otterize_pcap.records.archives import BLOCK, ArchiveMember, Peek, is_tar
from otterize_pcap.records.compression import Decompressed, compression_of
from otterize_pcap.records.foreign_files import CRLF_CAUSE, SEARCHED, is_crlf, not_a_capture
from otterize_pcap.records.pcap import MAGICS, PcapReader, read_header
from otterize_pcap.records.pcapng import SECTION_HEADER, PcapngReader
from otterize_pcap.records.stream import ByteStream, Window, empty_file

_SECTION = SECTION_HEADER.to_bytes(4)

_ORDERS: dict[bytes, Literal["little", "big"]] = {
    b"\x4d\x3c\x2b\x1a": "little",
    b"\x1a\x2b\x3c\x4d": "big",
}
FALCO_BLOCKS = range(0x201, 0x230)
MOST_LAYERS = 3
"""A capture, compressed, in a tar archive, compressed."""
MOST_UNPACKED = 1 << 20
"""Bytes of a compressed file that tell what is in it: bzip2 has blocks of 900,000 bytes."""


class Layer(Protocol):
    """What a capture is wrapped in."""

    @property
    def damage(self) -> str | None:
        """Why it ends early, None where it does not."""


class OpenCapture(Struct, frozen=True):
    """A file that was recognised: its records, and what they are unpacked from, outermost first.

    `lack` says that it has nothing but its header; `crlf` is whether at its beginning every line
    feed follows a carriage return.
    """

    reader: PcapReader | PcapngReader
    layers: tuple[Layer, ...] = ()
    lack: str | None = None
    crlf: bool = False

    @property
    def damage(self) -> str | None:
        """Why reading stopped early, by framing, archive or compression; None where it did not."""
        broken = next(filter(None, (layer.damage for layer in self.layers)), None)
        damage = broken or self.reader.ending.damage or self.lack
        return f"{damage}: {CRLF_CAUSE}" if damage and self.crlf else damage


def open_capture(stream: ByteStream, name: str) -> OpenCapture:
    """Recognise a capture file and read its header.

    Args:
        stream: The file from its first byte on; it need not be seekable.
        name: Names the file in errors.

    Raises:
        UnknownCaptureFormat: It is neither pcap nor pcapng.
        CaptureError: Its header is cut off or broken, or it is empty.
    """
    window = Window(stream)
    layers: list[Layer] = []
    while len(layers) < MOST_LAYERS:
        unpacked: Decompressed | ArchiveMember
        if compression := compression_of(window.peek(4)):
            unpacked = Decompressed(window, name, compression)
        elif not is_container(window.peek(4)) and is_tar(window.peek(BLOCK)):
            unpacked = ArchiveMember(window, name, _is_perhaps_a_capture)
        else:
            break
        layers.append(unpacked)
        window = Window(unpacked)
    head = window.peek(4)
    crlf = is_container(head) and is_crlf(window.peek(SEARCHED))
    if head in MAGICS:
        header = read_header(window, name)
        return OpenCapture(PcapReader(window, name, header), tuple(layers), crlf=crlf)
    if head == _SECTION:
        lack = _what_it_lacks(window, name)
        return OpenCapture(PcapngReader(window, name), tuple(layers), lack, crlf)
    if not head and not layers:
        raise empty_file(name)
    broken = next(filter(None, (layer.damage for layer in layers)), None)
    if broken:
        raise UnknownCaptureFormat(f"{broken} before any packet; copy the file again")
    raise UnknownCaptureFormat(f"{name}: the file is {not_a_capture(window.peek(SEARCHED))}")


def is_container(head: bytes) -> bool:
    """Whether a file's first four bytes are those of pcap or pcapng."""
    return head[:4] in MAGICS or head[:4] == _SECTION


def _is_perhaps_a_capture(peek: Peek) -> bool:
    """Whether a file begins as a capture does, unpacked; so does one that cannot be unpacked."""
    compression = compression_of(peek(4))
    if compression is None:
        return is_container(peek(4))
    head = peek(MOST_UNPACKED)
    try:
        plain = Window(Decompressed(Window(BytesIO(head)), "", compression)).peek(4)
    except CaptureError:
        return True
    return is_container(plain) or (len(plain) < 4 and len(head) == MOST_UNPACKED)


def _what_it_lacks(window: Window, name: str) -> str | None:
    """Whether pcapng has nothing but a section's header, and what that may be.

    Falco's blocks have numbers of their own (falcosecurity/libs, scap_savefile.h); the first one,
    of the machine, comes right after the section's header.

    Raises:
        UnknownCaptureFormat: It is Falco's.
    """
    head = window.peek(12)
    order = _ORDERS.get(head[8:12])
    if order is None:
        return None
    length = int.from_bytes(head[4:8], order)
    if not 28 <= length <= SEARCHED:
        return None
    section = window.peek(length + 4)
    if len(section) == length:
        return (
            f"{name}: the file has no interface and no packet; capture again, and convert what "
            "netsh trace wrote with pktmon etl2pcap"
        )
    if int.from_bytes(section[length:], order) in FALCO_BLOCKS:
        message = (
            f"{name}: the file is a scap file of Falco or sysdig, system calls without packets; "
            "record packets with tcpdump -w FILE"
        )
        raise UnknownCaptureFormat(message)
    return None

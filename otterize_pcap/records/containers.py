"""Any capture file → its records: tells compression and container by their first bytes."""

from dataclasses import dataclass

from otterize_pcap.errors import UnknownCaptureFormat
from otterize_pcap.records.compression import Decompressed, compression_of
from otterize_pcap.records.pcap import MAGICS, PcapReader, read_header
from otterize_pcap.records.pcapng import SECTION_HEADER, PcapngReader
from otterize_pcap.records.stream import ByteStream, Window, empty_file

_SECTION = SECTION_HEADER.to_bytes(4)

_FOREIGN = {
    b"snoo": "a Solaris snoop file",
    b"\xab\xcd\xef\x00": "a Microsoft Network Monitor file",
    b"GMBU": "a Microsoft Network Monitor file",
    b"RTSS": "a Microsoft Network Monitor file",
    b"TRSN": "a Sniffer file",
    b"XCP\x00": "a Network Instruments file",
    b"BZh9": "bzip2-compressed",
    b"\xfd7zX": "xz-compressed",
    b"PK\x03\x04": "a zip archive",
}


@dataclass(frozen=True, slots=True)
class OpenCapture:
    """A file that was recognised: its records, and the decompression they come through, if any."""

    reader: PcapReader | PcapngReader
    decompressed: Decompressed | None

    @property
    def damage(self) -> str | None:
        """Why reading stopped early, by framing or decompression; None where it did not."""
        broken = self.decompressed.damage if self.decompressed else None
        return broken or self.reader.ending.damage


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
    compression = compression_of(window.peek(4))
    decompressed = Decompressed(window, name, compression) if compression else None
    if decompressed is not None:
        window = Window(decompressed)
    head = window.peek(4)
    if head in MAGICS:
        return OpenCapture(PcapReader(window, name, read_header(window, name)), decompressed)
    if head == _SECTION:
        return OpenCapture(PcapngReader(window, name), decompressed)
    if not head and decompressed is None:
        raise empty_file(name)
    broken = decompressed.damage if decompressed else None
    if broken:
        raise UnknownCaptureFormat(f"{broken} before any packet; copy the file again")
    raise UnknownCaptureFormat(_not_a_capture(name, head))


def _not_a_capture(name: str, head: bytes) -> str:
    known = _FOREIGN.get(head)
    if known and ("compressed" in known or "archive" in known):
        return f"{name}: the file is {known}, which is not read; unpack it first"
    what = known or f"no capture (it begins with {head.hex(' ')})"
    return f"{name}: the file is {what}; pcap and pcapng are read: convert it with editcap -F pcap"

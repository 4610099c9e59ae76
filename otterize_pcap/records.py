"""Binary stream → records: pcap and pcapng framing, compression, link type, time in nanoseconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One captured frame.

    `number` is its position in the file, from 1; `time_ns` nanoseconds since the epoch;
    `link_type` a LINKTYPE_ value (tcpdump.org/linktypes.html); `interface` pcapng's interface,
    counted through all sections of the file, 0 in pcap; `original_length` its length on the wire.
    """

    number: int
    time_ns: int
    link_type: int
    interface: int
    data: bytes
    original_length: int

"""Frame → the same frame with other addresses, and with nothing in it that is not understood.

Of what cannot be followed nothing is left but its length: no byte of it is copied.
"""

from msgspec import Struct

from otterize_pcap.anonymise.address_map import AddressMap
from otterize_pcap.anonymise.ip_packets import IpAnonymiser
from otterize_pcap.anonymise.link_headers import link_header, not_ip, packet_in
from otterize_pcap.packets.headers import UndecodableError
from otterize_pcap.packets.link_layer import LINK_TYPES
from otterize_pcap.packets.packet import NOT_IP
from otterize_pcap.packets.ports import TunnelPorts
from otterize_pcap.records.stream import Record


class Frame(Struct, frozen=True):
    """A frame without anybody's data, and its length on the wire.

    `is_understood`: it holds an IP packet; else its data are the same for all such frames.
    """

    data: bytes
    original_length: int
    is_understood: bool = True


class FrameAnonymiser:
    """Rewrites frames one by one; tunnels are looked for at `tunnels`."""

    def __init__(self, addresses: AddressMap, tunnels: TunnelPorts) -> None:
        self._addresses = addresses
        self._packets = IpAnonymiser(addresses, tunnels)

    def rewrite(self, record: Record, said: bytes | None = None) -> Frame:
        """The frame of a record; `said` takes the place of the innermost payload."""
        missing = max(record.original_length - len(record.data), 0)
        try:
            if record.link_type not in LINK_TYPES:
                raise UndecodableError(NOT_IP)
            packet = packet_in(record.link_type, record.data)
            body, grown = self._packets.rewrite(packet, missing, said)
        except UndecodableError as error:
            is_other = error.skipped.reason.startswith(NOT_IP.reason)
            data = not_ip(record.link_type) if is_other else b""
            wire = max(record.original_length, len(record.data))
            return Frame(data, max(wire, len(data)), is_understood=False)
        head = link_header(self._addresses, record.link_type, record.data, packet)
        data = head + body
        return Frame(data, max(len(head) + len(packet) + missing + grown, len(data)))

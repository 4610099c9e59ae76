"""The frames by which `tcpdump -i any` shows one packet on its way from pod to pod.

On the client's side of a Service a packet bears the ClusterIP: on the client's veth and, for
answers, on the bridge. Between nodes it crosses flannel.1 and, in VXLAN, eth0, on both of them.
What is equal for all packets of one length is made once; a frame is joined of five pieces.
"""

import struct
from typing import NamedTuple

from cluster_layout import (
    BRIDGE,
    ETH0,
    FLANNEL,
    NODE_ADDRESSES,
    Pod,
    Workload,
)
from generate import ipv4

IN, OTHER_HOST, OUT = 0, 3, 4
VXLAN_PORT = 8472

_SLL2 = struct.Struct(">HHIHBB6sxx")
_LENGTHS = struct.Struct("<II")


class Frame(NamedTuple):
    """One record without its time: before the ports, whose ports, and what was captured of data."""

    start: bytes
    through_service: bool
    data: bytes


class Hop(NamedTuple):
    """Where a packet is recorded: the device, in which direction, from whose MAC, as what."""

    node: int
    interface: int
    kind: int
    mac: bytes
    through_service: bool = False
    tunnelled: bool = False


Seen = tuple[tuple[int, tuple[Frame, ...]], ...]


class Path:
    """The way between a client and a server pod through one Service, and what both say.

    `question` and `answer` are all data of a segment; of UDP without the first two bytes, in which
    DNS lookups differ.
    """

    def __init__(
        self, client: Pod, service: Workload, server: Pod, said: tuple[bytes, bytes], snaplen: int
    ) -> None:
        self.client, self.service, self.server = client, service, server
        self.said = said
        self._snaplen = snaplen
        self._frames: dict[tuple[bool, int, int], Seen] = {}

    def frames(self, *, outbound: bool, header: int, data: int) -> Seen:
        """By node, in the order in which they see it, the frames of one packet.

        Args:
            outbound: From the client to the server.
            header: The length of the transport header; of UDP with the two bytes after it.
            data: How many bytes follow it.
        """
        key = (outbound, header, data)
        found = self._frames.get(key)
        if found is None:
            found = self._frames[key] = self._make(outbound, header, data)
        return found

    def _make(self, outbound: bool, header: int, data: int) -> Seen:
        hops = self._hops(outbound)
        said = self.said[0 if outbound else 1][:data]
        seen: dict[int, tuple[Frame, ...]] = {}
        for hop in hops:
            frame = self._frame(hop, outbound, header, said)
            seen[hop.node] = (*seen.get(hop.node, ()), frame)
        return tuple(seen.items())

    def _hops(self, outbound: bool) -> list[Hop]:
        sender, receiver = (self.client, self.server) if outbound else (self.server, self.client)
        here, there = sender.node, receiver.node
        local = [Hop(here, sender.interface, OTHER_HOST, sender.mac, through_service=outbound)]
        arrives = Hop(
            there, receiver.interface, OUT, device_mac(there, BRIDGE), through_service=not outbound
        )
        if here == there:
            local.append(Hop(here, BRIDGE, IN, sender.mac, through_service=not outbound))
            return [*local, arrives]
        tunnel, uplink = device_mac(here, FLANNEL), device_mac(here, ETH0)
        return [
            *local,
            Hop(here, BRIDGE, IN, sender.mac),
            Hop(here, FLANNEL, OUT, tunnel),
            Hop(here, ETH0, OUT, uplink, tunnelled=True),
            Hop(there, ETH0, IN, uplink, tunnelled=True),
            Hop(there, FLANNEL, IN, tunnel),
            arrives._replace(interface=BRIDGE),
            arrives,
        ]

    def _frame(self, hop: Hop, outbound: bool, header: int, said: bytes) -> Frame:
        client, server = self.client.address, self.server.address
        if hop.through_service:
            server = self.service.cluster_ip
        source, target = (client, server) if outbound else (server, client)
        length = header + len(said)
        start = ipv4(self.service.protocol, source, target, length)
        if hop.tunnelled:
            start = self._encapsulate(start, length, outbound)
        link = _SLL2.pack(0x0800, 0, hop.interface, 1, hop.kind, 6, hop.mac)
        on_wire = len(link) + len(start) + length
        captured = min(on_wire, self._snaplen)
        kept = captured - len(link) - len(start) - header
        lengths = _LENGTHS.pack(captured, on_wire)
        return Frame(lengths + link + start, hop.through_service, said[:kept])

    def _encapsulate(self, packet: bytes, length: int, outbound: bool) -> bytes:
        """VXLAN (RFC 7348) from node to node; the outer source port is a hash of the inner flow."""
        here, there = self.client.node, self.server.node
        if not outbound:
            here, there = there, here
        inner = length + len(packet) + 14
        spread = 32768 + (self.client.address * 31 + self.server.address) % 28232
        ethernet = device_mac(there, FLANNEL) + device_mac(here, FLANNEL) + b"\x08\x00"
        return (
            ipv4(17, NODE_ADDRESSES[here], NODE_ADDRESSES[there], inner + 16)
            + struct.pack(">HHHH", spread, VXLAN_PORT, inner + 16, 0)
            + struct.pack(">II", 0x08000000, 1 << 8)
            + ethernet
            + packet
        )


def device_mac(node: int, interface: int) -> bytes:
    """A device's own MAC."""
    return b"\x02\0\0\0" + bytes((node, interface))

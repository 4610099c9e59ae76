"""The innermost IP packet of a frame, and the tunnels around it: what decoding yields."""

from msgspec import Struct

CLIENT, SERVER = 1, 2
"""What a payload can say of its sender (S34), as bits."""


class Tunnel(Struct, frozen=True):
    """One tunnel around a packet: its kind and its two outer addresses, lower one first.

    Direction-free, so that both directions of a connection share a path, and without the
    identifier (VNI, key): Cilium puts the sender's identity there, which differs by direction.
    """

    kind: str
    low: bytes
    high: bytes


class Packet(Struct, frozen=True):
    """The innermost IP packet of a frame.

    Addresses are 16 bytes, IPv4 as IPv4-mapped IPv6 (RFC 4291 2.5.5.2). `protocol` is 6 (TCP), 17
    (UDP) or 132 (SCTP). `length` is the IP packet's size by its own header, in bytes. `flags`,
    `seq` and `ack` are TCP's; SCTP's INIT and INIT-ACK are mapped to SYN and SYN|ACK with the
    initiate tags as sequence numbers, ABORT to RST, other chunks to ACK; zero in UDP.
    `timestamp` is the TCP timestamp value (RFC 7323) of a segment with SYN, else None. `hint` is
    1 where the payload is a client's, 2 where it is a server's (S34), else 0. `tunnels` lists what
    was opened, from the outside in. `unreachable` marks a packet that was only quoted by an ICMP
    destination-unreachable error. `fragment` marks a later IP fragment, whose ports come from the
    first one: it has neither flags nor sequence numbers. `station` says who sent the frame that it
    came in (`link_layer.station_of`), 0 where it came through a tunnel or nothing says it.
    """

    protocol: int
    source: bytes
    destination: bytes
    source_port: int
    destination_port: int
    length: int
    flags: int = 0
    seq: int = 0
    ack: int = 0
    timestamp: int | None = None
    hint: int = 0
    tunnels: tuple[Tunnel, ...] = ()
    unreachable: bool = False
    fragment: bool = False
    station: int = 0


class Skipped(Struct, frozen=True):
    """A frame that is no packet of a connection, and why; reasons are counted in the summary."""

    reason: str


NOT_IP = Skipped("not IP")
NOT_IP_ARP = Skipped(f"{NOT_IP.reason} (ARP)")
NOT_TRANSPORT = Skipped("not TCP, UDP or SCTP")
ICMP = Skipped("ICMP")
ENCRYPTED = Skipped("encrypted tunnel")
TOO_DEEP = Skipped("nested too deeply")
CLOSED = Skipped("inside a tunnel that was left closed")
ORPHAN_FRAGMENT = Skipped("fragment without its first")
TUNNEL_FRAGMENT = Skipped("rest of a packet in a tunnel")
SMALL_FRAGMENT = Skipped("fragment with a part of its headers")

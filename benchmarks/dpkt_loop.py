"""What dpkt's documentation shows: every packet through Reader, Ethernet, IP and TCP or UDP."""

import socket
import sys
from collections import Counter
from pathlib import Path

import dpkt


def main() -> None:
    """Count packets by 5-tuple, as a first attempt at this tool would."""
    connections: Counter[tuple[str, int, str, int, int]] = Counter()
    for name in sys.argv[1:]:
        with Path(name).open("rb") as stream:
            for _, frame in dpkt.pcap.Reader(stream):
                count(dpkt.ethernet.Ethernet(frame), connections)
    print(len(connections))


def count(
    frame: dpkt.ethernet.Ethernet, connections: Counter[tuple[str, int, str, int, int]]
) -> None:
    """Add one frame."""
    ip = frame.data
    if not isinstance(ip, (dpkt.ip.IP, dpkt.ip6.IP6)):
        return
    segment = ip.data
    if isinstance(segment, (dpkt.tcp.TCP, dpkt.udp.UDP)):
        family = socket.AF_INET if isinstance(ip, dpkt.ip.IP) else socket.AF_INET6
        source, target = socket.inet_ntop(family, ip.src), socket.inet_ntop(family, ip.dst)
        connections[source, segment.sport, target, segment.dport, ip.p] += 1


if __name__ == "__main__":
    main()

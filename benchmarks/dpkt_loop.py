"""What dpkt's documentation shows: every packet through Reader, Ethernet, IP and TCP or UDP."""

import socket
import sys
from collections import Counter
from pathlib import Path

import dpkt


def main() -> None:
    """Count packets by 5-tuple, as a first attempt at this tool would."""
    connections: Counter[tuple[str, int, str, int, int]] = Counter()
    with Path(sys.argv[1]).open("rb") as stream:
        for _, frame in dpkt.pcap.Reader(stream):
            ip = dpkt.ethernet.Ethernet(frame).data
            if not isinstance(ip, (dpkt.ip.IP, dpkt.ip6.IP6)):
                continue
            segment = ip.data
            if isinstance(segment, (dpkt.tcp.TCP, dpkt.udp.UDP)):
                family = socket.AF_INET if isinstance(ip, dpkt.ip.IP) else socket.AF_INET6
                connections[
                    socket.inet_ntop(family, ip.src),
                    segment.sport,
                    socket.inet_ntop(family, ip.dst),
                    segment.dport,
                    ip.p,
                ] += 1
    print(len(connections))


if __name__ == "__main__":
    main()

"""One stretch of one capture file → its rows and counts.

A stretch is a whole file, or a part of a big one between two record boundaries. It knows nothing
of what came before it; `read` runs stretches one by one or in threads, and joins them.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from otterize_pcap.containers import OpenCapture
from otterize_pcap.decode import Decoded, Decoder
from otterize_pcap.link_layer import LINK_TYPES
from otterize_pcap.packet import ICMP, NOT_IP, Packet
from otterize_pcap.pcap import PcapReader
from otterize_pcap.records import Record
from otterize_pcap.connections import ConnectionTable, Row
from otterize_pcap.transport import CLIENT, DNS_PORTS, TCP, UDP
from otterize_pcap.tunnels import DECLINED_PORTS, TunnelPorts

try:
    from otterize_pcap import _fastpath
except ImportError:  # no compiler where it was installed: the reference does everything
    _fastpath = None  # type: ignore[assignment]

MAX_PAYLOAD_BYTES = 64 << 20
"""Payload kept for names in all; what comes after it is only counted."""

PACKETS_PER_REPORT = 1 << 12


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How captures are read.

    `max_connections` bounds the table, `threads` how many run at once; `fast` allows the compiled
    path. `collect_names` keeps payloads that name servers: DNS, TLS ClientHello, HTTP/1 requests.
    """

    vxlan_ports: frozenset[int] = frozenset({4789, 8472})
    geneve_ports: frozenset[int] = frozenset({6081})
    max_connections: int = 20_000_000
    fast: bool = True
    threads: int = 1
    collect_names: bool = False

"""Numbers in IP and TCP headers, each here once: IANA's protocol-numbers, flags of RFC 9293, 3.1.

The compiled path has copies where its compiler must know a number, and compares them at import.
"""

ICMP_V4, IPIP, TCP, UDP, IP6IP, GRE, ESP, AH, ICMP_V6, SCTP = 1, 4, 6, 17, 41, 47, 50, 51, 58, 132

PROTOCOL_NAMES = {TCP: "TCP", UDP: "UDP", SCTP: "SCTP"}
"""The protocols that have ports and are decoded, as Kubernetes writes them."""

PROTOCOL_NUMBERS = {name: number for number, name in PROTOCOL_NAMES.items()}

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

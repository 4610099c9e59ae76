"""What a capture saved of a node beside its packets: its own addresses (S14)."""

from otterize_pcap.addresses import is_not_a_call, parse_address


def parse_node_addresses(text: str) -> frozenset[bytes]:
    """A node's local addresses out of `ip -o addr`; loopback and link-local are left out.

    Other lines (routes) are passed over, as iproute2 and busybox print them differently.
    """
    found: set[bytes] = set()
    for line in text.splitlines():
        words = line.split()
        for family in ("inet", "inet6"):
            if family in words[:-1]:
                address = words[words.index(family) + 1].partition("/")[0]
                try:
                    found.add(parse_address(address))
                except ValueError:
                    continue
    return frozenset(address for address in found if not is_not_a_call(address))

"""What a capture saved of a node beside its packets: its addresses (S14) and routes (S50)."""

from collections.abc import Collection, Iterator

from otterize_pcap.addresses import (
    AddressError,
    Network,
    is_not_a_call,
    parse_address,
    parse_network,
)

OWN_BLOCK = "blackhole"
V4 = 0xFFFF
# Bits of a prefix, of IPv6 and of IPv4 as IPv4-mapped IPv6.
SHORTEST = (16, 96 + 8)


def parse_node_addresses(text: str) -> frozenset[bytes]:
    """A node's local addresses out of `ip -o addr`; loopback and link-local are left out.

    Other lines are routes.
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


def parse_inside_networks(text: str, nodes: Collection[bytes]) -> frozenset[Network]:
    """The ranges inside the cluster that a node's routes tell of, out of `ip route`.

    Those behind an interface that the default route does not go through: bridges, pods' own
    interfaces, tunnels. Those behind another node, one of `nodes`. And Calico's own blocks, which
    it sends to nowhere but for pods that are there. A range of 2^24 IPv4 addresses is the largest:
    VPNs split the default route in two.
    """
    routes = list(_routes(text))
    outward = {device for network, _, device in routes if network is None}
    found = set()
    for network, gateway, device in routes:
        if network is None:
            continue
        behind = gateway in nodes if gateway else bool(outward) and device not in outward
        if behind and network[1].bit_count() >= SHORTEST[network[0] >> 32 == V4]:
            found.add(network)
    return frozenset(found)


def _routes(text: str) -> Iterator[tuple[Network | None, bytes | None, str]]:
    """Each route's range (None: the default one), gateway, and device ("": of no device)."""
    for line in text.splitlines():
        words = line.split()
        own = words[:1] == [OWN_BLOCK]
        words = words[own:]
        if not words or (not own and "dev" not in words[:-1]):
            continue
        try:
            network = None if words[0] == "default" else parse_network(words[0])
            gateway = parse_address(words[2]) if words[1:2] == ["via"] and len(words) > 2 else None
        except AddressError:
            continue
        yield network, gateway, words[words.index("dev") + 1] if "dev" in words[:-1] else ""

"""UDP ports that tell what a datagram holds, for whoever has to know before decoding it."""

from msgspec import Struct

DNS_PORT = 53
DNS_PORTS = frozenset({DNS_PORT, 5353})
"""DNS, with TCP as well, and mDNS."""
VXLAN_PORTS = frozenset({4789, 8472})
"""IANA's, and the one that Linux used before and flannel still does."""
GENEVE_PORTS = frozenset({6081})
VXLAN_GPE_PORT = 4790
WIREGUARD_PORTS = frozenset({51820, 51821, 51871})
"""WireGuard's own and flannel's, Calico's for IPv6, Cilium's."""
IPSEC_NAT_PORT = 4500
GUESSED_PORTS = WIREGUARD_PORTS | {IPSEC_NAT_PORT, VXLAN_GPE_PORT}
"""Ports whose payload decides what a datagram is; the compiled path leaves them alone."""


class TunnelPorts(Struct, frozen=True):
    """The UDP destination ports behind which a tunnel is looked for."""

    vxlan: frozenset[int] = VXLAN_PORTS
    geneve: frozenset[int] = GENEVE_PORTS

    def may_hold(self, source_port: int, destination_port: int) -> bool:
        """Whether a datagram may hold another packet, or be encrypted, by its ports."""
        ports = self.vxlan | self.geneve | GUESSED_PORTS
        return source_port in ports or destination_port in ports

    def carries(self, destination_port: int) -> bool:
        """Whether datagrams to this port hold other packets."""
        return destination_port in self.vxlan | self.geneve | {VXLAN_GPE_PORT}

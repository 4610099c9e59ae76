"""Annotations of Multus → the addresses that a pod has on further networks.

Multus writes what each network gave to a pod as a JSON list (Network Plumbing Working Group,
Kubernetes Network Custom Resource Definition De-facto Standard 1.3, 5). A value that is no such
list was not written by it and names nothing.
"""

from collections.abc import Iterator, Mapping

import msgspec

from otterize_pcap.addresses import AddressError, parse_address
from otterize_pcap.json_errors import BROKEN

# The second is what Multus wrote before 3.5.
KEYS = ("k8s.v1.cni.cncf.io/network-status", "k8s.v1.cni.cncf.io/networks-status")


class NetworkStatus(msgspec.Struct, frozen=True, gc=False):
    """One network of a pod."""

    ips: tuple[str, ...] | None = None


DECODER = msgspec.json.Decoder(tuple[NetworkStatus, ...])


def attached_addresses(annotations: Mapping[str, str]) -> Iterator[bytes]:
    """The addresses that annotations give to a pod, those of its usual network among them."""
    for key in KEYS:
        try:
            networks = DECODER.decode(annotations.get(key, "[]"))
        except BROKEN:
            continue
        for network in networks:
            for text in network.ips or ():
                try:
                    yield parse_address(text)
                except AddressError:
                    continue

"""Endpoints objects, as what took their place: EndpointSlices (S21).

The API server mirrors every Endpoints object into slices (Kubernetes documentation, "EndpointSlice
mirroring"); a snapshot written by hand may hold the object alone.
"""

from collections.abc import Iterable, Iterator

import msgspec

from otterize_pcap.snapshot.objects import (
    Endpoint,
    EndpointPort,
    EndpointSliceItem,
    Item,
    Metadata,
    TargetRef,
)

SERVICE_NAME = "kubernetes.io/service-name"


class EndpointAddress(msgspec.Struct, frozen=True, gc=False):
    """v1.EndpointAddress."""

    ip: str = ""
    targetRef: TargetRef | None = None


class EndpointSubset(msgspec.Struct, frozen=True, gc=False):
    """v1.EndpointSubset."""

    addresses: tuple[EndpointAddress, ...] | None = None
    notReadyAddresses: tuple[EndpointAddress, ...] | None = None
    ports: tuple[EndpointPort, ...] | None = None


class EndpointsItem(Item, frozen=True, gc=False):
    """v1.Endpoints."""

    subsets: tuple[EndpointSubset, ...] | None = None


def with_mirrored(
    slices: Iterable[EndpointSliceItem], endpoints: Iterable[EndpointsItem]
) -> Iterator[EndpointSliceItem]:
    """The slices, and those that Endpoints objects would be, of Services that have none."""
    known = set()
    for item in slices:
        known.add((item.metadata.namespace, (item.metadata.labels or {}).get(SERVICE_NAME)))
        yield item
    for unmirrored in endpoints:
        if (unmirrored.metadata.namespace, unmirrored.metadata.name) not in known:
            yield from _slices(unmirrored)


def _slices(item: EndpointsItem) -> Iterator[EndpointSliceItem]:
    meta = item.metadata
    for subset in item.subsets or ():
        # Not ready yet, or no longer: members all the same, as in slices.
        members = (*(subset.addresses or ()), *(subset.notReadyAddresses or ()))
        yield EndpointSliceItem(
            kind=item.kind,
            metadata=Metadata(
                name=meta.name,
                namespace=meta.namespace,
                uid=meta.uid,
                labels={SERVICE_NAME: meta.name},
            ),
            endpoints=tuple(
                Endpoint(addresses=(member.ip,), targetRef=member.targetRef) for member in members
            ),
            ports=subset.ports,
        )

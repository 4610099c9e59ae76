"""What text in a snapshot's objects must be, and what an object is without one of its fields."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, get_args

import msgspec

from otterize_pcap.addresses import parse_address, parse_network
from otterize_pcap.snapshot.endpoints import EndpointAddress
from otterize_pcap.snapshot.nodes import ADDRESS_TYPES
from otterize_pcap.snapshot.object_fields import LEADING_ZEROS
from otterize_pcap.snapshot.objects import (
    Condition,
    ContainerPort,
    Endpoint,
    EndpointPort,
    EndpointSliceItem,
    Ingress,
    Item,
    Metadata,
    NodeAddress,
    NodeSpec,
    Observed,
    OwnerReference,
    PodIP,
    PodItem,
    PodSpec,
    PodStatus,
    Running,
    ServicePort,
    ServiceSpec,
    Terminated,
    Watch,
)
from otterize_pcap.snapshot.policy_objects import NetworkPolicyItem
from otterize_pcap.timestamps import parse_time

Check = Callable[[str], object]
"""Raises ValueError where a text is not what it must be."""

"""The types of a node's addresses that are addresses; the others are names."""


def _address(text: str) -> None:
    if text:
        parse_address(LEADING_ZEROS.sub("", text))


def _cluster_ip(text: str) -> None:
    if text != "None":
        _address(text)


def _time(text: str) -> None:
    if text:
        parse_time(text)


TIME = ("a time (RFC 3339)", _time)
ADDRESS = ("an IP address", _address)
CLUSTER_IP = ("an IP address", _cluster_ip)
NETWORK = ("a range of IP addresses", parse_network)

CHECKS: dict[tuple[type, str], tuple[str, Check]] = {
    (Metadata, "creationTimestamp"): TIME,
    (Metadata, "deletionTimestamp"): TIME,
    (Running, "startedAt"): TIME,
    (Terminated, "startedAt"): TIME,
    (Terminated, "finishedAt"): TIME,
    (Condition, "lastTransitionTime"): TIME,
    (PodStatus, "startTime"): TIME,
    (PodStatus, "podIP"): ADDRESS,
    (PodStatus, "hostIP"): ADDRESS,
    (PodIP, "ip"): ADDRESS,
    (ServiceSpec, "clusterIP"): CLUSTER_IP,
    (ServiceSpec, "clusterIPs"): CLUSTER_IP,
    (ServiceSpec, "externalIPs"): ADDRESS,
    (Ingress, "ip"): ADDRESS,
    (Endpoint, "addresses"): ADDRESS,
    (EndpointAddress, "ip"): ADDRESS,
    (NodeAddress, "address"): ADDRESS,
    (NodeSpec, "podCIDR"): NETWORK,
    (NodeSpec, "podCIDRs"): NETWORK,
    (Observed, "ip"): ADDRESS,
    (Observed, "start"): TIME,
    (Observed, "end"): TIME,
    (Watch, "taken_at"): TIME,
    (Watch, "watch_start"): TIME,
    (Watch, "watch_end"): TIME,
}
"""Text that must be more than text."""

WHOLE = (ContainerPort, ServicePort, EndpointPort, Observed)
"""What would say something else without one of its fields, and so is left out as a whole."""

UNDIVIDED = {(ServiceSpec, "selector"), (NetworkPolicyItem, "spec")}
"""What would select or allow more without one of its parts."""

VITAL = {
    (Metadata, "name"),
    (Metadata, "namespace"),
    (Item, "kind"),
    (Item, "apiVersion"),
    (Item, "metadata"),
    (PodItem, "spec"),
    (NetworkPolicyItem, "spec"),
    (PodSpec, "hostNetwork"),
    (OwnerReference, "controller"),
    (NodeAddress, "address"),
    (PodIP, "ip"),
    (EndpointAddress, "ip"),
    (Endpoint, "addresses"),
}
"""Fields whose loss makes what they are in useless, or something else."""


def is_vital(shape: type[msgspec.Struct], name: str) -> bool:
    """Whether an object of this type must go where this field does not fit."""
    return shape in WHOLE or any((kind, name) in VITAL for kind in shape.__mro__)


def passes(text: str, check: Check) -> bool:
    """Whether a text is what it must be."""
    try:
        check(text)
    except ValueError:
        return False
    return True


def is_sound(value: msgspec.Struct) -> bool:
    """Whether all text below a value is what it must be, which nearly all is."""
    if isinstance(value, NodeAddress) and value.type not in ADDRESS_TYPES:
        return True
    if isinstance(value, EndpointSliceItem) and value.addressType == "FQDN":
        return True
    for name, check, within in _plan(type(value)):
        found = getattr(value, name)
        parts = found if isinstance(found, tuple) else (found,)
        for part in parts:
            if part is None:
                continue
            if not (is_sound(part) if within else passes(part, check)):
                return False
    return True


def _nothing(_: str) -> None:
    """The check of what has parts."""


@cache
def _plan(shape: type[msgspec.Struct]) -> tuple[tuple[str, Check, bool], ...]:
    """The fields of a type to look at: with a check, or with parts that have one."""
    found: list[tuple[str, Check, bool]] = []
    for entry in msgspec.structs.fields(shape):
        if (shape, entry.name) in CHECKS:
            found.append((entry.name, CHECKS[shape, entry.name][1], False))
        elif any(_plan(within) for within in _structs(entry.type)):
            found.append((entry.name, _nothing, True))
    return tuple(found)


def _structs(shape: Any) -> Iterator[type[msgspec.Struct]]:  # noqa: ANN401 - any type
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        yield shape
    for part in get_args(shape):
        yield from _structs(part)

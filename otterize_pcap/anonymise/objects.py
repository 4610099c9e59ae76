"""Kubernetes objects → the same under other names, field by field.

An object has the fields that the rules read (`snapshot.objects`), and each of them its treatment
here. One without is an error, not copied: a field that the rules come to read has to be thought
about first.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from otterize_pcap.addresses import AddressError, format_address
from otterize_pcap.anonymise.known_words import KNOWN_LABELS, NAMING_ANNOTATIONS, WORDS
from otterize_pcap.anonymise.renaming import Renaming
from otterize_pcap.snapshot import attachments, endpoints, objects
from otterize_pcap.snapshot.nodes import ADDRESS_TYPES
from otterize_pcap.snapshot.object_fields import without_zeros

T = TypeVar("T")
Treatment = Callable[[Renaming, Any], Any]
"""What stands for one field's value; asked of values that are not empty."""

NO_ADDRESS = "None"
"""What a headless Service has for an address."""


def anonymised(renaming: Renaming, item: T) -> T:
    """An object, or a part of one, under other names.

    Raises:
        AddressError: An address in it is none.
        TimeError: A time in it is none.
    """
    treatments = TREATMENTS[type(item)]
    values = {name: getattr(item, name) for name in treatments}
    return type(item)(
        **{
            name: treatments[name](renaming, value) if value else value
            for name, value in values.items()
        }
    )


def _as_is(_: Renaming, value: T) -> T:
    """Numbers and truths tell of nobody."""
    return value


def _name(renaming: Renaming, name: str) -> str:
    return renaming.names.name(name)


def _port_name(renaming: Renaming, port: int | str) -> int | str:
    return renaming.names.name(port) if isinstance(port, str) else port


def _container_name(renaming: Renaming, name: str) -> str:
    """The names of sidecars are known by (S6)."""
    if name == "istio-proxy":
        return name
    return "sidecar" if "sidecar" in name else renaming.names.name(name)


def _names(renaming: Renaming, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(renaming.names.name, names))


def _host_name(renaming: Renaming, name: str) -> str:
    """As DNS says it, which knows no case."""
    return renaming.names.name(name.lower())


def _word(_: Renaming, word: str) -> str:
    return word if word in WORDS else ""


def _words(renaming: Renaming, words: Sequence[str]) -> tuple[str, ...]:
    return tuple(_word(renaming, word) for word in words)


def _uid(renaming: Renaming, uid: str) -> str:
    return renaming.names.uid(uid)


def _version(_: Renaming, version: str) -> str:
    """An object's, by which its states are put in order: a number, or nothing."""
    return version if version.isascii() and version.isdigit() else ""


def _time(renaming: Renaming, text: str) -> str:
    return renaming.time(text)


def _kind(renaming: Renaming, kind: str) -> str:
    return renaming.kind(kind)


def _api_version(renaming: Renaming, text: str) -> str:
    return renaming.api_version(text)


def _address(renaming: Renaming, text: str) -> str:
    if text == NO_ADDRESS:
        return text
    return renaming.addresses.text(without_zeros(text))


def _addresses(renaming: Renaming, texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(_address(renaming, text) if text else text for text in texts)


def _wished_address(renaming: Renaming, text: str) -> str | None:
    """What somebody wrote in the place of an address, where it is one."""
    try:
        return renaming.addresses.text(text)
    except AddressError:
        return None


def _endpoint_addresses(renaming: Renaming, texts: Sequence[str]) -> tuple[str, ...]:
    """Addresses, or names in a slice of type FQDN."""
    return tuple(
        _wished_address(renaming, without_zeros(text)) or _host_name(renaming, text)
        for text in texts
    )


def _networks(renaming: Renaming, texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(renaming.addresses.network, texts))


def _network(renaming: Renaming, text: str) -> str:
    return renaming.addresses.network(text)


def _labels(renaming: Renaming, labels: Mapping[str, str]) -> dict[str, str]:
    name = renaming.names.name
    return {_label_key(renaming, key): name(value) for key, value in labels.items()}


def _label_key(renaming: Renaming, key: str) -> str:
    return key if key in KNOWN_LABELS else renaming.names.name(key)


def _annotations(renaming: Renaming, annotations: Mapping[str, str]) -> dict[str, str]:
    """Those that name a workload, and the addresses of further networks."""
    name = renaming.names.name
    kept = {key: name(annotations[key]) for key in NAMING_ANNOTATIONS & annotations.keys()}
    for key in attachments.KEYS:
        if key in annotations:
            found = map(format_address, attachments.attached_addresses({key: annotations[key]}))
            ips = [renaming.addresses.text(text) for text in found]
            kept[key] = msgspec.json.encode([{"ips": ips}]).decode()
    return kept


def _parts(renaming: Renaming, items: Sequence[T]) -> tuple[T, ...]:
    return tuple(anonymised(renaming, item) for item in items)


def _node_addresses(
    renaming: Renaming, addresses: Sequence[objects.NodeAddress]
) -> tuple[objects.NodeAddress, ...]:
    """Those of a kind that rules read; others are names."""
    return _parts(renaming, [each for each in addresses if each.type in ADDRESS_TYPES])


def _conditions(
    renaming: Renaming, conditions: Sequence[objects.Condition]
) -> tuple[objects.Condition, ...]:
    """Those that rules read: anybody may set others."""
    return _parts(renaming, [each for each in conditions if each.type in WORDS])


_ITEM: Mapping[str, Treatment] = {
    "kind": _kind,
    "apiVersion": _api_version,
    "metadata": anonymised,
}
_RULE: Mapping[str, Treatment] = {"peers": _parts, "ports": _parts}
TREATMENTS: Mapping[type, Mapping[str, Treatment]] = {
    objects.OwnerReference: {
        "kind": _kind,
        "name": _name,
        "uid": _uid,
        "controller": _as_is,
        "apiVersion": _api_version,
    },
    objects.Metadata: {
        "name": _name,
        "namespace": _name,
        "generateName": _name,
        "uid": _uid,
        "resourceVersion": _version,
        "creationTimestamp": _time,
        "deletionTimestamp": _time,
        "labels": _labels,
        "annotations": _annotations,
        "ownerReferences": _parts,
    },
    objects.ContainerPort: {
        "containerPort": _as_is,
        "protocol": _word,
        "hostPort": _as_is,
        "hostIP": _address,
        "name": _name,
    },
    objects.Container: {"name": _container_name, "image": _name, "ports": _parts},
    objects.PodSpec: {
        "nodeName": _name,
        "hostNetwork": _as_is,
        "serviceAccountName": _name,
        "containers": _parts,
        "initContainers": _parts,
    },
    objects.Running: {"startedAt": _time},
    objects.Terminated: {"startedAt": _time, "finishedAt": _time},
    objects.ContainerState: {"running": anonymised, "terminated": anonymised},
    objects.ContainerStatus: {"state": anonymised, "lastState": anonymised},
    objects.Condition: {"type": _word, "status": _word, "lastTransitionTime": _time},
    objects.PodIP: {"ip": _address},
    objects.PodStatus: {
        "phase": _word,
        "podIP": _address,
        "podIPs": _parts,
        "hostIP": _address,
        "hostIPs": _parts,
        "startTime": _time,
        "conditions": _conditions,
        "initContainerStatuses": _parts,
        "containerStatuses": _parts,
    },
    objects.ServicePort: {
        "port": _as_is,
        "protocol": _word,
        "name": _name,
        "targetPort": _port_name,
        "nodePort": _as_is,
    },
    objects.ServiceSpec: {
        "type": _word,
        "clusterIP": _address,
        "clusterIPs": _addresses,
        "externalIPs": _addresses,
        "loadBalancerIP": _wished_address,
        "externalTrafficPolicy": _word,
        "ports": _parts,
        "selector": _labels,
    },
    objects.Ingress: {"ip": _address, "hostname": _host_name},
    objects.LoadBalancer: {"ingress": _parts},
    objects.ServiceStatus: {"loadBalancer": anonymised},
    objects.TargetRef: {"kind": _kind, "name": _name, "namespace": _name, "uid": _uid},
    objects.Endpoint: {"addresses": _endpoint_addresses, "targetRef": anonymised},
    objects.EndpointPort: {"name": _name, "port": _as_is, "protocol": _word},
    objects.NodeAddress: {"type": _word, "address": _address},
    objects.NodeSpec: {"podCIDR": _network, "podCIDRs": _networks},
    objects.NodeStatus: {"addresses": _node_addresses},
    objects.LabelSelectorRequirement: {
        "key": _label_key,
        "operator": _word,
        "values": _names,
    },
    objects.LabelSelector: {"matchLabels": _labels, "matchExpressions": _parts},
    objects.WorkloadSpec: {"selector": anonymised},
    objects.IPBlock: {"cidr": _network, "excepted": _networks},
    objects.NetworkPolicyPeer: {
        "podSelector": anonymised,
        "namespaceSelector": anonymised,
        "ipBlock": anonymised,
    },
    objects.NetworkPolicyPort: {"protocol": _word, "port": _port_name, "endPort": _as_is},
    objects.NetworkPolicyIngressRule: _RULE,
    objects.NetworkPolicyEgressRule: _RULE,
    objects.NetworkPolicySpec: {
        "podSelector": anonymised,
        "policyTypes": _words,
        "ingress": _parts,
        "egress": _parts,
    },
    objects.Item: _ITEM,
    objects.PodItem: {**_ITEM, "spec": anonymised, "status": anonymised},
    objects.ServiceItem: {**_ITEM, "spec": anonymised, "status": anonymised},
    objects.EndpointSliceItem: {
        **_ITEM,
        "addressType": _word,
        "endpoints": _parts,
        "ports": _parts,
    },
    objects.NodeItem: {**_ITEM, "spec": anonymised, "status": anonymised},
    objects.WorkloadItem: {**_ITEM, "spec": anonymised},
    objects.NetworkPolicyItem: {**_ITEM, "spec": anonymised},
    objects.Observed: {
        "uid": _uid,
        "ip": _address,
        "kind": _kind,
        "start": _time,
        "end": _time,
    },
    objects.Watch: {
        "taken_at": _time,
        "watch_start": _time,
        "watch_end": _time,
        "observed": _parts,
    },
    endpoints.EndpointAddress: {"ip": _address, "targetRef": anonymised},
    endpoints.EndpointSubset: {
        "addresses": _parts,
        "notReadyAddresses": _parts,
        "ports": _parts,
    },
    endpoints.EndpointsItem: {**_ITEM, "subsets": _parts},
}

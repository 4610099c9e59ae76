"""Kubernetes objects → the same under other names, field by field.

An object has the fields that the rules read (`snapshot.objects`), and each of them its treatment
here. One without is an error, not copied: a field that the rules come to read has to be thought
about first.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from otterize_pcap.anonymise.field_values import (
    address,
    addresses,
    annotations,
    api_version,
    as_is,
    container_name,
    endpoint_addresses,
    host_name,
    kind,
    label_key,
    labels,
    name,
    names,
    network,
    networks,
    port_name,
    time,
    uid,
    version,
    wished_address,
    word,
    words,
)
from otterize_pcap.anonymise.known_words import WORDS
from otterize_pcap.anonymise.renaming import Renaming
from otterize_pcap.snapshot import endpoints, objects, policy_objects
from otterize_pcap.snapshot.nodes import ADDRESS_TYPES

T = TypeVar("T")
Treatment = Callable[[Renaming, Any], Any]
"""What stands for one field's value; asked of values that are not empty."""


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
    "kind": kind,
    "apiVersion": api_version,
    "metadata": anonymised,
}
_RULE: Mapping[str, Treatment] = {"peers": _parts, "ports": _parts}
TREATMENTS: Mapping[type, Mapping[str, Treatment]] = {
    objects.OwnerReference: {
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": as_is,
        "apiVersion": api_version,
    },
    objects.Metadata: {
        "name": name,
        "namespace": name,
        "generateName": name,
        "uid": uid,
        "resourceVersion": version,
        "creationTimestamp": time,
        "deletionTimestamp": time,
        "labels": labels,
        "annotations": annotations,
        "ownerReferences": _parts,
    },
    objects.ContainerPort: {
        "containerPort": as_is,
        "protocol": word,
        "hostPort": as_is,
        "hostIP": address,
        "name": name,
    },
    objects.Container: {"name": container_name, "image": name, "ports": _parts},
    objects.PodSpec: {
        "nodeName": name,
        "hostNetwork": as_is,
        "serviceAccountName": name,
        "containers": _parts,
        "initContainers": _parts,
    },
    objects.Running: {"startedAt": time},
    objects.Terminated: {"startedAt": time, "finishedAt": time},
    objects.ContainerState: {"running": anonymised, "terminated": anonymised},
    objects.ContainerStatus: {"state": anonymised, "lastState": anonymised},
    objects.Condition: {"type": word, "status": word, "lastTransitionTime": time},
    objects.PodIP: {"ip": address},
    objects.PodStatus: {
        "phase": word,
        "podIP": address,
        "podIPs": _parts,
        "hostIP": address,
        "hostIPs": _parts,
        "startTime": time,
        "conditions": _conditions,
        "initContainerStatuses": _parts,
        "containerStatuses": _parts,
    },
    objects.ServicePort: {
        "port": as_is,
        "protocol": word,
        "name": name,
        "targetPort": port_name,
        "nodePort": as_is,
    },
    objects.ServiceSpec: {
        "type": word,
        "clusterIP": address,
        "clusterIPs": addresses,
        "externalIPs": addresses,
        "loadBalancerIP": wished_address,
        "externalTrafficPolicy": word,
        "ports": _parts,
        "selector": labels,
    },
    objects.Ingress: {"ip": address, "hostname": host_name},
    objects.LoadBalancer: {"ingress": _parts},
    objects.ServiceStatus: {"loadBalancer": anonymised},
    objects.TargetRef: {"kind": kind, "name": name, "namespace": name, "uid": uid},
    objects.Endpoint: {"addresses": endpoint_addresses, "targetRef": anonymised},
    objects.EndpointPort: {"name": name, "port": as_is, "protocol": word},
    objects.NodeAddress: {"type": word, "address": address},
    objects.NodeSpec: {"podCIDR": network, "podCIDRs": networks},
    objects.NodeStatus: {"addresses": _node_addresses},
    objects.LabelSelectorRequirement: {
        "key": label_key,
        "operator": word,
        "values": names,
    },
    objects.LabelSelector: {"matchLabels": labels, "matchExpressions": _parts},
    objects.WorkloadSpec: {"selector": anonymised},
    policy_objects.IPBlock: {"cidr": network, "excepted": networks},
    policy_objects.NetworkPolicyPeer: {
        "podSelector": anonymised,
        "namespaceSelector": anonymised,
        "ipBlock": anonymised,
    },
    policy_objects.NetworkPolicyPort: {"protocol": word, "port": port_name, "endPort": as_is},
    policy_objects.NetworkPolicyIngressRule: _RULE,
    policy_objects.NetworkPolicyEgressRule: _RULE,
    policy_objects.NetworkPolicySpec: {
        "podSelector": anonymised,
        "policyTypes": words,
        "ingress": _parts,
        "egress": _parts,
    },
    objects.Item: _ITEM,
    objects.PodItem: {**_ITEM, "spec": anonymised, "status": anonymised},
    objects.ServiceItem: {**_ITEM, "spec": anonymised, "status": anonymised},
    objects.EndpointSliceItem: {
        **_ITEM,
        "addressType": word,
        "endpoints": _parts,
        "ports": _parts,
    },
    objects.NodeItem: {**_ITEM, "spec": anonymised, "status": anonymised},
    objects.WorkloadItem: {**_ITEM, "spec": anonymised},
    policy_objects.NetworkPolicyItem: {**_ITEM, "spec": anonymised},
    objects.Observed: {
        "uid": uid,
        "ip": address,
        "kind": kind,
        "start": time,
        "end": time,
    },
    objects.Watch: {
        "taken_at": time,
        "watch_start": time,
        "watch_end": time,
        "observed": _parts,
    },
    endpoints.EndpointAddress: {"ip": address, "targetRef": anonymised},
    endpoints.EndpointSubset: {
        "addresses": _parts,
        "notReadyAddresses": _parts,
        "ports": _parts,
    },
    endpoints.EndpointsItem: {**_ITEM, "subsets": _parts},
}

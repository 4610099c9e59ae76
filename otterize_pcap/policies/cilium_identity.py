"""Whom Cilium takes an end of a flow for: labels, and whether rules of addresses mean it.

Cilium's rules go by identities. A pod has its own labels, those of its namespace and the name of
its service account; what is no pod has a reserved label, what is outside its address as well.
Sources: Cilium documentation, "Layer 3 Policies" and "Limiting Identity-Relevant Labels"; cilium,
pkg/policy/api (entity.go, selector.go) and pkg/k8s/apis/cilium.io/utils.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from otterize_pcap.flow_logs.hubble_ends import CLUSTER
from otterize_pcap.policies.asked_labels import Label
from otterize_pcap.policies.flow_ends import ApiServerEnd, FlowEnd, NodeEnd, OutsideEnd, PodEnd
from otterize_pcap.policies.network_policy import IN, LabelSelector, Requirement
from otterize_pcap.policies.peers import NAMESPACE_UNKNOWN, Known, NamespaceLabels, all_of
from otterize_pcap.snapshot.snapshot import Pod

NAMESPACE = "io.kubernetes.pod.namespace"
NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
SERVICE_ACCOUNT = "io.cilium.k8s.policy.serviceaccount"
KUBERNETES, RESERVED, ANY_SOURCE = "k8s", "reserved", "any"

HOST, REMOTE_NODE, WORLD, API_SERVER = "host", "remote-node", "world", "kube-apiserver"
UNSEEN = ("init", "ingress", "health", "unmanaged")
"""What no pod, node or address outside is to Cilium: its own endpoints, and pods that it lacks."""
OF_THE_CLUSTER = frozenset((HOST, REMOTE_NODE, API_SERVER, *UNSEEN))
ENTITIES = OF_THE_CLUSTER | {WORLD, "all", "cluster", "none"}

NO_SERVICE_ACCOUNT = "the snapshot does not have the service accounts that a rule asks for"
NO_CLUSTER_NAME = "the snapshot does not have the cluster's name, which a rule asks for"
OTHER_SOURCE = "a rule asks for labels that Kubernetes does not have"

LEFT_OUT = re.compile(
    r"io\.kubernetes|kubernetes\.io|statefulset\.kubernetes\.io/pod-name"
    r"|apps\.kubernetes\.io/pod-index|batch\.kubernetes\.io/(job-completion-index|controller-uid)"
    r"|beta\.kubernetes\.io|k8s\.io|pod-template-generation|pod-template-hash"
    r"|controller-revision-hash|annotation|controller-uid|etcd_node"
)
"""What labels begin with that Cilium leaves out of identities, unless it is told otherwise."""


class Identity(Struct, frozen=True):
    """Who somebody is to Cilium: a pod, or reserved labels; `unsure` are those that it may have.

    `address` is that of who is no pod; rules of ranges and names mean it where `is_outside`.
    """

    pod: Pod | None = None
    reserved: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()
    address: bytes = b""

    @property
    def is_outside(self) -> Known:
        """Whether rules of ranges and names can mean it."""
        return self.is_entity(WORLD)

    def is_entity(self, name: str) -> Known:
        """Whether it is one of an entity."""
        if name in ("all", "none"):
            return name == "all"
        if name == "cluster":
            if self.pod is not None or self.reserved & OF_THE_CLUSTER:
                return True
            return None if self.unsure else False
        if name in self.reserved:
            return True
        return None if name in self.unsure else False


def identity_of(
    end: FlowEnd, own: Pod, nodes: Mapping[bytes, str], api_servers: frozenset[bytes]
) -> Identity:
    """Whom the filter of a pod takes an end for; one of several places was chosen before.

    Args:
        end: A pod, a node, the API server at one address, or what is outside.
        own: The pod.
        nodes: Which node has which address.
        api_servers: The addresses at which the API server is, whatever else is there.
    """
    match end:
        case PodEnd(pod=pod):
            return Identity(pod)
        case NodeEnd(address=address, names=names):
            known = names or ((nodes[address],) if address in nodes else ())
            reserved, unsure = _node_labels(known, own)
            also = frozenset((API_SERVER,)) if address in api_servers else frozenset()
            return Identity(None, reserved | also, unsure, address)
        case ApiServerEnd(addresses=(address, *_)) if address in nodes:
            reserved, unsure = _node_labels((nodes[address],), own)
            return Identity(None, reserved | {API_SERVER}, unsure, address)
        case ApiServerEnd(addresses=(address, *_)) if nodes:
            return Identity(None, frozenset((API_SERVER, WORLD)), address=address)
        case ApiServerEnd(addresses=(address, *_)):
            unsure = frozenset((WORLD, HOST, REMOTE_NODE))
            return Identity(None, frozenset((API_SERVER,)), unsure, address)
        case OutsideEnd(address=address):
            return Identity(None, frozenset((WORLD,)), address=address)
    return Identity()


def _node_labels(names: tuple[str, ...], own: Pod) -> tuple[frozenset[str], frozenset[str]]:
    """The reserved labels of a node that has one of these names: sure ones, and possible ones."""
    found = frozenset(HOST if name == own.node else REMOTE_NODE for name in names)
    if len(found) == 1 and own.node:
        return found, frozenset()
    return frozenset(), frozenset((HOST, REMOTE_NODE))


def split_key(key: str) -> tuple[str, str]:
    """The source and name of a label as rules have it; without a source it is of any."""
    source, colon, name = key.partition(":")
    return (source, name) if colon else (ANY_SOURCE, key)


def selector_means(selector: LabelSelector, identity: Identity, labels: NamespaceLabels) -> Known:
    """Whether a selector means an identity."""
    return all_of(_meets(each, identity, labels) for each in selector.requirements)


def _meets(requirement: Requirement, identity: Identity, labels: NamespaceLabels) -> Known:
    source, name = split_key(requirement.key)
    if source == RESERVED:
        has = identity.is_entity(name) if name in OF_THE_CLUSTER | {WORLD} else False
        value = "" if has else None
        known = has is not None
    elif source not in (KUBERNETES, ANY_SOURCE):
        known, value = identity.is_outside is False, None
    elif identity.pod is None:
        known, value = True, None
    else:
        known, value = _pod_label(name, identity.pod, labels)
    if not known:
        return None
    return requirement.matches({} if value is None else {requirement.key: value})


def _pod_label(name: str, pod: Pod, labels: NamespaceLabels) -> tuple[bool, str | None]:
    """Whether it is known what a pod has as a label, and what it has."""
    if name == NAMESPACE:
        return True, pod.namespace
    if name == SERVICE_ACCOUNT:
        return bool(pod.service_account), pod.service_account
    if name == CLUSTER:
        return False, None
    if name.startswith(NAMESPACE_LABELS):
        key = name.removeprefix(NAMESPACE_LABELS)
        found = labels.labels(pod.namespace).get(key)
        return found is not None or labels.has(pod.namespace), found
    return True, None if LEFT_OUT.match(name) else pod.labels.get(name)


def why_unknown(selector: LabelSelector) -> str:
    """Why nobody may know whom a selector means."""
    for requirement in selector.requirements:
        source, name = split_key(requirement.key)
        if name == SERVICE_ACCOUNT:
            return NO_SERVICE_ACCOUNT
        if name == CLUSTER:
            return NO_CLUSTER_NAME
        if source not in (KUBERNETES, ANY_SOURCE, RESERVED):
            return OTHER_SOURCE
    return NAMESPACE_UNKNOWN


def is_namespace_label(name: str) -> bool:
    """Whether a label is of a pod's namespace, without its source."""
    return name == NAMESPACE or name.startswith(NAMESPACE_LABELS)


def is_pod_label(key: str) -> bool:
    """Whether a rule's key is of a pod's own labels."""
    source, name = split_key(key)
    special = name in (SERVICE_ACCOUNT, CLUSTER) or is_namespace_label(name)
    return source in (KUBERNETES, ANY_SOURCE) and not special


def asked_pod_labels(selector: LabelSelector) -> tuple[Label, ...]:
    """Labels one of which, and no more than one, every pod has that a selector means."""
    for requirement in selector.requirements:
        if requirement.operator == IN and is_pod_label(requirement.key):
            _, name = split_key(requirement.key)
            return tuple((name, value) for value in dict.fromkeys(requirement.values))
    return ()

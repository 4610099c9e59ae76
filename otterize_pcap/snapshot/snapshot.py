"""Kubernetes objects → who owned an address when (S10, S11), and what Services stand for.

Input: typed objects and what a watch observed. Output: a `Snapshot` that answers by address and
time. Which workload a pod belongs to is `identity`'s affair; what a connection means, `resolve`'s.
"""

from collections.abc import Mapping

from msgspec import Struct, field

from otterize_pcap.addresses import Network, in_network
from otterize_pcap.intervals import Interval
from otterize_pcap.snapshot.objects import OwnerReference, ServicePort
from otterize_pcap.snapshot.policy_objects import NetworkPolicyItem

ServedPort = tuple[str, int]


class Pod(Struct, frozen=True, eq=False):
    """One pod: its identity's sources and the ports that its containers declare.

    `ports` are (protocol, number) of containerPorts, and hostPorts of a hostNetwork pod;
    `host_ports` are an ordinary pod's by (protocol, number), each with its container's port.
    `generate_name` is what its name was made from, where the API server chose the rest.
    `service_account` is empty where the snapshot does not have it. `numbers` are the named ports by
    (name, protocol), as policies ask for them.
    """

    uid: str
    name: str
    namespace: str
    node: str
    host_network: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owners: tuple[OwnerReference, ...]
    images: tuple[tuple[str, str], ...]
    ports: frozenset[ServedPort]
    named_ports: Mapping[str, int]
    addresses: tuple[bytes, ...]
    generate_name: str = ""
    host_ports: Mapping[ServedPort, int] = field(default_factory=dict)
    service_account: str = ""
    numbers: Mapping[tuple[str, str], int] = field(default_factory=dict)


class Tenure(Struct, frozen=True):
    """A pod's hold on an address: when it certainly had it, and when it may have had it.

    `possible` begins with `interval`, or before it where nothing says when the address was given.
    """

    pod: Pod
    interval: Interval
    possible: Interval


class Backend(Struct, frozen=True):
    """One endpoint of a Service: target address and port, and when it was one.

    `port` is None where the EndpointSlice leaves it open; then it is the Service's own. `pod` is
    (namespace, name) of the pod that it is, where the EndpointSlice or the selector says so.
    """

    address: bytes
    port: int | None
    interval: Interval
    pod: tuple[str, str] | None = None


class Service(Struct, frozen=True, eq=False):
    """One Service: where it listens and what stands behind each of its ports.

    `backends` maps (protocol, Service port) to its endpoints: those of its EndpointSlices, else,
    and in an IP family of which it has no slice, the pods that its selector matches. `from_slices`
    tells whether it has any, `has_selector` whether there is one: without, anything can be behind
    it, also what is no pod. `hostnames` are those of its load balancers that have no address.
    `external_policy` is its externalTrafficPolicy: nodes put their own address in for a client
    outside ("Cluster"), or keep its ("Local"); empty where a snapshot does not say.
    """

    uid: str
    name: str
    namespace: str
    labels: Mapping[str, str]
    ports: tuple[ServicePort, ...]
    backends: Mapping[ServedPort, tuple[Backend, ...]]
    from_slices: bool
    interval: Interval
    has_selector: bool = True
    hostnames: tuple[str, ...] = ()
    external_policy: str = ""


class Listener(Struct, frozen=True):
    """A Service port on a virtual address or NodePort, and when it listened."""

    service: Service
    port: ServicePort
    interval: Interval


class Snapshot(Struct, frozen=True, eq=False):
    """Who owned which address when.

    `tenures` holds every pod address (S11: none of hostNetwork pods), by start. `listeners` maps
    (address, protocol, port) of ClusterIPs, external and load balancer addresses; `node_ports`
    (protocol, port). `virtual` are all Service addresses, whatever the port. `nodes` maps node
    addresses to node names. `owners` are each object's, by (kind, namespace, name), the kind of a
    custom resource with its group (`qualified_kind`). `kinds` counts objects by `written_kind`.
    `namespaces` are the labels of each; `policies` are NetworkPolicies, in their newest state.
    Times are nanoseconds; None where the snapshot does not say. `watches` are when each watch
    lasted, `watch_start_ns` and `watch_end_ns` the first one's beginning and the last one's end.
    `left_out` say which fields, objects and files could not be used, and why.
    """

    where: str
    pods: tuple[Pod, ...] = ()
    services: tuple[Service, ...] = ()
    tenures: Mapping[bytes, tuple[Tenure, ...]] = field(default_factory=dict)
    listeners: Mapping[tuple[bytes, str, int], tuple[Listener, ...]] = field(default_factory=dict)
    node_ports: Mapping[ServedPort, tuple[Listener, ...]] = field(default_factory=dict)
    virtual: frozenset[bytes] = frozenset()
    nodes: Mapping[bytes, str] = field(default_factory=dict)
    host_pods: Mapping[str, tuple[Tenure, ...]] = field(default_factory=dict)
    pod_networks: tuple[Network, ...] = ()
    owners: Mapping[tuple[str, str, str], tuple[OwnerReference, ...]] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    policies: tuple[NetworkPolicyItem, ...] = ()
    selector_keys: Mapping[tuple[str, str, str], frozenset[str]] = field(default_factory=dict)
    taken_ns: int | None = None
    watch_start_ns: int | None = None
    watch_end_ns: int | None = None
    watches: tuple[Interval, ...] = ()
    left_out: tuple[str, ...] = ()

    def watched(self, first_ns: int, last_ns: int) -> bool:
        """Whether one watch lasted over a whole time, so that every pod of it is known."""
        return any(watch.covers(first_ns, last_ns, 0) for watch in self.watches)

    def owns(self, address: bytes) -> bool:
        """Whether an address lies in a pod or Service range, so that nothing external has it."""
        return address in self.virtual or self.is_pod_range(address)

    def is_pod_range(self, address: bytes) -> bool:
        """Whether an address lies in a range that nodes give to pods."""
        return any(in_network(address, network) for network in self.pod_networks)

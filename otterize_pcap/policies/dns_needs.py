"""What every workload needs of the cluster's DNS, whether or not it asked while somebody looked."""

from collections.abc import Iterable, Iterator, Mapping

from otterize_pcap.addresses import NODE_LOCAL_DNS
from otterize_pcap.graph.service_graph import ESTABLISHED, Evidence, Workload
from otterize_pcap.packets.ports import DNS_PORT
from otterize_pcap.policies.flow_ends import NodeEnd, OutsideEnd, PodEnd
from otterize_pcap.policies.pod_flows import PodFlow
from otterize_pcap.resolve.cluster_dns import DNS_LABEL
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.snapshot.snapshot import Pod

PROTOCOLS = ("TCP", "UDP")
"""Datagrams, and TCP for answers that are too long for one (RFC 7766)."""
USUAL_NAMESPACE = "kube-system"
USUAL_LABELS = (DNS_LABEL,)
"""Where clusters have their DNS (Kubernetes documentation, "DNS for Services and Pods")."""
CACHE_LABEL = ("k8s-app", "node-local-dns")
NO_EVIDENCE = Evidence("", 0, 0, "")


def cache_addresses(mapped: MappedCapture, flows: Iterable[PodFlow]) -> frozenset[bytes]:
    """Where nodes' own caches answer, where they have any: at the Service's address as well.

    Such a cache takes over the DNS Service's address (Kubernetes documentation, "Using NodeLocal
    DNSCache in Kubernetes Clusters").
    """
    called = (
        flow.destination.address for flow in flows if isinstance(flow.destination, OutsideEnd)
    )
    if not (
        NODE_LOCAL_DNS in mapped.lookup.nodes
        or NODE_LOCAL_DNS in called
        or any(map(_is_cache, mapped.snapshot.pods))
    ):
        return frozenset()
    virtual = mapped.snapshot.virtual
    addresses = (each for each in mapped.cluster_dns.addresses if each in virtual)
    return frozenset((NODE_LOCAL_DNS, *addresses))


def _is_cache(pod: Pod) -> bool:
    """Whether a pod is such a cache, as the documentation's manifest labels it."""
    return pod.host_network and CACHE_LABEL in pod.labels.items()


class DnsQuestions:
    """The questions that pods of one capture may have at any time, as their filters see them.

    `are_known` says whether the snapshot has the cluster's DNS; else it is where clusters have it.
    """

    def __init__(self, mapped: MappedCapture, flows: Iterable[PodFlow]) -> None:
        self._identities = mapped.identities
        ends = [*_pod_ends(mapped), *_cache_ends(mapped, flows)]
        self.are_known = bool(ends)
        self._ends = ends or [_usual_end()]

    @property
    def answering(self) -> Iterator[Pod]:
        """Pods that answer, one of each workload, but for those on their node's network."""
        yield from (end.pod for end, _ in self._ends if isinstance(end, PodEnd))

    def of(self, pod: Pod) -> Iterator[PodFlow]:
        """What a pod asks, of each place where the cluster's DNS is."""
        if not pod.addresses:
            return
        client = PodEnd(pod, self._identities.of(pod).workload, pod.addresses[0])
        for end, port in self._ends:
            for protocol in PROTOCOLS:
                yield PodFlow(
                    client=client,
                    server=end,
                    source=client,
                    destination=end,
                    protocol=protocol,
                    port=port,
                    server_port=port,
                    status=ESTABLISHED,
                    connections=0,
                    first_ns=0,
                    last_ns=0,
                    services=(),
                    evidence=NO_EVIDENCE,
                )


End = tuple[PodEnd | NodeEnd, int]


def _pod_ends(mapped: MappedCapture) -> Iterator[End]:
    """One pod of each workload that is the cluster's DNS, at each of its ports."""
    ports: Mapping[Workload, Iterable[int]] = mapped.cluster_dns.ports
    found: dict[Workload, Pod] = {}
    for pod in mapped.snapshot.pods if ports else ():
        workload = mapped.identities.of(pod).workload
        if workload in ports and pod.addresses:
            found.setdefault(workload, pod)
    for workload, pod in sorted(found.items(), key=lambda each: each[0]):
        address = pod.addresses[0]
        on_host = NodeEnd(address, (pod.node,), pod, workload)
        end = on_host if pod.host_network else PodEnd(pod, workload, address)
        yield from ((end, port) for port in sorted(ports[workload]))


def _cache_ends(mapped: MappedCapture, flows: Iterable[PodFlow]) -> Iterator[End]:
    for address in sorted(cache_addresses(mapped, flows)):
        yield NodeEnd(address, ()), DNS_PORT


def _usual_end() -> End:
    """A pod where clusters have their DNS, of a snapshot that does not have it."""
    pod = Pod(
        uid="",
        name="kube-dns",
        namespace=USUAL_NAMESPACE,
        node="",
        host_network=False,
        labels=dict(USUAL_LABELS),
        annotations={},
        owners=(),
        images=(),
        ports=frozenset(),
        named_ports={},
        addresses=(),
    )
    return PodEnd(pod, Workload("kube-dns", USUAL_NAMESPACE), b""), DNS_PORT

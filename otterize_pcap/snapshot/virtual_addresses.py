"""Services and EndpointSlices → listeners: what answers on which virtual address, and by whom."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from otterize_pcap.addresses import MAPPED, is_address, parse_address
from otterize_pcap.intervals import ALWAYS, OPEN, Interval
from otterize_pcap.snapshot.endpoints import SERVICE_NAME
from otterize_pcap.snapshot.object_fields import address_of, describe, time_of
from otterize_pcap.snapshot.objects import (
    Endpoint,
    EndpointSliceItem,
    ServiceItem,
    ServicePort,
    ServiceSpec,
)
from otterize_pcap.snapshot.snapshot import Backend, Listener, ServedPort, Service, Tenure
from otterize_pcap.snapshot.watched_intervals import WatchedIntervals

FAMILIES = IPV4, IPV6 = "IPv4", "IPv6"
"""As Kubernetes spells them."""

Slices = Mapping[tuple[str, str], list[EndpointSliceItem]]


def service_addresses(item: ServiceItem) -> tuple[str, ...]:
    """The addresses at which a Service listens, as text."""
    spec = item.spec or ServiceSpec()
    balancer = item.status.loadBalancer if item.status else None
    texts = (
        *(spec.clusterIPs or ()),
        spec.clusterIP or "",
        *(spec.externalIPs or ()),
        # What one wishes for: free text, which some clouds take names in.
        *filter(_is_ip, (spec.loadBalancerIP or "",)),
        *(ingress.ip or "" for ingress in (balancer.ingress if balancer else None) or ()),
    )
    return tuple(dict.fromkeys(text for text in texts if text and text != "None"))


def _external_policy(states: Sequence[ServiceItem]) -> str:
    """The externalTrafficPolicy of all states; none where they differ, or do not say."""
    found = {(state.spec.externalTrafficPolicy if state.spec else None) or "" for state in states}
    return found.pop() if len(found) == 1 else ""


def _hostnames(states: Iterable[ServiceItem]) -> tuple[str, ...]:
    """The names under which load balancers without an address serve a Service."""
    balancers = (state.status.loadBalancer for state in states if state.status)
    names = (
        ingress.hostname or ""
        for balancer in balancers
        for ingress in (balancer.ingress if balancer else None) or ()
        if not ingress.ip
    )
    return tuple(dict.fromkeys(name.lower().rstrip(".") for name in names if name))


def slice_addresses(item: EndpointSliceItem) -> tuple[str, ...]:
    """The addresses that an EndpointSlice lists, as text."""
    return tuple(
        dict.fromkeys(text for endpoint in _endpoints(item) for text in endpoint.addresses if text)
    )


def _endpoints(item: EndpointSliceItem) -> tuple[Endpoint, ...]:
    """The endpoints that are addresses; those of type FQDN are names."""
    return () if item.addressType == "FQDN" else item.endpoints or ()


def slices_by_service(items: Iterable[EndpointSliceItem]) -> Slices:
    """EndpointSlices by the (namespace, name) of the Service that they name in their label."""
    found: dict[tuple[str, str], list[EndpointSliceItem]] = defaultdict(list)
    for item in items:
        service = (item.metadata.labels or {}).get(SERVICE_NAME)
        if service:
            found[item.metadata.namespace or "default", service].append(item)
    return found


class ServiceReader:
    """Reads the Services of one snapshot; `tenures` are the pods' by address.

    After `add` of each: `services`, `listeners` by (address, protocol, port), `node_ports` by
    (protocol, port), and `virtual`, every Service address.
    """

    def __init__(
        self,
        where: str,
        slices: Slices,
        intervals: WatchedIntervals,
        tenures: Sequence[tuple[bytes, Tenure]],
    ) -> None:
        self.services: list[Service] = []
        self.listeners: dict[tuple[bytes, str, int], list[Listener]] = defaultdict(list)
        self.node_ports: dict[ServedPort, list[Listener]] = defaultdict(list)
        self.virtual: set[bytes] = set()
        self._where = where
        self._slices = slices
        self._watched = intervals
        # By one of their labels: to hold each pod against each selector took 52 s of 6,000 pods
        # and 2,000 Services.
        self._labelled: dict[tuple[str, str, str], list[tuple[bytes, Tenure]]] = defaultdict(list)
        for address, tenure in tenures:
            for label in tenure.pod.labels.items():
                self._labelled[tenure.pod.namespace, *label].append((address, tenure))

    def add(self, states: Sequence[ServiceItem]) -> None:
        """Take one Service in, by its states, oldest first."""
        states = [state for state in states if not _is_name(state)]
        if not states:
            return
        service = self._service(states)
        self.services.append(service)
        seen = self._watched.get(service.uid, {})
        what = describe(states[-1])
        texts = dict.fromkeys(text for state in states for text in service_addresses(state))
        for address in dict.fromkeys(address_of(text, self._where, what) for text in texts):
            self.virtual.add(address)
            created = service.interval.start_ns
            for begin, end in seen.get(address) or [(created, OPEN)]:
                held = Interval(created if begin is None else begin, end)
                for port in service.ports:
                    listener = Listener(service, port, held)
                    self.listeners[address, port.protocol, port.port].append(listener)
        for port in service.ports:
            if port.nodePort:
                listener = Listener(service, port, service.interval)
                self.node_ports[port.protocol, port.nodePort].append(listener)

    def _service(self, states: Sequence[ServiceItem]) -> Service:
        meta = states[-1].metadata
        namespace = meta.namespace or "default"
        slices = self._slices.get((namespace, meta.name), [])
        backends: dict[ServedPort, list[Backend]] = defaultdict(list)
        ports: dict[ServicePort, None] = {}
        for state in reversed(states):
            spec = state.spec or ServiceSpec()
            ports.update(dict.fromkeys(spec.ports or ()))
            for served, backend in self._slice_backends(slices, spec.ports or ()):
                backends[served].append(backend)
            untold = _families(spec) - _families_told(slices)
            if slices and not untold:
                continue
            for served, backend in self._selected_backends(namespace, spec):
                if not slices or _family(backend.address) in untold:
                    backends[served].append(backend)
        return Service(
            uid=meta.uid,
            name=meta.name,
            namespace=namespace,
            labels=meta.labels or {},
            ports=tuple(ports),
            # Two states of a Service or slice say most things twice.
            backends={served: tuple(dict.fromkeys(found)) for served, found in backends.items()},
            from_slices=bool(slices),
            hostnames=_hostnames(states),
            has_selector=any(state.spec and state.spec.selector for state in states),
            external_policy=_external_policy(states),
            interval=self._interval(states[-1]),
        )

    def _interval(self, item: ServiceItem) -> Interval:
        """From its creation, or the first moment that a watch saw one of its addresses."""
        text = item.metadata.creationTimestamp
        created = time_of(text, self._where, describe(item)) if text else 0
        watched = [
            interval
            for intervals in self._watched.get(item.metadata.uid, {}).values()
            for interval in intervals
        ]
        if not watched:
            return Interval(created)
        starts = [created if start is None else start for start, _ in watched]
        return Interval(min(starts), max(end for _, end in watched))

    def _slice_backends(
        self, slices: Iterable[EndpointSliceItem], ports: Iterable[ServicePort]
    ) -> Iterator[tuple[ServedPort, Backend]]:
        for item in slices:
            for port in ports:
                for target in item.ports or ():
                    if (target.name or "") == (
                        port.name or ""
                    ) and target.protocol == port.protocol:
                        for backend in self._endpoints(item, target.port):
                            yield (port.protocol, port.port), backend

    def _endpoints(self, item: EndpointSliceItem, port: int | None) -> Iterator[Backend]:
        """The endpoints of a slice.

        An endpoint is listed before and after it is ready; without a watch its membership has no
        known start, and the pod's own tenure bounds it.
        """
        what = describe(item)
        seen = self._watched.get(item.metadata.uid, {})
        listed = [address_of(text, self._where, what) for text in slice_addresses(item)]
        pods = self._pods_of(item, what)
        for address in dict.fromkeys((*listed, *seen)):
            watched = [Interval(start or 0, end) for start, end in seen.get(address, ())]
            for interval in watched or (ALWAYS,):
                yield Backend(address, port, interval, pods.get(address))

    def _pods_of(self, item: EndpointSliceItem, what: str) -> dict[bytes, tuple[str, str]]:
        """The pods that a slice names by `targetRef`, by address."""
        return {
            address_of(text, self._where, what): (
                target.namespace or item.metadata.namespace or "default",
                target.name,
            )
            for endpoint in _endpoints(item)
            if (target := endpoint.targetRef) is not None and target.kind == "Pod"
            for text in filter(None, endpoint.addresses)
        }

    def _selected_backends(
        self, namespace: str, spec: ServiceSpec
    ) -> Iterator[tuple[ServedPort, Backend]]:
        if not spec.selector:
            return
        with_label = (
            self._labelled.get((namespace, *label), []) for label in spec.selector.items()
        )
        for address, tenure in min(with_label, key=len):
            pod = tenure.pod
            if any(pod.labels.get(key) != value for key, value in spec.selector.items()):
                continue
            for port in spec.ports or ():
                target = port.targetPort if port.targetPort is not None else port.port
                number = pod.named_ports.get(target) if isinstance(target, str) else target
                # A hostNetwork pod owns no address (S11), but answers at those that it has.
                for held in (
                    ((address,) if address else pod.addresses) if number is not None else ()
                ):
                    named = (pod.namespace, pod.name)
                    yield (port.protocol, port.port), Backend(held, number, tenure.possible, named)


def _is_name(item: ServiceItem) -> bool:
    """Whether a Service is a mere name for another host."""
    return item.spec is not None and item.spec.type == "ExternalName"


def _families(spec: ServiceSpec) -> set[str]:
    """The IP families in which a Service has a ClusterIP: each has slices of its own."""
    texts = {*(spec.clusterIPs or ()), spec.clusterIP or ""}
    return {_family(parse_address(text)) for text in filter(is_address, texts)}


def _families_told(slices: Iterable[EndpointSliceItem]) -> set[str]:
    """The IP families whose members some slices tell; empty without any.

    A Service has one slice at the least in each of its families, so that one of which there is none
    is not known to have no members: the snapshot lacks it. Endpoints objects have one family.
    """
    told: set[str] = set()
    for item in slices:
        texts = filter(is_address, slice_addresses(item))
        listed = {_family(parse_address(text)) for text in texts}
        told |= {item.addressType} if item.addressType in FAMILIES else (listed or set(FAMILIES))
    return told


def _family(address: bytes) -> str:
    return IPV4 if address.startswith(MAPPED) else IPV6


def _is_ip(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdigit()

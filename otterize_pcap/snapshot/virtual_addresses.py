"""Services and EndpointSlices → listeners: what answers on which virtual address, and by whom."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from otterize_pcap.intervals import OPEN, Interval
from otterize_pcap.snapshot.objects import (
    Endpoint,
    EndpointSliceItem,
    ServiceItem,
    ServicePort,
    ServiceSpec,
    address_of,
    describe,
    time_of,
)
from otterize_pcap.snapshot.snapshot import Backend, Listener, ServedPort, Service, Tenure
from otterize_pcap.snapshot.tenures import Stretches

SERVICE_NAME = "kubernetes.io/service-name"

Slices = Mapping[tuple[str, str], list[EndpointSliceItem]]


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
        stretches: Stretches,
        tenures: Sequence[tuple[bytes, Tenure]],
    ) -> None:
        self.services: list[Service] = []
        self.listeners: dict[tuple[bytes, str, int], list[Listener]] = defaultdict(list)
        self.node_ports: dict[ServedPort, list[Listener]] = defaultdict(list)
        self.virtual: set[bytes] = set()
        self._where = where
        self._slices = slices
        self._stretches = stretches
        self._tenures: dict[str, list[tuple[bytes, Tenure]]] = defaultdict(list)
        for address, tenure in tenures:
            self._tenures[tenure.pod.namespace].append((address, tenure))

    def add(self, item: ServiceItem) -> None:
        """Take one Service in."""
        what = describe(item)
        spec = item.spec or ServiceSpec()
        if spec.type == "ExternalName":
            return
        service = self._service(item, spec)
        self.services.append(service)
        created = service.interval.start_ns
        seen = self._stretches.get(item.metadata.uid, {})
        for address in self._addresses(item, spec, what):
            self.virtual.add(address)
            for begin, end in seen.get(address) or [(created, OPEN)]:
                for port in service.ports:
                    since = created if begin is None else begin
                    listener = Listener(service, port, Interval(since, end))
                    self.listeners[address, port.protocol, port.port].append(listener)
        for port in service.ports:
            if port.nodePort:
                listener = Listener(service, port, service.interval)
                self.node_ports[port.protocol, port.nodePort].append(listener)

    def _addresses(self, item: ServiceItem, spec: ServiceSpec, what: str) -> list[bytes]:
        balancer = item.status.loadBalancer if item.status else None
        texts = [
            *(spec.clusterIPs or ()),
            spec.clusterIP or "",
            *(spec.externalIPs or ()),
            spec.loadBalancerIP or "",
            *(ingress.ip or "" for ingress in (balancer.ingress if balancer else None) or ()),
        ]
        named = dict.fromkeys(text for text in texts if text and text != "None")
        return [address_of(text, self._where, what) for text in named]

    def _service(self, item: ServiceItem, spec: ServiceSpec) -> Service:
        meta = item.metadata
        namespace = meta.namespace or "default"
        slices = self._slices.get((namespace, meta.name), [])
        ports = spec.ports or ()
        if slices:
            backends = self._slice_backends(slices, ports)
        else:
            backends = self._selected_backends(namespace, spec.selector or {}, ports)
        return Service(
            uid=meta.uid,
            name=meta.name,
            namespace=namespace,
            labels=meta.labels or {},
            ports=ports,
            backends={key: tuple(value) for key, value in backends.items()},
            from_slices=bool(slices),
            interval=Interval(self._created(item)),
        )

    def _created(self, item: ServiceItem) -> int:
        start = item.metadata.creationTimestamp
        return time_of(start, self._where, describe(item)) if start else 0

    def _slice_backends(
        self, slices: Iterable[EndpointSliceItem], ports: Iterable[ServicePort]
    ) -> dict[ServedPort, list[Backend]]:
        backends: dict[ServedPort, list[Backend]] = defaultdict(list)
        for item in slices:
            endpoints = item.endpoints or ()
            for port in ports:
                for target in item.ports or ():
                    if (target.name or "") == (
                        port.name or ""
                    ) and target.protocol == port.protocol:
                        backends[port.protocol, port.port] += self._endpoints(
                            item, endpoints, target.port
                        )
        return backends

    def _endpoints(
        self, item: EndpointSliceItem, endpoints: Iterable[Endpoint], port: int | None
    ) -> list[Backend]:
        what = describe(item)
        seen = self._stretches.get(item.metadata.uid, {})
        listed = [
            address_of(text, self._where, what)
            for endpoint in endpoints
            for text in endpoint.addresses
            if _is_ip(text)
        ]
        found: list[Backend] = []
        for address in dict.fromkeys((*listed, *seen)):
            for start, end in seen.get(address) or [(None, OPEN)]:
                # An endpoint is listed before and after it is ready; without a watch its
                # membership has no known start, and the pod's own tenure bounds it.
                found.append(Backend(address, port, Interval(start or 0, end)))
        return found

    def _selected_backends(
        self, namespace: str, selector: Mapping[str, str], ports: Iterable[ServicePort]
    ) -> dict[ServedPort, list[Backend]]:
        backends: dict[ServedPort, list[Backend]] = defaultdict(list)
        if not selector:
            return backends
        for address, tenure in self._tenures[namespace]:
            labels = tenure.pod.labels
            if not address or any(labels.get(key) != value for key, value in selector.items()):
                continue
            for port in ports:
                target = port.targetPort if port.targetPort is not None else port.port
                number = tenure.pod.named_ports.get(target) if isinstance(target, str) else target
                if number is None:
                    continue
                backends[port.protocol, port.port].append(Backend(address, number, tenure.interval))
        return backends


def _is_ip(text: str) -> bool:
    """An EndpointSlice of address type FQDN lists names."""
    return ":" in text or text.replace(".", "").isdigit()

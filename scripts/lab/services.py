"""Services: their addresses, the nftables rules that make them work, and what watches saw of them.

kube-proxy's part of a cluster. Every change of pods or Services writes all nodes' rules again.
"""

import time
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

import objects
from nat import Forward, ruleset
from objects import Object, Owner
from workloads import Pod, Workloads


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A Service's port and the endpoints' port behind it."""

    port: int
    target: int
    protocol: str = "TCP"
    name: str | None = None
    node_port: int | None = None

    def document(self) -> Object:
        """The entry of spec.ports."""
        fields: Object = {"name": self.name} if self.name else {}
        fields |= {"protocol": self.protocol, "port": self.port, "targetPort": self.target}
        return fields | ({"nodePort": self.node_port} if self.node_port else {})


class ServiceOptions(TypedDict, total=False):
    """How a Service differs from a ClusterIP Service for the workload of the same name.

    `cluster_ips=()` makes it headless. `fixed_endpoints` are the (address, node) pairs of a
    Service without a selector.
    """

    selector: dict[str, str]
    service_type: str
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...]
    load_balancer_ips: tuple[str, ...]
    load_balancer_hosts: tuple[str, ...]
    labels: dict[str, str]
    fixed_endpoints: tuple[tuple[str, str], ...]


@dataclass(slots=True, eq=False)
class Service:
    """A Service: its object, and what nftables needs to know of it."""

    name: str
    namespace: str
    document: Object
    selector: dict[str, str] | None
    ports: tuple[ServicePort, ...]
    cluster_ips: tuple[str, ...]
    entry_ips: tuple[str, ...]
    fixed_endpoints: tuple[tuple[str, str], ...]
    created: float

    @property
    def address(self) -> str:
        """Its ClusterIP."""
        return self.cluster_ips[0]

    def forwards(self, pods: list[Pod]) -> list[Forward]:
        """What nftables has to do for it while `pods` are its backends."""
        addresses = [address for pod in pods for address in pod.addresses]
        addresses += [address for address, _ in self.fixed_endpoints]
        return [
            Forward(
                port.protocol,
                port.port,
                self.cluster_ips,
                self.entry_ips,
                port.node_port,
                tuple((address, port.target) for address in addresses),
            )
            for port in self.ports
        ]


class Services(Workloads):
    """Workloads with Services before them."""

    services: list[Service]

    def service(
        self, name: str, namespace: str, *ports: ServicePort, **options: Unpack[ServiceOptions]
    ) -> Service:
        """Create a Service and program every node for it."""
        full, where, created = self.plan.name(name), self.plan.name(namespace), time.time()
        fixed = options.get("fixed_endpoints", ())
        selector = None if fixed else options.get("selector", {"app": full})
        cluster_ips = options.get("cluster_ips", self._next_cluster_ips())
        external, balanced = options.get("external_ips", ()), options.get("load_balancer_ips", ())
        hostnames = options.get("load_balancer_hosts", ())
        labels = options.get("labels", {"app": full})
        uid = self.plan.uid("Service", where, full)
        document = objects.service(
            objects.metadata(full, where, uid, created, labels=labels),
            selector=selector,
            ports=[port.document() for port in ports],
            cluster_ips=cluster_ips,
            service_type=options.get("service_type", "ClusterIP"),
            external_ips=external,
            balancers=(*balanced, *hostnames),
        )
        entries = (*external, *balanced)
        service = Service(
            full, where, document, selector, ports, cluster_ips, entries, fixed, created
        )
        self.services.append(service)
        self.program_services()
        return service

    def _next_cluster_ips(self) -> tuple[str, ...]:
        count = len(self.services)
        if self.options.ipv6:
            return (self.plan.service(count), self.plan.service6(count))
        return (self.plan.service(count),)

    def delete_pod(self, pod: Pod) -> None:
        """Delete a pod: its processes, its namespace, its place in every Service."""
        self.remove_host(pod.host)
        self.end_pod(pod)

    def end_pod(self, pod: Pod) -> None:
        """Delete a pod from the API only; what runs in it runs on."""
        pod.end = time.time()
        objects.end_pod(pod.document, pod.end)
        self.program_services()

    def finish_pod(self, pod: Pod, phase: str = "Succeeded") -> None:
        """Let a pod end by itself: its processes are gone, its object stays."""
        self.remove_host(pod.host)
        pod.end = time.time()
        objects.end_pod(pod.document, pod.end, phase)
        self.program_services()

    def age(self, seconds: float) -> None:
        """Make everything there is so much older than it is, as running clusters are."""
        for document in (*self.documents, *(service.document for service in self.services)):
            document.update(objects.aged(document, seconds))
        for pod in self.pods:
            pod.start -= seconds
        for service in self.services:
            service.created -= seconds

    def backends(self, service: Service, *, ever: bool = False) -> list[Pod]:
        """The pods behind a Service now, or with `ever` all that were at some time."""
        if service.selector is None:
            return []
        wanted = service.selector.items()
        return [
            pod
            for pod in self.pods
            if pod.document["metadata"]["namespace"] == service.namespace
            and wanted <= pod.labels.items()
            and (ever or (pod.end is None and not pod.over))
        ]

    def program_services(self) -> None:
        """Write every node's nftables rules again."""
        forwards = [
            forward
            for service in self.services
            for forward in service.forwards(self.backends(service))
        ]
        families = [("ip", self.plan.pods), ("ip6", self.plan.pods6)]
        for family, pods in families if self.options.ipv6 else families[:1]:
            for node in self.nodes.values():
                everything = [*forwards, *self._host_ports(node.name)]
                text = ruleset(family, everything, pods, random_fully=self.options.random_fully)
                node.namespace.run("nft", "-f", "-", stdin=text)

    def _host_ports(self, node: str) -> list[Forward]:
        """What the portmap plugin has one node do for the hostPorts of its ordinary pods."""
        return [
            Forward(
                port["protocol"],
                port["hostPort"],
                (),
                (),
                port["hostPort"],
                tuple((address, port["containerPort"]) for address in pod.addresses),
                masquerades=False,
            )
            for pod in self.pods
            if pod.node == node and pod.end is None and not pod.document["spec"].get("hostNetwork")
            for container in pod.document["spec"]["containers"]
            for port in container.get("ports", ())
            if "hostPort" in port
        ]

    def endpoint_slices(self, service: Service) -> list[Object]:
        """One EndpointSlice per address family, with the endpoints there are now."""
        return [
            self._endpoint_slice(service, kind)
            for kind in (("IPv4", "IPv6") if self.options.ipv6 else ("IPv4",))
        ]

    def _endpoint_slice(self, service: Service, kind: str) -> Object:
        endpoints = [
            objects.endpoint(address, pod.node, pod.document)
            for pod in self.backends(service)
            for address in pod.addresses
            if _address_type(address) == kind
        ]
        endpoints += [
            objects.endpoint(address, node, None)
            for address, node in service.fixed_endpoints
            if _address_type(address) == kind
        ]
        names = self._slice_names(service, kind)
        labels = {"kubernetes.io/service-name": service.name}
        owner = None
        if service.selector is not None:
            owner = Owner("v1", "Service", service.name, service.document["metadata"]["uid"])
        meta = objects.metadata(
            names["name"],
            names["namespace"],
            names["uid"],
            service.created,
            labels=labels,
            owner=owner,
        )
        ports = [
            {"name": port.name or "", "protocol": port.protocol, "port": port.target}
            for port in service.ports
        ]
        return objects.endpoint_slice(meta, kind, endpoints, ports)

    def endpoints_object(self, service: Service) -> Object:
        """The Endpoints object of a Service: its slices in the form of before."""
        slices = self.endpoint_slices(service)
        uid = self.plan.uid("Endpoints", service.namespace, service.name)
        meta = objects.metadata(service.name, service.namespace, uid, service.created)
        targets = [target for part in slices for target in part["endpoints"]]
        return objects.endpoints(meta, targets, slices[0]["ports"])

    def backend_objects(self, service: Service) -> list[Object]:
        """What the snapshot holds of who is behind a Service."""
        if self.options.endpoints_objects:
            return [self.endpoints_object(service)]
        return self.endpoint_slices(service)

    def _slice_names(self, service: Service, kind: str) -> dict[str, str]:
        """A slice's name, namespace and uid."""
        unique = f"slice/{service.namespace}/{service.name}/{kind}"
        generated = f"{service.name}-{self.plan.suffix(unique, 5)}"
        name = generated if service.selector is not None else service.name
        uid = self.plan.uid("EndpointSlice", service.namespace, f"{name}/{kind}")
        return {"name": name, "namespace": service.namespace, "uid": uid}

    def observed(self) -> list[dict[str, Any]]:
        """Since when and until when every address was seen to belong to its object."""
        seen = [
            _interval("Pod", pod.document["metadata"], address, pod.start, pod.end)
            for pod in self.pods
            for address in pod.addresses
        ]
        for service in self.services:
            seen += [
                _interval("Service", service.document["metadata"], address, service.created, None)
                for address in service.cluster_ips
            ]
            if self.options.endpoints_objects:
                continue
            members = [
                (address, max(pod.start, service.created), pod.end)
                for pod in self.backends(service, ever=True)
                for address in pod.addresses
            ]
            members += [(address, service.created, None) for address, _ in service.fixed_endpoints]
            for address, start, end in members:
                names = self._slice_names(service, _address_type(address))
                seen.append(_interval("EndpointSlice", names, address, start, end))
        return seen


def _address_type(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def _interval(
    kind: str, meta: dict[str, Any], address: str, start: float, end: float | None
) -> dict[str, Any]:
    return {
        "kind": kind,
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "ip": address,
        "start": objects.microseconds(start),
        "end": None if end is None else objects.microseconds(end),
    }

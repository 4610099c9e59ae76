"""External servers by the names their clients knew them by (S50)."""

import re
from collections.abc import Iterator
from itertools import pairwise

from msgspec.structs import replace

from otterize_pcap.connections.connect import Connection
from otterize_pcap.connections.names import Names
from otterize_pcap.graph.service_graph import External
from otterize_pcap.resolve.resolution import Party, Resolution, Resolved, Unknown, Unresolved
from otterize_pcap.resolve.resolve import Resolver
from otterize_pcap.resolve.service_routes import service_text
from otterize_pcap.snapshot.snapshot import Service, Snapshot

USUAL_DOMAIN = ".cluster.local"
MAX_HOST_NAME = 253
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"({_LABEL}\.)*(?![0-9]+$){_LABEL}", re.IGNORECASE)


class ExternalNames:
    """What one capture knows of addresses outside by name."""

    def __init__(self, snapshot: Snapshot, names: Names, resolver: Resolver) -> None:
        self._names = names
        self._are_none = not names.told and not names.server_names
        self._resolver = resolver
        self._namespaces = {
            *(pod.namespace for pod in snapshot.pods),
            *(service.namespace for service in snapshot.services),
        }
        self._balancers: dict[str, list[Service]] = {}
        for service in snapshot.services:
            for hostname in service.hostnames:
                self._balancers.setdefault(hostname, []).append(service)

    def behind_balancer(self, resolution: Resolution) -> Resolution:
        """The same with the Service behind a cloud's load balancer in place of its address.

        Which address it has, DNS told this client's pod; its name is in the Service's status.
        """
        if not isinstance(resolution, Resolved) or not isinstance(resolution.server, External):
            return resolution
        for chain in self._told(resolution):
            services = [each for name in chain for each in self._balancers.get(name, ())]
            if services:
                return self._served(resolution, services)
        return resolution

    def named(self, resolution: Resolution) -> Resolution:
        """The same with an external server by name, where one name is known and no other.

        By what DNS told this client's pod, at any of its addresses, before the connection began;
        by its TLS ClientHello where DNS said nothing, or several names.
        """
        if self._are_none:
            return resolution
        if not isinstance(resolution, Resolved) or not isinstance(resolution.server, External):
            return resolution
        told = (
            next((name for name in chain if not self._is_of_cluster(name)), None)
            for chain in self._told(resolution)
        )
        names = {name for name in told if name}
        name = names.pop() if len(names) == 1 else None
        if name is None or not is_host_name(name):
            name = self._greeted(resolution.connection)
        if name is None or not is_host_name(name):
            return resolution
        return replace(resolution, server=External(name))

    def _told(self, resolution: Resolved[Connection]) -> Iterator[tuple[str, ...]]:
        """The names under which the client's pod was given the server's addresses."""
        connection, pod = resolution.connection, resolution.client.pod
        asking = dict.fromkeys(address for address, _ in connection.clients)
        asking.update(dict.fromkeys(pod.addresses if pod else ()))
        for server, _ in connection.servers:
            for client in asking:
                yield from self._names.from_dns(client, server, connection.first_ns)

    def _greeted(self, connection: Connection) -> str | None:
        """The name that a TLS ClientHello said."""
        span = connection.first_ns, connection.last_ns
        for server_end in connection.servers:
            for client_end in connection.clients:
                name = self._names.from_tls((client_end, server_end), *span)
                if name:
                    return name
        return None

    def _is_of_cluster(self, name: str) -> bool:
        """Whether only this cluster knows a name: a Service's, or one of a pod's search list.

        `<service>.<namespace>.svc.<cluster domain>` (Kubernetes DNS-Based Service Discovery 1.1.0);
        the search list is what follows the Service, and its parts from `svc` and the domain on.
        """
        labels = name.split(".")
        return name.endswith(USUAL_DOMAIN) or any(
            label == "svc" and before in self._namespaces for before, label in pairwise(labels)
        )

    def _served(self, resolution: Resolved[Connection], services: list[Service]) -> Resolution:
        connection = resolution.connection
        found = self._resolver.behind_services(
            services, connection.protocol, resolution.port, *connection.server_sent
        )
        if found is None:
            return resolution
        server, port = found
        if isinstance(server, Unknown):
            return Unresolved(
                connection, server.fate, "server", server.candidates, client=resolution.client
            )
        names = tuple(sorted(map(service_text, services))) if isinstance(server, Party) else ()
        return Resolved(connection, resolution.client, server, port, names)


def is_host_name(name: str) -> bool:
    """Whether a name is a host's (RFC 1123, 2.1; underscores are in use), and no pattern of names.

    A client decides what it asks for, and who answers: `*.com` would be a rule for all of them.
    """
    return len(name) <= MAX_HOST_NAME and _HOST_NAME.fullmatch(name) is not None

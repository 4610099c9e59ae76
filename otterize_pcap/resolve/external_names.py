"""External servers by the names their clients knew them by (S50)."""

from dataclasses import replace

from otterize_pcap.connections.names import Names
from otterize_pcap.graph.service_graph import External
from otterize_pcap.resolve.resolve import Resolution, Resolved


def name_outside(resolution: Resolution, names: Names) -> Resolution:
    """The same resolution with an external server named, where a name is known.

    By what DNS told this client's pod, at any of its addresses, before the connection began; else
    by its TLS ClientHello.
    """
    if not isinstance(resolution, Resolved) or not isinstance(resolution.server, External):
        return resolution
    connection = resolution.connection
    begun = connection.first_ns
    pod = resolution.client.pod
    asking = dict.fromkeys(address for address, _ in connection.clients)
    asking.update(dict.fromkeys(pod.addresses if pod else ()))
    for server, _ in connection.servers:
        for client in asking:
            name = names.from_dns(client, server, begun)
            if name:
                return replace(resolution, server=External(name))
    for server_end in connection.servers:
        for client_end in connection.clients:
            name = names.from_tls((client_end, server_end), begun, connection.last_ns)
            if name:
                return replace(resolution, server=External(name))
    return resolution

"""How workloads and servers are named where people read them (S62).

Names come from the cluster, where anybody may have chosen them: what a terminal would not print
as it is, control characters above all, is shown as an escape.
"""

from collections.abc import Iterable

from otterize_pcap.graph import Call, External, Server, Workload, server_name


class Names:
    """Names for the workloads of some calls, as short as they can be told apart.

    A client's heading is bare unless its name occurs in two namespaces; kinds are named only
    where nothing else tells two workloads apart.
    """

    def __init__(self, calls: Iterable[Call]) -> None:
        calls = tuple(calls)
        servers = {call.server for call in calls}
        workloads = {call.client for call in calls}
        workloads |= {server for server in servers if isinstance(server, Workload)}
        self._namespaces: dict[str, set[str]] = {}
        self._kinds: dict[tuple[str, str], set[str]] = {}
        for workload in workloads:
            self._namespaces.setdefault(workload.name, set()).add(workload.namespace)
            alike = self._kinds.setdefault((workload.name, workload.namespace), set())
            alike.add(workload.kind)

    def client(self, client: Workload) -> str:
        """The heading of a client."""
        several = len(self._namespaces[client.name]) > 1 and client.namespace
        name = f"{client.name}.{client.namespace}" if several else client.name
        label = f" [{client.label}]" if client.label else ""
        return printable(name + self._kind(client) + label)

    def server(self, call: Call) -> str:
        """A server as its client's list names it."""
        name = server_name(call.server, call.client)
        kind = self._kind(call.server) if isinstance(call.server, Workload) else ""
        return printable(name + kind)

    def _kind(self, workload: Workload) -> str:
        alike = self._kinds[workload.name, workload.namespace]
        return f" ({workload.kind})" if len(alike) > 1 and workload.kind else ""


def full_name(party: Server) -> str:
    """`name.namespace`, or what is known of it."""
    if isinstance(party, External) or not party.namespace:
        return party.name
    return f"{party.name}.{party.namespace}"


def printable(text: str) -> str:
    """A text with everything that is not printable escaped as Python writes it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)

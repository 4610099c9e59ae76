"""How workloads and servers are named where people read them (S62).

Names come from the cluster, where anybody may have chosen them: what a terminal would not print
as it is, control characters above all, is shown as an escape.
"""

from collections import defaultdict
from collections.abc import Iterable

from otterize_pcap.graph.service_graph import Call, External, Server, Workload


class Names:
    """Names for the workloads of some calls, as short as they can be told apart.

    A client's heading is bare unless its name occurs in two namespaces. Kinds are named only where
    nothing else tells two workloads apart; a Service is often named like its workload, and is told
    from it only where one client calls both.
    """

    def __init__(self, calls: Iterable[Call]) -> None:
        self._namespaces: dict[str, set[str]] = defaultdict(set)
        self._kinds: dict[object, set[str]] = defaultdict(set)
        for call in calls:
            self._note(call.client)
            if isinstance(call.server, Workload):
                self._note(call.server)
                self._kinds[_of_client(call.client, call.server)].add(call.server.written_kind)

    def _note(self, workload: Workload) -> None:
        self._namespaces[workload.name].add(workload.namespace)
        if not workload.is_service:
            self._kinds[workload.name, workload.namespace].add(workload.written_kind)

    def client(self, client: Workload) -> str:
        """The heading of a client."""
        several = len(self._namespaces[client.name]) > 1 and client.namespace
        name = f"{client.name}.{client.namespace}" if several else client.name
        label = f" [{client.label}]" if client.label else ""
        return printable(name + self._kind(client) + label)

    def server(self, call: Call) -> str:
        """A server as its client's list names it."""
        name = server_name(call.server, call.client)
        if not isinstance(call.server, Workload):
            return printable(name)
        called = self._kinds[_of_client(call.client, call.server)]
        kind = (
            f" ({call.server.written_kind})"
            if len(called) > 1 and call.server.kind
            else self._kind(call.server)
        )
        return printable(name + kind)

    def _kind(self, workload: Workload) -> str:
        alike = self._kinds[workload.name, workload.namespace]
        shown = len(alike) > 1 and workload.kind and not workload.is_service
        return f" ({workload.written_kind})" if shown else ""


def _of_client(client: Workload, server: Workload) -> tuple[Workload, str, str]:
    return client, server.name, server.namespace


def server_name(server: Server, client: Workload) -> str:
    """How a server is written for a client: bare in its namespace, else `name.namespace` (S62).

    A name that an annotation set (S1) may hold dots; the namespace then always follows, so that
    what is after the last dot of a written name is its namespace.
    """
    match server:
        case Workload(name, namespace):
            elsewhere = namespace != client.namespace or "." in name
            return f"{name}.{namespace}" if namespace and elsewhere else name
        case External(name):
            return name


def full_name(party: Server) -> str:
    """`name.namespace`, or what is known of it."""
    if isinstance(party, External) or not party.namespace:
        return party.name
    return f"{party.name}.{party.namespace}"


def port_list(call: Call) -> str:
    """The ports of a call, separated by commas."""
    return ", ".join(f"{use.protocol} {use.port}".lstrip() for use in call.uses)


def printable(text: str) -> str:
    """A text with everything that is not printable escaped as Python writes it.

    So is what a job's log would take for a command (GitHub Actions, workflow commands):
    `::error::` at the beginning, and `##[` anywhere.
    """
    if "##[" in text:
        text = text.replace("##[", "##\\x5b")
    begin = text.lstrip()
    if begin.startswith("::") and "::" in begin[2:]:
        text = text.replace(":", "\\x3a", 1)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)

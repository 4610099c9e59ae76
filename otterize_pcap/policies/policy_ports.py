"""Ports that were called → ports of a rule: by number, by name, or as a range."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from otterize_pcap.connections.port_ranges import USUAL, WELL_KNOWN
from otterize_pcap.policies.network_policy import PolicyPort
from otterize_pcap.policies.observation import PodFacts
from otterize_pcap.snapshot.snapshot import ServedPort

MANY_PORTS = 5
"""So many ports that no container declares are chosen at run time: passive FTP, RPC, media."""


def rule_ports(
    called: Iterable[ServedPort], pods: Sequence[PodFacts], *, by_name: bool = False
) -> tuple[PolicyPort, ...]:
    """The ports of a rule that allows those that were called.

    A port goes by its name where all pods of the server name it alike and their numbers differ, as
    those of two versions can; with `by_name`, wherever all name it alike.

    Args:
        called: The servers' own ports.
        pods: The server's pods; none where it is no pods.
        by_name: Whether to write names where numbers would do.
    """
    named = set()
    numbers: dict[str, set[int]] = {}
    for protocol, port in sorted(called):
        name = _name_of((protocol, port), pods, by_name=by_name)
        if name is None:
            numbers.setdefault(protocol, set()).add(port)
        else:
            named.add((protocol, name))
    declared = {port for pod in pods for port in pod.ports}
    return (
        *(PolicyPort(protocol, name) for protocol, name in sorted(named)),
        *(
            port
            for protocol in sorted(numbers)
            for port in _by_number(protocol, numbers[protocol], declared)
        ),
    )


def is_range(port: PolicyPort) -> bool:
    """Whether a port stands for more of them than were called."""
    return port.end_port is not None


def _name_of(port: ServedPort, pods: Sequence[PodFacts], *, by_name: bool) -> str | None:
    """How all pods name a port, where they do and that says more than the number."""
    protocol, number = port
    names = {name for pod in pods for name, each in pod.named_ports.items() if each == number}
    for name in sorted(names):
        targets = [pod.named_ports.get(name) for pod in pods]
        if all(
            target is not None and (protocol, target) in pod.ports
            for target, pod in zip(targets, pods, strict=True)
        ) and (by_name or len(set(targets)) > 1):
            return name
    return None


def _by_number(
    protocol: str, numbers: Collection[int], declared: Collection[ServedPort]
) -> Iterator[PolicyPort]:
    chosen = {
        number for number in numbers if number >= WELL_KNOWN and (protocol, number) not in declared
    }
    if len(chosen) < MANY_PORTS:
        chosen = set()
    yield from (PolicyPort(protocol, number) for number in sorted(set(numbers) - chosen))
    if chosen:
        if any(number in USUAL for number in chosen):
            # The system chose among all of these, and will again.
            chosen |= {USUAL.start, USUAL.stop - 1}
        yield PolicyPort(protocol, min(chosen), max(chosen))

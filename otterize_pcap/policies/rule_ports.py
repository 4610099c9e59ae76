"""The ports of a rule, found by what was called: a rule can have thousands."""

from collections import defaultdict
from collections.abc import Iterator

from otterize_pcap.policies.action_rule import AnyRule
from otterize_pcap.policies.network_policy import ANY_PROTOCOL, PolicyPort

Numbered = tuple[int, PolicyPort]


class RulePorts:
    """A rule's ports: single ones by number, and all others."""

    def __init__(self, rule: AnyRule) -> None:
        self._single: dict[tuple[str, int], list[Numbered]] = defaultdict(list)
        self._others: list[Numbered] = []
        for numbered in enumerate(rule.ports):
            port = numbered[1]
            if isinstance(port.port, int) and port.end_port is None:
                self._single[port.protocol, port.port].append(numbered)
            else:
                self._others.append(numbered)

    def candidates(self, protocol: str, port: int) -> Iterator[Numbered]:
        """All that may mean a port, and few others."""
        yield from self._others
        for each in (protocol, ANY_PROTOCOL):
            yield from self._single.get((each, port), ())

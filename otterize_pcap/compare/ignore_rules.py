"""A list of calls that comparisons leave alone, one a line.

    # probes come and go
    prometheus.monitoring -> *
    *.staging -> kafka

Each side is `name.namespace` or a bare name for any namespace; `*` stands for any characters, `?`
for one. What follows a `#` is a comment.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from msgspec import Struct

from otterize_pcap.errors import UsageError
from otterize_pcap.graph.service_graph import Call, External, Server

ARROW = "->"


class IgnoreRule(Struct, frozen=True):
    """Patterns for both ends of a call."""

    client: str
    server: str

    def matches(self, call: Call) -> bool:
        """Whether this call is to be left alone."""
        return _matches(self.client, call.client) and _matches(self.server, call.server)


def parse_ignore_rules(text: str, where: str) -> tuple[IgnoreRule, ...]:
    """Read a list of rules.

    Raises:
        UsageError: A line is no rule; `where` names the file.
    """
    rules = []
    for number, line in enumerate(text.splitlines(), 1):
        rule = line.partition("#")[0].strip()
        if not rule:
            continue
        client, arrow, server = (part.strip() for part in rule.partition(ARROW))
        if not (client and arrow and server):
            message = f"{where}: line {number}: expected CLIENT -> SERVER, found {rule!r}"
            raise UsageError(message)
        rules.append(IgnoreRule(client, server))
    return tuple(rules)


def is_ignored(call: Call, rules: Iterable[IgnoreRule]) -> bool:
    """Whether any rule matches a call."""
    return any(rule.matches(call) for rule in rules)


def _matches(pattern: str, party: Server) -> bool:
    if fnmatchcase(party.name, pattern):
        return True
    return not isinstance(party, External) and fnmatchcase(
        f"{party.name}.{party.namespace}", pattern
    )

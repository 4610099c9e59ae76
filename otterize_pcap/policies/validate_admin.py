"""What the API server refuses in administrators' policies.

Source: network-policy-api, apis/v1alpha1: the validation that its types are marked with.
"""

from collections.abc import Iterator

import msgspec

from otterize_pcap.policies.action_rule import ALLOW, DENY, PASS
from otterize_pcap.policies.admin_objects import (
    AdminPort,
    AdminSpec,
    AnyItem,
    EgressPeer,
    RuleObject,
    Subject,
    rules_of,
)
from otterize_pcap.policies.network_policy import PROTOCOLS
from otterize_pcap.policies.validate import (
    HIGHEST_PORT,
    PORT_NAME,
    Path,
    Problem,
    no_range,
    range_of,
    selector_problems,
)

LAST_PRIORITY = 1000
BASELINE_NAME = "default"


def admin_problems(item: AnyItem) -> Iterator[Problem]:
    """Why the API server refuses a policy; nothing where it takes it."""
    spec = item.spec
    if spec is None:
        yield (), "spec is missing"
        return
    is_admin = isinstance(spec, AdminSpec)
    if isinstance(spec, AdminSpec) and (
        spec.priority is None or not 0 <= spec.priority <= LAST_PRIORITY
    ):
        yield ("spec", "priority"), f"needs a number from 0 to {LAST_PRIORITY}"
    if not is_admin and item.metadata.name != BASELINE_NAME:
        yield ("metadata", "name"), f"{item.metadata.name!r} is not {BASELINE_NAME!r}"
    yield from _one_of(spec.subject, ("spec", "subject"), "a subject")
    actions = (ALLOW, DENY, PASS) if is_admin else (ALLOW, DENY)
    for section, field in (("ingress", "from"), ("egress", "to")):
        for at, rule in enumerate(rules_of(spec, section)):
            yield from _rule(rule, ("spec", section, at), field, actions)


def _rule(rule: RuleObject, where: Path, field: str, actions: tuple[str, ...]) -> Iterator[Problem]:
    if rule.action not in actions:
        yield (*where, "action"), f"{rule.action!r} is none of {', '.join(actions)}"
    if not rule.peers:
        yield where, f"needs {field}"
    for at, peer in enumerate(rule.peers or ()):
        yield from _one_of(peer, (*where, field, at), "a peer")
        yield from _ranges(peer, (*where, field, at))
    for at, port in enumerate(rule.ports or ()):
        yield from _port(port, (*where, "ports", at))


def _one_of(found: Subject | None, where: Path, what: str) -> Iterator[Problem]:
    given = [] if found is None else _given(found)
    if len(given) != 1:
        yield where, f"{what} needs one field, and has {' and '.join(given) or 'none'}"
    if found is None:
        return
    yield from selector_problems(found.namespaces, (*where, "namespaces"))
    if isinstance(found, EgressPeer):
        yield from selector_problems(found.nodes, (*where, "nodes"))
    if found.pods is not None:
        place = (*where, "pods")
        for name, selector in (
            ("namespaceSelector", found.pods.namespaceSelector),
            ("podSelector", found.pods.podSelector),
        ):
            if selector is None:
                yield place, f"needs a {name}, which may be empty"
            yield from selector_problems(selector, (*place, name))


def _given(found: msgspec.Struct) -> list[str]:
    fields = msgspec.structs.fields(type(found))
    return [each.encode_name for each in fields if getattr(found, each.name) is not None]


def _ranges(peer: Subject, where: Path) -> Iterator[Problem]:
    for at, text in enumerate(getattr(peer, "networks", None) or ()):
        if range_of(text) is None:
            yield (*where, "networks", at), no_range(text)


def _port(port: AdminPort, where: Path) -> Iterator[Problem]:
    given = _given(port)
    if len(given) != 1:
        yield where, f"a port needs one field, and has {' and '.join(given) or 'none'}"
    if port.namedPort is not None and not PORT_NAME.fullmatch(port.namedPort):
        yield (*where, "namedPort"), f"{port.namedPort!r} is not the name of a port"
    for name, found in (("portNumber", port.portNumber), ("portRange", port.portRange)):
        if found is None:
            continue
        if found.protocol is not None and found.protocol not in PROTOCOLS:
            yield (
                (*where, name, "protocol"),
                f"{found.protocol!r} is none of {', '.join(PROTOCOLS)}",
            )
    number, ports = port.portNumber, port.portRange
    if number is not None and not 0 < (number.port or 0) <= HIGHEST_PORT:
        yield (*where, "portNumber", "port"), f"{number.port} is no port"
    if ports is not None and not 0 < (ports.start or 0) < (ports.end or 0) <= HIGHEST_PORT:
        yield (*where, "portRange"), f"{ports.start} to {ports.end} is no range of ports"

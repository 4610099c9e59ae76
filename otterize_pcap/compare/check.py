"""Observed calls against declared ones → what is not declared, and what was declared for nothing.

A declared server may be the workload itself, a Service that the call went through, a domain with
`*.` in front, or a range of addresses. Namespaces and kinds that a document leaves out are matched
as in a diff (S65).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

from msgspec import Struct
from msgspec.structs import replace

from otterize_pcap.compare.align_workloads import align_graphs
from otterize_pcap.compare.diff import NotSeen, missed_calls
from otterize_pcap.compare.ignore_rules import IgnoreRule, is_ignored
from otterize_pcap.compare.seen_otherwise import HIDDEN_OUTSIDE, may_be_service
from otterize_pcap.graph.order import call_order
from otterize_pcap.graph.service_graph import Call, External, ServiceGraph, Use, Workload
from otterize_pcap.intents.declared_entries import CLOUD

NOT_DECLARED = "not declared"
INVISIBLE = "a capture does not show which cloud resource or database a call is for"


class Violation(Struct, frozen=True):
    """An observed call that nothing declares, or on ports that are not declared."""

    call: Call
    reason: str


class CheckResult(Struct, frozen=True):
    """What a check found; every tuple is sorted as a graph's calls are.

    `unused` are declared calls that the capture would have shown, `not_seen` those that it need
    not have shown.
    """

    violations: tuple[Violation, ...] = ()
    allowed: tuple[Call, ...] = ()
    ignored: tuple[Call, ...] = ()
    unused: tuple[Call, ...] = ()
    not_seen: tuple[NotSeen, ...] = ()


def check_graph(
    observed: ServiceGraph, declared: ServiceGraph, ignore: Sequence[IgnoreRule] = ()
) -> CheckResult:
    """Hold what was seen against what is declared.

    Raises:
        GraphFormatError: A declared workload could be several of the observed ones.
    """
    permits, calls = align_graphs(declared, observed)
    by_client: dict[Workload, list[Call]] = defaultdict(list)
    for permit in permits.values():
        by_client[permit.client].append(permit)
    violations, allowed, ignored, used = [], [], [], set()
    for call in sorted(calls.values(), key=call_order):
        client = replace(call.client, label="")
        matching = [permit for permit in by_client[client] if _is_meant(permit, call)]
        used.update(matching)
        undeclared = [use for use in call.uses if not _permits_port(matching, use)]
        if is_ignored(call, ignore):
            ignored.append(call)
        elif not matching:
            violations.append(Violation(call, NOT_DECLARED))
        elif undeclared:
            ports = ", ".join(f"{use.protocol} {use.port}" for use in undeclared)
            violations.append(Violation(call, f"{ports} not declared"))
        else:
            allowed.append(call)
    spare = [permit for permit in sorted(permits.values(), key=call_order) if permit not in used]
    missed = _missed(spare, observed)
    unknown = {entry.call for entry in missed}
    return CheckResult(
        tuple(violations),
        tuple(allowed),
        tuple(ignored),
        tuple(permit for permit in spare if permit not in unknown),
        missed,
    )


def _is_meant(permit: Call, call: Call) -> bool:
    """Whether a declared call is this one."""
    declared, server = permit.server, call.server
    if declared == server:
        return True
    if isinstance(declared, External):
        return isinstance(server, External) and _covers(declared, server)
    service = f"{declared.name}.{declared.namespace}"
    return may_be_service(declared) and any(service in use.services for use in call.uses)


def _covers(declared: External, server: External) -> bool:
    if declared.is_address != server.is_address:
        return False
    if declared.is_address:
        try:
            return ip_address(server.name) in ip_network(declared.name, strict=False)
        except ValueError:
            return False
    name, suffix = server.name.lower(), declared.name.lower()
    return suffix.startswith("*.") and name.endswith(suffix[1:])


def _permits_port(permits: Iterable[Call], use: Use) -> bool:
    """Ports bind only where they are declared; a declared port may leave the protocol open."""
    return any(
        not permit.uses
        or any(
            port.port == use.port and port.protocol in ("", use.protocol) for port in permit.uses
        )
        for permit in permits
    )


def _missed(spare: Sequence[Call], observed: ServiceGraph) -> tuple[NotSeen, ...]:
    """Those of the spare permits whose calls the capture need not have shown."""
    known = {entry.call: entry for entry in missed_calls(spare, None, observed, in_vain=True)}
    missed = []
    for permit in spare:
        reasons = known[permit].reasons if permit in known else ()
        if isinstance(permit.server, External) and permit.server.name.partition(":")[0] in CLOUD:
            reasons = (*(one for one in reasons if one != HIDDEN_OUTSIDE), INVISIBLE)
        if reasons:
            missed.append(NotSeen(permit, reasons))
    return tuple(missed)

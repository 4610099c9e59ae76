"""From paths to policies and captures: which of a command's arguments are which."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from otterize_pcap.cli.document_input import document_files, holds_traffic, listed_kinds
from otterize_pcap.cli.selection import Reporting
from otterize_pcap.cli.terminal import notice
from otterize_pcap.counted import counted
from otterize_pcap.errors import PolicyError
from otterize_pcap.files.opening import STDIN, path_text, require
from otterize_pcap.graph.naming import printable
from otterize_pcap.intents.sort_files import NOT_PARSED
from otterize_pcap.policies.action_rule import AnyPolicy, goes_by_names
from otterize_pcap.policies.network_policy import NetworkPolicy
from otterize_pcap.policies.policy_of_item import policy_of
from otterize_pcap.policies.policy_rules import Remark, name_of
from otterize_pcap.policies.read_policies import PolicySet, read_policies
from otterize_pcap.policies.validate import problems_of
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.snapshot.objects import DEFAULT_NAMESPACE
from otterize_pcap.snapshot.snapshot import Snapshot

ALSO_RESTRICT = ("NetworkPolicy", "NetworkPolicySet", "AuthorizationPolicy")
"""How kinds are called that restrict traffic, whoever defined them."""


def is_capture(path: Path) -> bool:
    """Whether an argument is a capture, and no file or directory of policies; `-` is policies."""
    if path == STDIN:
        return False
    require(path)
    return holds_traffic(path)


def read_policy_paths(paths: Sequence[Path], namespace: str, reporting: Reporting) -> PolicySet:
    """The policies of files and directories; what else there was is said.

    Raises:
        PolicyError: There is none, or a file is broken.
    """
    found = read_policies((file for path in paths for file in document_files(path)), namespace)
    if paths and not found.policies and not found.remarks:
        others = f" (found {listed_kinds(found.left_out)})" if found.left_out else ""
        message = f"{', '.join(map(path_text, paths))}: no network policies{others}"
        raise PolicyError(message)
    if not reporting.quiet:
        _say(found, namespace)
    if reporting.verbose:
        for name in found.unparsed:
            notice(f"  note: {printable(name)}: {NOT_PARSED}")
    return found


def _say(found: PolicySet, namespace: str) -> None:
    """What was left out, and where policies without a namespace are."""
    restricting = [
        kind for kind in found.left_out if kind.partition(".")[0].endswith(ALSO_RESTRICT)
    ]
    if found.left_out:
        others = listed_kinds(found.left_out)
        notice(f"note: left out, since they are no network policies: {others}")
    if restricting:
        kinds = ", ".join(printable(kind) for kind in sorted(restricting))
        notice(f"note: {kinds} may restrict traffic as well: not read, so that more may be denied")
    if found.homeless:
        what = counted(found.homeless, "policy", "policies")
        notice(f"note: {what} without a namespace: taken for {namespace}'s (--policy-namespace)")


def naming_rules(rules: Rules, policies: Iterable[AnyPolicy]) -> Rules:
    """The rules of mapping, with names for what is outside where policies go by these."""
    if not goes_by_names(policies):
        return rules
    return replace(rules, inclusion=replace(rules.inclusion, internet=True))


def recorded_policies(snapshot: Snapshot) -> tuple[NetworkPolicy, ...]:
    """The policies that a snapshot holds, without those that no API server takes."""
    return tuple(
        policy_of(item, item.metadata.namespace or DEFAULT_NAMESPACE)
        for item in snapshot.policies
        if item.spec is None or not any(problems_of(item.spec))
    )


def with_recorded(
    policies: Iterable[AnyPolicy], recorded: Iterable[AnyPolicy]
) -> tuple[AnyPolicy, ...]:
    """Recorded policies once others are applied: one of the same name takes its place."""
    given = tuple(policies)
    names = {name_of(each) for each in given}
    kept = (each for each in recorded if name_of(each) not in names)
    return tuple(sorted((*kept, *given), key=name_of))


def in_order(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """Remarks by file and line, each once."""

    def order(remark: Remark) -> tuple[str, int, str, str]:
        place = remark.place
        where = ("", 0) if place is None else (place.file, place.line)
        return *where, remark.rule.name, remark.text

    return tuple(sorted(dict.fromkeys(remarks), key=order))

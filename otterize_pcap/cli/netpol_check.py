"""`otterize netpol check POLICIES… [CAPTURE…]`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from otterize_pcap.cli.comparing import (
    DIFFERENT,
    AllowEmpty,
    ComparisonFormat,
    ExitZero,
    Format,
    Gate,
    MaxUnresolved,
    RequireNode,
    read_thresholds,
    render_findings,
)
from otterize_pcap.cli.each_mapped import of_each
from otterize_pcap.cli.graph_input import why_empty
from otterize_pcap.cli.options import selects
from otterize_pcap.cli.output_form import chosen_form
from otterize_pcap.cli.policy_input import (
    in_order,
    is_capture,
    naming_rules,
    read_policy_paths,
    recorded_policies,
    with_recorded,
)
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.shared_options import Output
from otterize_pcap.cli.summary import summary_lines
from otterize_pcap.cli.terminal import emit, notice
from otterize_pcap.compare.findings import ERROR
from otterize_pcap.counted import counted
from otterize_pcap.errors import UsageError
from otterize_pcap.files.captures import count_captures, last_snapshot
from otterize_pcap.files.object_path import named_path
from otterize_pcap.graph.service_graph import Coverage, ServiceGraph
from otterize_pcap.policies.action_rule import AnyPolicy
from otterize_pcap.policies.check_policies import CheckScope, PolicyCheck, PolicyChecker
from otterize_pcap.policies.policy_findings import policy_findings
from otterize_pcap.policies.policy_rules import Remark, name_of
from otterize_pcap.render.netpol_json import render_policy_check_json
from otterize_pcap.render.netpol_text import render_policy_check
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.merge_graphs import merge_coverages
from otterize_pcap.snapshot.objects import DEFAULT_NAMESPACE
from otterize_pcap.snapshot.snapshot import Snapshot

NO_LABELS = (
    "no pod of the snapshot has a label; take it with `otterize snapshot` or `kubectl get -o json`"
)
NO_POLICIES = "no policy was given, and the snapshot holds none"
NOTHING_ISOLATED = "no observed call reaches or leaves a pod that these policies isolate"


@selects
def check_network_policies(  # noqa: PLR0913 - one parameter an option, all passed by name
    selection: Selection,
    reporting: Reporting,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=named_path,
            metavar="PATH",
            help="Network policies: files, directories, `-` for stdin; and captures, which are "
            "told by what they hold. Without policies those of the snapshot are checked; without "
            "captures the newest directory under ./otterize-captures/ is.",
            show_default=False,
        ),
    ] = None,
    *,
    recorded: Annotated[
        bool,
        typer.Option(
            "--recorded",
            help="Add the policies that the snapshot holds, but for those of the same names.",
        ),
    ] = False,
    policy_namespace: Annotated[
        str,
        typer.Option(metavar="NAME", help="The namespace of policies that name none."),
    ] = DEFAULT_NAMESPACE,
    unused: Annotated[
        bool, typer.Option("--unused", help="List what policies allow and nothing used, too.")
    ] = False,
    format_: Format = None,
    max_unresolved: MaxUnresolved = None,
    require_node: RequireNode = None,
    allow_empty: AllowEmpty = False,
    exit_zero: ExitZero = False,
    output: Output = None,
) -> None:
    """Check network policies against observed calls, and for mistakes.

    Reads NetworkPolicy, CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy, AdminNetworkPolicy and
    BaselineAdminNetworkPolicy.

    Exits 0 where they allow every call, 1 where one is denied or a policy is broken, and 6 where
    there is too little to tell.

    Example: otterize netpol check k8s/ my-capture/ --unused
    """
    form = chosen_form(format_, output, ComparisonFormat.TEXT)
    asked = read_thresholds(max_unresolved, require_node, strict=reporting.strict)
    gate = Gate(asked, allow_empty, exit_zero)
    scope = _scope(selection)
    captures = [path for path in paths or () if is_capture(path)]
    files = [path for path in paths or () if path not in captures]
    read = read_policy_paths(files, policy_namespace, reporting)
    seen = _Seen(
        read.policies,
        partial(PolicyChecker, scope=scope, attempts=selection.rules.inclusion.attempts),
        adds_recorded=recorded or not files,
    )
    if seen.adds_recorded and count_captures(captures) > 1:
        seen.choose(last_snapshot(captures, selection.snapshots))
    selection = selection.by_makers
    selection = replace(selection, rules=naming_rules(selection.rules, read.policies))
    coverage = merge_coverages([*of_each(captures or None, selection, seen.look_at)])
    if not reporting.quiet:
        seen.say_what_is_left_out()
    check, remarks = seen.found()
    of_files = [each for each in read.remarks if scope.has_policy(each.policy)]
    remarks = in_order((*of_files, *remarks))
    observed = ServiceGraph((), coverage)
    vacuous = seen.why_vacuous(check, observed)
    unmet = gate.unmet((observed,), vacuous)
    match form:
        case ComparisonFormat.TEXT:
            emit(render_policy_check(check, remarks, unused=unused), output)
        case ComparisonFormat.JSON:
            emit(render_policy_check_json(check, remarks, unmet), output)
        case _:
            found = policy_findings(check, remarks, unused=unused)
            emit(render_findings(replace(found, unmet=unmet), form), output)
    if not reporting.quiet:
        for line in summary_lines(coverage, verbose=reporting.verbose):
            notice(line)
    gate.close((observed,), vacuous)
    broken = any(remark.rule.level == ERROR for remark in remarks)
    if (check.denied or broken) and not exit_zero:
        raise typer.Exit(DIFFERENT)


def _scope(selection: Selection) -> CheckScope:
    """What is reported.

    Raises:
        UsageError: An option was given that means nothing here.
    """
    inclusion, wanted = selection.rules.inclusion, selection.wanted
    refused = {
        "--server": wanted.server is not None,
        "--exclude-labels": bool(inclusion.exclude_labels),
        "--exclude-self": not inclusion.self_calls,
        "--distinct-by-label": bool(inclusion.distinct_by_label),
    }
    for option, given in refused.items():
        if given:
            message = (
                f"{option} means nothing to a check of policies; choose what it reports with -n, "
                "--exclude-services and --exclude-namespaces"
            )
            raise UsageError(message)
    return CheckScope(wanted.namespaces, inclusion.exclude_namespaces, wanted.exclude_services)


class _Seen:
    """What a check keeps of captures: what it finds, and what is to be said of their snapshots.

    The policies are those that were given; or, where `adds_recorded`, with them what the snapshot
    of the last capture holds.
    """

    def __init__(
        self,
        given: tuple[AnyPolicy, ...],
        checker_of: Callable[[tuple[AnyPolicy, ...]], PolicyChecker],
        *,
        adds_recorded: bool,
    ) -> None:
        self.adds_recorded = adds_recorded
        self._policies, self._checker_of = given, checker_of
        self._checker = checker_of(given)
        self._recorded: tuple[AnyPolicy, ...] = ()
        self._chosen = not adds_recorded
        self._pods = self._labelled = False

    def choose(self, last: Snapshot) -> None:
        """Add what the snapshot of the last capture holds, where that is wanted."""
        if not self._chosen:
            self._policies = with_recorded(self._policies, recorded_policies(last))
            self._checker = self._checker_of(self._policies)
        self._chosen = True

    def look_at(self, mapped: MappedCapture) -> Coverage:
        """Hold the policies against one capture; what it covered."""
        snapshot = mapped.snapshot
        self.choose(snapshot)
        self._checker.look_at(mapped)
        self._recorded = recorded_policies(snapshot)
        self._pods = self._pods or bool(snapshot.pods)
        self._labelled = self._labelled or any(pod.labels for pod in snapshot.pods)
        return mapped.coverage

    def say_what_is_left_out(self) -> None:
        """Say how many policies the last snapshot holds that are not checked."""
        names = set(map(name_of, self._policies))
        more = sum(name_of(each) not in names for each in self._recorded)
        if more and not self.adds_recorded:
            what = counted(more, "other policy", "other policies")
            notice(f"note: the snapshot holds {what}; --recorded adds what it holds")

    def found(self) -> tuple[PolicyCheck, tuple[Remark, ...]]:
        """What the check of all captures found."""
        return self._checker.found()

    def why_vacuous(self, check: PolicyCheck, observed: ServiceGraph) -> str:
        """Why a check rests on nothing; empty where it does not."""
        if self._pods and not self._labelled:
            return NO_LABELS
        if not self._policies:
            return NO_POLICIES
        if check.judged:
            return ""
        return NOTHING_ISOLATED if check.allowed else why_empty(observed)

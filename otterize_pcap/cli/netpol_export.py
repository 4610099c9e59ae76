"""`otterize netpol export`."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from otterize_pcap.addresses import AddressError, Network, parse_network
from otterize_pcap.cli import netpol_options as options
from otterize_pcap.cli.each_mapped import of_each
from otterize_pcap.cli.netpol_options import PolicyFormat
from otterize_pcap.cli.options import CALL_OPTIONS, comma_separated, selects
from otterize_pcap.cli.output_form import SUFFIXES, chosen_form
from otterize_pcap.cli.quantities import DAY_S, LONGEST_SPAN_S, parse_duration
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.shared_options import Captures
from otterize_pcap.cli.summary import packet_summary
from otterize_pcap.cli.terminal import emit, emit_files, notice
from otterize_pcap.counted import counted
from otterize_pcap.errors import CoverageError, UsageError
from otterize_pcap.files.opening import path_text
from otterize_pcap.graph.damage import DAMAGED, is_damaged
from otterize_pcap.graph.service_graph import Coverage
from otterize_pcap.policies.network_policy import EGRESS, INGRESS
from otterize_pcap.policies.verdict import BOTH, Gates, ReasonKind
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.timestamps import SECOND_NS

if TYPE_CHECKING:
    from otterize_pcap.policies.generate import Wanted
    from otterize_pcap.policies.observation import Observation
    from otterize_pcap.policies.workload_policy import WorkloadPolicy


@partial(selects, left_out=CALL_OPTIONS)
def export_policies(  # noqa: PLR0913, PLR0917 - one parameter an option, all passed by name
    selection: Selection,
    reporting: Reporting,
    captures: Captures = None,
    format_: options.Form = None,
    cilium: options.Cilium = False,
    namespace: options.OfNamespaces = None,
    exclude_services: options.ExceptWorkloads = None,
    exclude_namespaces: options.ExceptNamespaces = None,
    ingress_only: options.IngressOnly = False,
    egress_only: options.EgressOnly = False,
    min_observed: options.MinObserved = None,
    min_captures: options.MinCaptures = 0,
    require_restart: options.RequireRestart = False,
    require_lookups: options.RequireLookups = False,
    require_ports: options.RequirePorts = False,
    accept: options.Accept = None,
    node_cidr: options.NodeRanges = None,
    any_outside: options.AnyOutside = False,
    port_names: options.PortNames = False,
    output: options.Written = None,
) -> None:
    """Make NetworkPolicies that allow what was observed, of workloads of which enough was seen.

    Several captures add up. What was not seen is never taken for not needed: see
    docs/network-policies.md.

    Example: otterize netpol export monday/ tuesday/ -n shop -o policies/
    """
    form = chosen_form(format_, output, PolicyFormat.YAML)
    if ingress_only and egress_only:
        message = "--ingress-only and --egress-only leave nothing; give one of them"
        raise UsageError(message)
    gates = Gates(
        _observed_ns(min_observed),
        min_captures,
        require_restart,
        require_lookups,
        require_ports,
        frozenset(ReasonKind(each.value) for each in accept or ()),
    )
    # Other commands of the group would wait for what making policies takes.
    from otterize_pcap.policies.generate import Wanted  # noqa: PLC0415

    wanted = Wanted(
        namespaces=comma_separated(namespace),
        excluded=comma_separated(exclude_services),
        excluded_namespaces=comma_separated(exclude_namespaces),
        directions=(INGRESS,) if ingress_only else (EGRESS,) if egress_only else BOTH,
        gates=gates,
        node_ranges=_ranges(node_cidr),
        names_ports=port_names,
        any_outside=any_outside,
        for_cilium=cilium,
    )
    made = _made(captures, selection, reporting, wanted)
    _write(made, form, cilium=cilium, output=output)
    if not reporting.quiet:
        _say_what_was_made(made, output)
        if min_observed is None:
            _warn_of_short_times(made)


def _made(
    captures: Sequence[Path] | None,
    selection: Selection,
    reporting: Reporting,
    wanted: "Wanted",
) -> "tuple[WorkloadPolicy, ...]":
    """Read the captures, say what they hold, and make policies of them."""
    from otterize_pcap.policies.generate import make_policies  # noqa: PLC0415 - see above
    from otterize_pcap.policies.observation import observe  # noqa: PLC0415

    selection = selection.by_makers
    attempts = selection.rules.inclusion.attempts

    def take(mapped: MappedCapture) -> "tuple[Observation, Coverage]":
        _refuse_samples(mapped.coverage)
        return observe(mapped, attempts=attempts), mapped.coverage

    taken = of_each(captures, selection, take, _all_services)
    observations, coverages = zip(*taken, strict=True)
    if not reporting.quiet:
        for coverage in coverages:
            for line in packet_summary(coverage, verbose=reporting.verbose):
                notice(line)
    if reporting.strict and any(map(is_damaged, coverages)):
        raise CoverageError(DAMAGED)
    return make_policies(observations, wanted)


def _refuse_samples(coverage: Coverage) -> None:
    """Refuse what shows a part of what there was: what it lacks would be denied.

    Raises:
        UsageError: It is of a flow log.
    """
    for file in coverage.files:
        if file.sample:
            message = (
                f"{file.file}: a flow log is a sample, and policies made of it would deny what it "
                "lacks; give packets, or hold policies against it with netpol check"
            )
            raise UsageError(message)


def _all_services(snapshot: Snapshot) -> frozenset[str]:
    """Of which Services lookups are kept: all."""
    return frozenset(service.name for service in snapshot.services)


def _observed_ns(text: str | None) -> int:
    if text is None:
        return 0
    return parse_duration(text, "--min-observed", LONGEST_SPAN_S) * SECOND_NS


def _ranges(texts: list[str] | None) -> tuple[Network, ...]:
    try:
        return tuple(map(parse_network, texts or ()))
    except AddressError as error:
        message = f"--node-cidr: {error}; expected a range such as 10.0.0.0/16"
        raise UsageError(message) from error


def _write(
    made: "Sequence[WorkloadPolicy]",
    form: PolicyFormat,
    *,
    cilium: bool,
    output: Path | None,
) -> None:
    from otterize_pcap.render.cilium_policy import cilium_document  # noqa: PLC0415
    from otterize_pcap.render.network_policy import (  # noqa: PLC0415
        commented_document,
        policy_file,
        render_policies,
        render_policy_files,
    )
    from otterize_pcap.render.policies_json import render_policies_json  # noqa: PLC0415

    written = cilium_document if cilium else commented_document
    is_file = output is None or str(output) == "-" or output.suffix.lower() in SUFFIXES
    if form == PolicyFormat.JSON:
        emit(render_policies_json(made, written), output)
    elif is_file or output is None:
        emit(render_policies(made, written), output)
    else:
        emit_files(render_policy_files(made, written), output)
        for each in made:
            path = output / policy_file(each)
            if each.policy is None and path.exists():
                notice(
                    f"warning: {path_text(path)} is of an earlier export and isolates what is open "
                    "now: delete it, there and in the cluster"
                )


def _warn_of_short_times(made: "Sequence[WorkloadPolicy]") -> None:
    """Say what policies of a short time deny, where nobody asked for a longer one."""
    from otterize_pcap.policies.sufficiency import duration_text  # noqa: PLC0415

    observed = [each.verdict.observed_ns for each in made if each.policy is not None]
    short = sum(time_ns < DAY_S * SECOND_NS for time_ns in observed)
    if short:
        notice(
            f"note: {counted(short, 'policy', 'policies')} of less than a day, one of "
            f"{duration_text(min(observed))}: calls that are made less often were not seen, and "
            "would be denied; --min-observed 24h leaves such workloads out"
        )


def _say_what_was_made(made: "Sequence[WorkloadPolicy]", output: Path | None) -> None:
    from otterize_pcap.render.network_policy import left_out_lines  # noqa: PLC0415

    policies = [each.policy for each in made if each.policy is not None]
    one_way = Counter(
        next(iter(each.policy_types)) for each in policies if len(each.policy_types) == 1
    )
    only = ", ".join(f"{count} for {way.lower()} only" for way, count in sorted(one_way.items()))
    notice(
        f"{counted(len(made), 'workload')}: {counted(len(policies), 'policy', 'policies')}"
        f"{f' ({only})' if only else ''}, {len(made) - len(policies)} without"
    )
    for line in (line for each in made if each.policy is None for line in left_out_lines(each)):
        notice(f"  {line}")
    if output is not None and policies:
        notice(f"Successfully wrote the policies into {output}")

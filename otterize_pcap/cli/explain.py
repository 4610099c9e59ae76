"""`otterize explain CLIENT SERVER`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from otterize_pcap.cli.completion import complete_workload
from otterize_pcap.cli.each_mapped import of_each
from otterize_pcap.cli.left_out import unseen_lines
from otterize_pcap.cli.options import selects
from otterize_pcap.cli.output_form import BY_SUFFIX, chosen_form
from otterize_pcap.cli.policy_input import naming_rules, read_policy_paths
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.shared_options import Captures, Output
from otterize_pcap.cli.terminal import complain, emit, notice
from otterize_pcap.explain.asked_pair import Question, asked_services, is_between
from otterize_pcap.explain.explain import NOTHING_RECORDED, explain
from otterize_pcap.explain.explanation import Explanation
from otterize_pcap.explain.merge_explanations import merge_explanations
from otterize_pcap.files.object_path import named_path
from otterize_pcap.graph.filters import filter_graph
from otterize_pcap.policies.action_rule import AnyPolicy
from otterize_pcap.render.explain_text import render_explanation, render_explanation_json
from otterize_pcap.resolve.capture_lookup import identities_under
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.snapshot.objects import DEFAULT_NAMESPACE
from otterize_pcap.snapshot.snapshot import Snapshot

UNKNOWN_NAME = 1
MOST = 1_000_000
"""More connections than anybody reads."""


class ExplainFormat(StrEnum):
    """How an explanation is written."""

    TEXT = "text"
    JSON = "json"


def register(root: typer.Typer) -> None:
    """Add `explain` to the command line."""
    root.command("explain")(explain_edge)


@selects
def explain_edge(  # noqa: PLR0913, PLR0917 - one parameter an option, all passed by name
    selection: Selection,
    reporting: Reporting,
    caller: Annotated[
        str,
        typer.Argument(
            metavar="CLIENT",
            help="The caller: a workload or a pod (NAME, NAME.NAMESPACE or NAMESPACE/NAME), "
            "or an address.",
            autocompletion=complete_workload,
        ),
    ],
    called: Annotated[
        str,
        typer.Argument(
            metavar="SERVER",
            help="The same of who is called; a Service or an external name, too.",
            autocompletion=complete_workload,
        ),
    ],
    captures: Captures = None,
    most: Annotated[
        int, typer.Option(min=0, max=MOST, metavar="N", help="Show at most so many connections.")
    ] = 10,
    policies: Annotated[
        list[Path] | None,
        typer.Option(
            parser=named_path,
            metavar="FILE",
            help="Say what these NetworkPolicies make of the call, rule by rule: a file, a "
            "directory, or `-`. Repeatable.",
        ),
    ] = None,
    format_: Annotated[
        ExplainFormat | None,
        typer.Option("--format", help="The form.", show_default=BY_SUFFIX.format("text")),
    ] = None,
    output: Output = None,
) -> None:
    """Show why an edge exists, packet by rule, or why it does not.

    Several captures are explained together. Exits 1 where a name means nothing.

    Example: otterize explain checkout kafka my-capture/
    """
    form = chosen_form(format_, output, ExplainFormat.TEXT)
    question = Question(caller, called, most)

    def asked(snapshot: Snapshot) -> frozenset[str] | None:
        return asked_services(question, snapshot, identities_under(selection.rules, snapshot))

    judging = None
    if policies:
        judging = read_policy_paths(policies, DEFAULT_NAMESPACE, reporting).policies
    parts = [
        *of_each(
            captures, selection, lambda each: _explain(question, each, selection, judging), asked
        )
    ]
    explanation = merge_explanations(parts, most)
    render = render_explanation_json if form == ExplainFormat.JSON else render_explanation
    emit(render(explanation), output)
    if output is not None and not reporting.quiet:
        notice(f"Successfully wrote the explanation into {output}")
    if explanation.unknown:
        complain("; ".join(hint for hint in explanation.hints if hint != NOTHING_RECORDED))
        raise typer.Exit(UNKNOWN_NAME)


def _explain(
    question: Question,
    mapped: MappedCapture,
    selection: Selection,
    policies: tuple[AnyPolicy, ...] | None,
) -> Explanation:
    explanation = explain(question, mapped)
    if policies is not None:
        # What judges by policies is imported where there are some.
        from otterize_pcap.explain.explain_policies import explain_policies  # noqa: PLC0415

        rules = naming_rules(mapped.rules, policies)
        named = mapped if rules == mapped.rules else mapped.under(rules)
        explanation = replace(explanation, policies=explain_policies(question, named, policies))
    shown = filter_graph(mapped.graph, selection.wanted).calls
    if explanation.is_edge and not is_between(question, mapped, shown):
        hint = "the options given filter it out"
        explanation = replace(explanation, is_edge=False, hints=(*explanation.hints, hint))
    if not explanation.is_edge and not explanation.fates and mapped.graph.coverage is not None:
        # Packets of the two may be among those that were not understood.
        unseen = tuple(unseen_lines(mapped.graph.coverage))
        explanation = replace(explanation, hints=(*explanation.hints, *unseen))
    return explanation

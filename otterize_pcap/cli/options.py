"""Options that several commands share, declared once and given to a command as one value.

`@selects` adds them to a command's own parameters: the command declares `selection: Selection` and
`reporting: Reporting`, and the command line shows the options that fill them.
"""

from collections.abc import Callable, Collection
from inspect import Parameter, Signature, signature
from typing import Any

from msgspec.structs import replace

from otterize_pcap.cli.reading_options import (
    FileNodes,
    GenevePorts,
    MaxConnections,
    Scheduler,
    Threads,
    TunnelEndpoints,
    VxlanPorts,
    parse_endpoints,
    reading_options,
)
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.shared_options import (
    ClusterDns,
    DistinctByLabel,
    ExcludeLabels,
    ExcludeNamespaces,
    ExcludeSelf,
    ExcludeServices,
    Force,
    ImageNameForJobs,
    IncludeAttempts,
    IncludeClusterDns,
    IncludeLookups,
    Internet,
    Namespaces,
    OneWayUdp,
    Owner,
    Quiet,
    Server,
    Snapshots,
    Strict,
    TimeSlack,
    Verbose,
    WorkloadAnnotation,
    WorkloadLabels,
)
from otterize_pcap.cli.time_options import FromTime, LastTime, ToTime, parse_times
from otterize_pcap.errors import UsageError
from otterize_pcap.graph.filters import GraphFilter, parse_server, refuse_both
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture_lookup import Rules
from otterize_pcap.resolve.identity import ANNOTATIONS, NamedBy
from otterize_pcap.timestamps import SECOND_NS


def _shared(  # noqa: PLR0913, PLR0917 - one parameter an option, all passed by name
    snapshot: Snapshots = None,
    namespace: Namespaces = None,
    server: Server = None,
    exclude_services: ExcludeServices = None,
    exclude_labels: ExcludeLabels = None,
    exclude_namespaces: ExcludeNamespaces = None,
    include_attempts: IncludeAttempts = False,
    one_way_udp: OneWayUdp = False,
    include_cluster_dns: IncludeClusterDns = False,
    include_lookups: IncludeLookups = False,
    internet: Internet = False,
    distinct_by_label: DistinctByLabel = "",
    exclude_self: ExcludeSelf = False,
    time_slack: TimeSlack = 2.0,
    workload_annotation: WorkloadAnnotation = ANNOTATIONS[0],
    image_name_for_jobs: ImageNameForJobs = False,
    owner: Owner = None,
    workload_label: WorkloadLabels = None,
    cluster_dns: ClusterDns = None,
    from_: FromTime = None,
    to: ToTime = None,
    last: LastTime = None,
    force: Force = False,
    vxlan_port: VxlanPorts = None,
    geneve_port: GenevePorts = None,
    tunnel_endpoints: TunnelEndpoints = None,
    node: FileNodes = None,
    scheduler: Scheduler = "",
    threads: Threads = None,
    max_connections: MaxConnections = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    strict: Strict = False,
) -> tuple[Selection, Reporting]:
    inclusion = Inclusion(
        attempts=include_attempts,
        one_way_udp=one_way_udp,
        cluster_dns=include_cluster_dns,
        internet=internet,
        lookups=include_lookups,
        self_calls=not exclude_self,
        exclude_labels=tuple(_label(text) for text in exclude_labels or ()),
        exclude_namespaces=comma_separated(exclude_namespaces),
        distinct_by_label=distinct_by_label,
    )
    wanted = GraphFilter(
        namespaces=comma_separated(namespace),
        server=parse_server(server) if server else None,
        exclude_services=comma_separated(exclude_services),
    )
    _refuse_contradictions(wanted, inclusion)
    rules = Rules(
        slack_ns=int(time_slack * SECOND_NS),
        annotation=workload_annotation,
        image_name_for_jobs=image_name_for_jobs,
        owner=owner or NamedBy.ROOT,
        workload_labels=tuple(workload_label or ()),
        cluster_dns=tuple(map(_service, cluster_dns or ())),
        inclusion=inclusion,
        force=force,
        time=parse_times(from_, to, last),
    )
    selection = Selection(
        snapshots=tuple(snapshot or ()),
        rules=rules,
        wanted=wanted,
        reading=replace(
            reading_options(vxlan_port, geneve_port, threads, max_connections, node, scheduler),
            collect_names=internet or include_lookups,
            tunnel_endpoints=parse_endpoints(tunnel_endpoints),
        ),
        named_by=owner,
    )
    return selection, reporting_of(quiet=quiet, verbose=verbose, strict=strict)


def reporting_of(*, quiet: bool, verbose: bool, strict: bool) -> Reporting:
    """What is said beside a result.

    Raises:
        UsageError: Nothing and everything is asked for.
    """
    if quiet and verbose:
        message = "-q and -v contradict each other; drop one of them"
        raise UsageError(message)
    return Reporting(quiet, verbose, strict)


CALL_OPTIONS = frozenset(
    (
        "namespace",
        "server",
        "exclude_services",
        "exclude_labels",
        "exclude_namespaces",
        "one_way_udp",
        "include_cluster_dns",
        "include_lookups",
        "distinct_by_label",
        "exclude_self",
    )
)
"""Shared options that say which calls are shown, for commands that show none."""


def selects(command: Callable[..., None], left_out: Collection[str] = ()) -> Callable[..., None]:
    """Give a command the shared options; it receives them as `selection` and `reporting`.

    `left_out` are names of those that mean nothing to it.
    """
    shared = [
        parameter
        for parameter in signature(_shared, eval_str=True).parameters.values()
        if parameter.name not in left_out
    ]
    own = [
        parameter
        for parameter in signature(command, eval_str=True).parameters.values()
        if parameter.name not in ("selection", "reporting")
    ]

    def run(**given: Any) -> None:  # noqa: ANN401 - Typer hands over values of any declared type
        selection, reporting = _shared(
            **{parameter.name: given.pop(parameter.name) for parameter in shared}
        )
        command(selection=selection, reporting=reporting, **given)

    parameters = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in (*own, *shared)]
    run.__name__ = command.__name__
    run.__doc__ = command.__doc__
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined] # read by Typer
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _refuse_contradictions(wanted: GraphFilter, inclusion: Inclusion) -> None:
    """Refuse filters that cannot be meant together, before anything is read.

    Raises:
        UsageError: They leave nothing, whatever the captures hold.
    """
    refuse_both(wanted)
    both = wanted.namespaces & inclusion.exclude_namespaces
    if both and both == wanted.namespaces:
        message = f"-n and --exclude-namespaces both name {', '.join(sorted(both))}; drop one"
        raise UsageError(message)


def comma_separated(values: list[str] | None) -> frozenset[str]:
    """The entries of a repeatable option whose values may be lists themselves."""
    return frozenset(
        entry.strip() for value in values or () for entry in value.split(",") if entry.strip()
    )


def _label(text: str) -> tuple[str, str | None]:
    """A label's key, and its value where one is given: `app=` is the empty one."""
    key, equals, value = text.partition("=")
    if not key:
        message = f"--exclude-labels {text}: expected KEY or KEY=VALUE, for example app=canary"
        raise UsageError(message)
    return key, value if equals else None


def _service(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    if not namespace or not name or "/" in name:
        message = f"--cluster-dns {text}: expected NAMESPACE/NAME, for example dns/coredns"
        raise UsageError(message)
    return namespace, name

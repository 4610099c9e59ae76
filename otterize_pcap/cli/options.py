"""Arguments and options that several commands share, declared once."""

from pathlib import Path
from typing import Annotated

import typer

Captures = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[CAPTURE]...",
        help="Capture directories, or pcap files together with --snapshot; `-` is stdin. "
        "Default: the newest directory under ./otterize-captures/.",
        show_default=False,
    ),
]
SnapshotFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--snapshot",
        metavar="FILE",
        help="What `kubectl get -o json` printed: a file, or a directory of them. Repeatable.",
    ),
]
Namespaces = Annotated[
    list[str] | None,
    typer.Option(
        "-n",
        "--namespace",
        "--namespaces",
        metavar="NAME",
        help="Keep only clients in this namespace. Repeatable, or a comma-separated list.",
    ),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="NAME.NAMESPACE",
        help="Keep only clients that call this server, with all their calls.",
    ),
]
ExcludeServices = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Leave out these workloads, as clients and as servers. Repeatable or comma-separated.",
    ),
]
ExcludeLabels = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Leave out calls where either side's pod has this label. Repeatable.",
    ),
]
ExcludeNamespaces = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Leave out calls where either side is in this namespace. Repeatable.",
    ),
]
IncludeAttempts = Annotated[
    bool,
    typer.Option(
        "--include-attempts", help="Add calls that were refused, unanswered or only probed."
    ),
]
OneWayUdp = Annotated[
    bool, typer.Option("--one-way-udp", help="Count UDP that was never answered as a call.")
]
IncludeClusterDns = Annotated[
    bool, typer.Option("--include-cluster-dns", help="Show calls to the cluster's own DNS.")
]
ExcludeSelf = Annotated[
    bool, typer.Option("--exclude-self", help="Leave out workloads that call themselves.")
]
TimeSlack = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0,
        help="How far times of packets and of pods may disagree before an address is ambiguous.",
    ),
]
IdentityAnnotation = Annotated[
    str,
    typer.Option(metavar="KEY", help="The pod annotation that overrides a workload's name."),
]
ImageNameForJobs = Annotated[
    bool,
    typer.Option("--image-name-for-jobs", help="Name Jobs without a CronJob by their image."),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print no summary on stderr.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Print a detailed summary on stderr.")
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Fail (exit 6) on damaged files and malformed packets."),
]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write to a file instead of stdout."),
]


def comma_separated(values: list[str] | None) -> frozenset[str]:
    """The entries of a repeatable option whose values may be lists themselves."""
    return frozenset(
        entry.strip() for value in values or () for entry in value.split(",") if entry.strip()
    )

"""Options that several commands share, each as a command's parameter declares it."""

from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli.completion import complete_namespace, complete_server, complete_workload
from otterize_pcap.files.object_path import named_path
from otterize_pcap.resolve.identity import NamedBy

MAX_SLACK_S = 3600
"""What is longer says nothing of who had an address."""

Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Write to a file instead of stdout."),
]


Snapshots = Annotated[
    list[Path] | None,
    typer.Option(
        parser=named_path,
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
        autocompletion=complete_namespace,
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print no summary on stderr.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Print a detailed summary on stderr.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Fail (exit 6) on damaged files and malformed packets.")
]

Ports = Annotated[bool, typer.Option("--ports", help="Say to which ports each call went.")]

ByPods = Annotated[
    bool, typer.Option("--pods", help="Name pods by themselves, for those who look for one.")
]

AsService = Annotated[
    bool,
    typer.Option(
        "--as-kubernetes-service",
        help="Name the Service that a call went through instead of the workload behind it.",
    ),
]

Captures = Annotated[
    list[Path] | None,
    typer.Argument(
        parser=named_path,
        metavar="CAPTURE",
        help="Capture directories, directories of captures, reduced captures, or pcap files "
        "together with --snapshot, by path or by URL; `-` is stdin. "
        "Default: the newest directory under ./otterize-captures/.",
        show_default=False,
    ),
]

Server = Annotated[
    str | None,
    typer.Option(
        metavar="NAME.NAMESPACE",
        help="Keep only clients that call this server, with all their calls.",
        autocompletion=complete_server,
    ),
]

ExcludeServices = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Leave out these workloads, as clients and as servers. Repeatable, or a list.",
        autocompletion=complete_workload,
    ),
]

ExcludeLabels = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Leave out calls where either side's pod has this label; KEY alone stands for any "
        "value. Repeatable.",
    ),
]

ExcludeNamespaces = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Leave out calls where either side is in this namespace. Repeatable, or a list.",
        autocompletion=complete_namespace,
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

IncludeLookups = Annotated[
    bool,
    typer.Option(
        "--include-lookups", help="Add Services that were looked up in DNS but not called."
    ),
]

Internet = Annotated[
    bool, typer.Option("--internet", help="Show calls to servers outside the cluster.")
]

DistinctByLabel = Annotated[
    str,
    typer.Option(metavar="KEY", help="Tell clients apart by the value of this pod label."),
]

ExcludeSelf = Annotated[
    bool, typer.Option("--exclude-self", help="Leave out workloads that call themselves.")
]

TimeSlack = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0,
        max=MAX_SLACK_S,
        help="How far the times of packets and of pods may disagree.",
    ),
]

WorkloadAnnotation = Annotated[
    str, typer.Option(metavar="KEY", help="The pod annotation that names a workload.")
]

ImageNameForJobs = Annotated[
    bool,
    typer.Option("--image-name-for-jobs", help="Name Jobs without a CronJob by their image."),
]

Owner = Annotated[
    NamedBy | None,
    typer.Option(
        help="Name pods by the owner that nothing owns (root), by who made them (nearest), "
        "since a custom resource may own several sets of pods, or by themselves (pod). "
        "Default: root; of diff and check, nearest.",
        show_default=False,
    ),
]

WorkloadLabels = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY",
        help="Name pods without a stable owner by this label. Repeatable; the first counts.",
    ),
]

ClusterDns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMESPACE/NAME",
        help="Take this Service for the cluster's DNS, which is known without only in "
        "kube-system and openshift-dns (S45). Repeatable.",
    ),
]

Force = Annotated[
    bool,
    typer.Option("--force", help="Go on where a capture and a snapshot do not belong together."),
]

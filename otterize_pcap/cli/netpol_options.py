"""The options of `otterize netpol export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli.output_form import BY_SUFFIX

MOST_CAPTURES = 100_000


class PolicyFormat(StrEnum):
    """How policies are written."""

    YAML = "yaml"
    JSON = "json"


class Accepted(StrEnum):
    """What leaves a direction out of a policy unless it is accepted."""

    GAPS = "gaps"
    UNDECIDED = "undecided"
    ATTEMPTS = "attempts"
    EXPOSED = "exposed"


Form = Annotated[
    PolicyFormat | None,
    typer.Option(
        "--format",
        help="The form: yaml, with the reasons as comments, or json, with all that was seen.",
        show_default=BY_SUFFIX.format("yaml"),
    ),
]
Cilium = Annotated[
    bool,
    typer.Option(
        "--cilium",
        help="Write CiliumNetworkPolicies: nodes and the API server as entities and, with "
        "--internet, what is outside by its name.",
    ),
]
OfNamespaces = Annotated[
    list[str] | None,
    typer.Option(
        "-n",
        "--namespace",
        "--namespaces",
        metavar="NAME",
        help="Make policies for workloads of this namespace; without, for all but kube-system, "
        "kube-public and kube-node-lease. Repeatable, or a comma-separated list.",
    ),
]
ExceptWorkloads = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Make no policy for these workloads, NAME or NAME.NAMESPACE. Repeatable, or a list.",
    ),
]
ExceptNamespaces = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Make no policy for workloads of this namespace. Repeatable, or a list.",
    ),
]
IngressOnly = Annotated[bool, typer.Option("--ingress-only", help="Isolate nobody's egress.")]
EgressOnly = Annotated[bool, typer.Option("--egress-only", help="Isolate nobody's ingress.")]
MinObserved = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Leave out workloads that were observed for less, e.g. 24h or 7d.",
    ),
]
MinCaptures = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        max=MOST_CAPTURES,
        help="Leave out workloads that were observed in fewer captures.",
    ),
]
RequireRestart = Annotated[
    bool,
    typer.Option(
        "--require-restart",
        help="Leave out workloads of which no pod started while it was recorded.",
    ),
]
RequireLookups = Annotated[
    bool,
    typer.Option(
        "--require-lookups",
        help="Leave out egress of workloads that looked Services up and did not call them.",
    ),
]
RequirePorts = Annotated[
    bool,
    typer.Option(
        "--require-ports",
        help="Leave out ingress of workloads with declared ports that nobody called.",
    ),
]
Accept = Annotated[
    list[Accepted] | None,
    typer.Option(
        metavar="REASON",
        help="Make policies all the same where something was missed (gaps), connections are not "
        "decided (undecided), calls came to nothing (attempts), or nobody outside called what is "
        "open to it (exposed). Repeatable.",
    ),
]
NodeRanges = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CIDR",
        help="The range that nodes have their addresses from, in place of those known. Repeatable.",
    ),
]
AnyOutside = Annotated[
    bool,
    typer.Option(
        "--any-outside",
        help="Where a server outside was called, allow that port at any public address: those of "
        "most servers change.",
    ),
]
PortNames = Annotated[
    bool,
    typer.Option("--port-names", help="Write ports by name wherever all pods name them alike."),
]
Written = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="DIRECTORY",
        help="Write into a directory, a file a workload; or into one file, where the name ends in "
        ".yaml, .yml or .json.",
    ),
]

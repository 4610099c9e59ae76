"""`otterize capture` and `otterize capture cleanup`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from otterize_pcap.cli import show_capture
from otterize_pcap.cli.capture_cleanup import CleanUp, clean_up
from otterize_pcap.cli.capture_nodes import CaptureRequest, capture_nodes, default_directory
from otterize_pcap.cli.capture_reduce import reduce, reduce_wish
from otterize_pcap.cli.completion import complete_namespace, complete_profile
from otterize_pcap.cli.quantities import Mode, parse_duration, parse_mode, parse_size, split_list
from otterize_pcap.errors import UsageError
from otterize_pcap.files.writing import rights_of

KubeconfigOption = Annotated[
    Path | None,
    typer.Option("--kubeconfig", metavar="FILE", help="Kubeconfig file.", show_default=False),
]
ContextOption = Annotated[
    str | None,
    typer.Option(
        "--context", metavar="NAME", help="Context of the kubeconfig.", show_default=False
    ),
]
JobNamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--job-namespace",
        help="Namespace of the capture Jobs; its Pod Security level must be privileged.",
        show_default="the context's namespace",
    ),
]
RequestTimeoutOption = Annotated[
    str,
    typer.Option(
        "--request-timeout",
        metavar="DURATION",
        help="How long the API server may take to answer, with all tries.",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(
    app: typer.Typer, show_calls: Callable[[Path], None] = show_capture.show_calls
) -> None:
    """Add `capture` to the root command.

    Args:
        app: The root command.
        show_calls: Prints the calls that a capture directory holds, as `intents list` does.
    """
    group = typer.Typer()

    @group.callback(invoke_without_command=True)
    def capture(  # noqa: PLR0913, PLR0917 - one argument an option
        context_: typer.Context,
        duration: Annotated[str, typer.Option(help="How long to record.")] = "60s",
        namespace: Annotated[
            list[str] | None,
            typer.Option(
                "--namespace",
                "-n",
                help="Capture the nodes where these namespaces' pods run; repeatable.",
                autocompletion=complete_namespace,
                show_default=False,
            ),
        ] = None,
        all_namespaces: Annotated[
            bool, typer.Option("--all-namespaces", "-A", help="All nodes (the default).")
        ] = False,
        pod_selector: Annotated[
            str, typer.Option(help="Capture the nodes where pods with these labels run.")
        ] = "",
        node: Annotated[
            list[str] | None,
            typer.Option(help="Capture this node; repeatable.", show_default=False),
        ] = None,
        node_selector: Annotated[str, typer.Option(help="Capture nodes with these labels.")] = "",
        profile: Annotated[
            str,
            typer.Option(
                help="What to record: calls, headers or full.", autocompletion=complete_profile
            ),
        ] = "calls",
        filter_: Annotated[
            str, typer.Option("--filter", help="A pcap-filter expression to narrow it.")
        ] = "",
        snaplen: Annotated[
            int | None,
            typer.Option(
                metavar="BYTES",
                help="Bytes of each packet.",
                min=96,
                max=262144,
                show_default="by profile",
            ),
        ] = None,
        max_size: Annotated[str, typer.Option(help="Most bytes on each node.")] = "100Mi",
        reduce_: Annotated[
            bool,
            typer.Option(
                "--reduce", help="Make tables on the nodes, and pull these in place of packets."
            ),
        ] = False,
        reduce_binary: Annotated[
            Path | None,
            typer.Option(
                metavar="FILE",
                help="The one-file otterize that nodes reduce with; copied into their pods.",
                show_default="that of the image",
            ),
        ] = None,
        disk: Annotated[
            str | None,
            typer.Option(
                metavar="SIZE",
                help="With --reduce: most bytes of packets that wait on a node.",
                show_default="100Mi",
            ),
        ] = None,
        image: Annotated[
            str | None,
            typer.Option(help="Image with tcpdump.", show_default="that of capture-job.yaml"),
        ] = None,
        image_pull_secret: Annotated[
            list[str] | None,
            typer.Option(help="Secret to pull the image with; repeatable.", show_default=False),
        ] = None,
        job_namespace: JobNamespaceOption = None,
        interface: Annotated[str, typer.Option(help="Interface on the nodes.")] = "any",
        pending_timeout: Annotated[
            str,
            typer.Option(metavar="DURATION", help="How long a node may take to start recording."),
        ] = "120s",
        context: ContextOption = None,
        kubeconfig: KubeconfigOption = None,
        request_timeout: RequestTimeoutOption = "30s",
        output: Annotated[
            Path | None,
            typer.Option(
                "--output",
                "-o",
                metavar="DIR",
                help="Directory to write.",
                show_default="./otterize-captures/<UTC time>",
            ),
        ] = None,
        mode: Mode = "0600",
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Print the manifests and stop.")
        ] = False,
        keep: Annotated[
            bool, typer.Option("--keep", help="Leave the Jobs on the cluster.")
        ] = False,
        yes: YesOption = False,
    ) -> None:
        """Record the traffic of a cluster's nodes into a directory; leave nothing behind.

        Ctrl-C stops recording and keeps what there is; a second one abandons it. Either way the
        Jobs are deleted.

        Example: otterize capture -n shop --duration 2m
        """
        if context_.invoked_subcommand is not None:
            return
        if namespace and all_namespaces:
            message = "-n and -A contradict each other; give one of them"
            raise UsageError(message)
        request = CaptureRequest(
            nodes=split_list(node),
            node_selector=node_selector,
            namespaces=split_list(namespace),
            pod_selector=pod_selector,
            seconds=parse_duration(duration, "--duration"),
            profile=profile,
            snaplen=snaplen,
            max_bytes=parse_size(max_size, "--max-size"),
            reduce=reduce_wish(
                disk, reduce_binary, image, wanted=reduce_ or reduce_binary is not None
            ),
            filter=filter_.strip(),
            interface=interface,
            image=image,
            image_pull_secrets=split_list(image_pull_secret),
            job_namespace=job_namespace,
            pending_seconds=parse_duration(pending_timeout, "--pending-timeout"),
            kubeconfig=kubeconfig,
            context=context,
            request_timeout=parse_duration(request_timeout, "--request-timeout"),
            directory=output or default_directory(),
            dry_run=dry_run,
            keep=keep,
            yes=yes,
        )
        with rights_of(parse_mode(mode)):
            capture_nodes(request, show_calls)

    @group.command()
    def cleanup(
        job_namespace: JobNamespaceOption = None,
        all_namespaces: Annotated[
            bool, typer.Option("--all-namespaces", "-A", help="In all namespaces.")
        ] = False,
        capture_id: Annotated[
            str | None, typer.Option("--id", help="Only of this capture.", show_default=False)
        ] = None,
        context: ContextOption = None,
        kubeconfig: KubeconfigOption = None,
        request_timeout: RequestTimeoutOption = "30s",
        yes: YesOption = False,
    ) -> None:
        """Delete the Jobs that captures left on the cluster, running ones too.

        Example: otterize capture cleanup --all-namespaces
        """
        seconds = parse_duration(request_timeout, "--request-timeout")
        clean_up(
            CleanUp(job_namespace, all_namespaces, capture_id, context, kubeconfig, seconds, yes)
        )

    group.command("reduce")(reduce)
    app.add_typer(group, name="capture")

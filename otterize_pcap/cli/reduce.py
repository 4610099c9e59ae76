"""`otterize reduce`: a capture without its packets, which every command reads in its place."""

from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from otterize_pcap.cli.inputs import newest_capture, watch_reading
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
from otterize_pcap.cli.terminal import notice
from otterize_pcap.counted import counted
from otterize_pcap.files.object_path import named_path
from otterize_pcap.files.opening import path_text
from otterize_pcap.files.writing import whole_file


def register(root: typer.Typer) -> None:
    """Add `reduce` to the command line."""
    root.command("reduce")(reduce)


def reduce(  # noqa: PLR0913 - one parameter an option
    captures: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=named_path,
            metavar="CAPTURE",
            help="Parts of one capture: a capture directory, pcap files with --snapshot, reduced "
            "captures. Default: the newest directory under ./otterize-captures/.",
            show_default=False,
        ),
    ] = None,
    *,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The Parquet file to write.", show_default=False
        ),
    ],
    snapshot: Annotated[
        list[Path] | None,
        typer.Option(
            parser=named_path,
            metavar="FILE",
            help="What `kubectl get -o json` printed: a file, or a directory of them. Repeatable.",
        ),
    ] = None,
    vxlan_port: VxlanPorts = None,
    geneve_port: GenevePorts = None,
    tunnel_endpoints: TunnelEndpoints = None,
    node: FileNodes = None,
    scheduler: Scheduler = "",
    threads: Threads = None,
    max_connections: MaxConnections = None,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print no summary on stderr.")
    ] = False,
) -> None:
    """Write a capture's connection table, with its snapshot, as one Parquet file.

    Every command reads it in place of the capture and answers the same; DuckDB, Polars, pandas and
    Spark read its rows.

    Example: otterize reduce my-capture/ -o my-capture.parquet
    """
    # pyarrow is imported by whoever reduces.
    from otterize_pcap.files.reduce_captures import reduce_captures  # noqa: PLC0415

    options = replace(
        reading_options(vxlan_port, geneve_port, threads, max_connections, node, scheduler),
        tunnel_endpoints=parse_endpoints(tunnel_endpoints),
    )
    paths = captures or [newest_capture()]
    with whole_file(output) as stream:
        found = reduce_captures(stream, paths, snapshot or (), options, watch_reading())
    if not quiet:
        size = output.stat().st_size
        rows, packets = counted(found.rows, "row"), counted(found.packets, "packet")
        notice(
            f"{path_text(output)}: {rows} of {packets}, {counted(size, 'byte')} "
            f"(captures: {found.packet_bytes:,})"
        )

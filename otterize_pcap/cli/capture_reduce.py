"""`otterize capture reduce`, which a Job of `otterize capture --reduce` runs, and its options."""

import hashlib
import os
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from otterize_pcap.addresses import AddressError, parse_address
from otterize_pcap.cli.quantities import parse_size
from otterize_pcap.cli.reading_options import GenevePorts, VxlanPorts, reading_options
from otterize_pcap.errors import CaptureError, UsageError
from otterize_pcap.files.opening import read_bytes

DISK = "100Mi"
SMALLEST_DISK = 64 << 20
"""tcpdump goes on at half of it, and what is in the buffers of four, 8 MiB each, comes at once."""
NICE = 10
"""tcpdump comes first."""


def reduce(
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Where tcpdump writes NAME.pcap, NAME.pcap1, ..."),
    ],
    disk: Annotated[
        str, typer.Option(metavar="SIZE", help="Most bytes of packets that lie there.")
    ] = DISK,
    memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Most address space of this process.")
    ] = "384Mi",
    tunnel_ends: Annotated[
        str,
        typer.Option(
            metavar="ADDRESSES", help="Addresses of nodes, with blanks between.", show_default=False
        ),
    ] = "",
    vxlan_port: VxlanPorts = None,
    geneve_port: GenevePorts = None,
) -> None:
    """Make tables of a recording while it goes on, until a file `recorded` says that it ended.

    A Job of `otterize capture --reduce` runs this on its node.

    Example: otterize capture reduce /capture --disk 200Mi
    """
    # With the packages that read packets.
    from otterize_pcap.files.reduce_recording import Reducer  # noqa: PLC0415

    most = parse_size(disk, "--disk")
    if most < SMALLEST_DISK:
        raise _too_small(disk)
    try:
        ends = frozenset(map(parse_address, tunnel_ends.split()))
    except AddressError as error:
        message = f"--tunnel-ends: {error}"
        raise UsageError(message) from error
    options = reading_options(vxlan_port, geneve_port, 1, None)
    _stay_small(parse_size(memory, "--memory"))
    try:
        Reducer(directory, most, options, ends).run()
    except ValueError as error:
        message = f"{directory}: its pcap files are not the parts of one recording"
        raise CaptureError(message) from error


class ReduceWish(Struct, frozen=True):
    """How `--reduce` is to be done: most bytes of packets on a node, and what is copied there."""

    disk_bytes: int
    binary: Path | None
    sha256: str | None


def reduce_wish(
    disk: str | None, binary: Path | None, image: str | None, *, wanted: bool
) -> ReduceWish | None:
    """What the options of reducing ask for; None where nothing is reduced.

    Raises:
        UsageError: They contradict each other, or what reduces is nowhere.
        InputError: The binary cannot be read.
    """
    if not wanted:
        if disk is not None:
            message = "--disk bounds what waits to be reduced; give it with --reduce"
            raise UsageError(message)
        return None
    size = parse_size(disk or DISK, "--disk")
    if size < SMALLEST_DISK:
        raise _too_small(disk)
    if binary is None:
        if image is None:
            message = (
                "--reduce needs otterize on the nodes, and the default image has none; give "
                "--reduce-binary FILE (the one-file binary), or --image with one that has it "
                "(scripts/capture-image/Dockerfile)"
            )
            raise UsageError(message)
        return ReduceWish(size, None, None)
    return ReduceWish(size, binary, hashlib.sha256(read_bytes(binary)).hexdigest())


def _too_small(disk: object) -> UsageError:
    return UsageError(
        f"--disk {disk!r} is smaller than {SMALLEST_DISK >> 20}Mi, which the buffers of tcpdump "
        "may fill at once"
    )


def _stay_small(memory: int) -> None:
    """Bound the memory of this process, and let others go first, where the system can."""
    try:
        import resource  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    os.nice(NICE)

"""`otterize anonymise`: a capture that can be given to others."""

import os
from collections.abc import Iterator
from pathlib import Path
from secrets import token_bytes
from typing import Annotated

import typer

from otterize_pcap.anonymise.keyed import KEY_BYTES
from otterize_pcap.anonymise.renaming import Renaming
from otterize_pcap.cli.quantities import LONGEST_SPAN_S, parse_duration
from otterize_pcap.cli.reading_options import GenevePorts, VxlanPorts, reading_options
from otterize_pcap.cli.terminal import notice
from otterize_pcap.counted import counted
from otterize_pcap.errors import InputError, UsageError
from otterize_pcap.files.anonymised_capture import Anonymised, anonymise_capture
from otterize_pcap.files.object_path import named_path
from otterize_pcap.files.opening import path_text, read_bytes
from otterize_pcap.system_errors import system_reason
from otterize_pcap.table.rows import SLOT_NS
from otterize_pcap.timestamps import SECOND_NS

SLOT_S = SLOT_NS // SECOND_NS


def register(root: typer.Typer) -> None:
    """Add `anonymise` to the command line."""
    root.command("anonymise")(anonymise)


def anonymise(  # noqa: PLR0913, PLR0917 - one parameter an option
    capture: Annotated[
        Path,
        typer.Argument(
            parser=named_path, metavar="CAPTURE", help="A capture directory, or a pcap file."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="DIR", help="The directory to make.", show_default=False
        ),
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The secret that decides what stands for what, so that captures come out alike; "
            "made where it is missing. Default: one that is used once and kept nowhere.",
            show_default=False,
        ),
    ] = None,
    keep_dns: Annotated[
        bool,
        typer.Option("--keep-dns", help="Keep DNS and the server names of TLS, under other names."),
    ] = False,
    shift_times: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Make every time earlier by so much, a multiple of 30s, as 8760h.",
            show_default=False,
        ),
    ] = None,
    snapshot: Annotated[
        list[Path] | None,
        typer.Option(
            parser=named_path,
            metavar="FILE",
            help="A snapshot to take in place of the directory's own. Repeatable.",
        ),
    ] = None,
    vxlan_port: VxlanPorts = None,
    geneve_port: GenevePorts = None,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Print no summary on stderr.")
    ] = False,
) -> None:
    """Write a capture that maps alike, with other names and addresses and without payload.

    Example: otterize anonymise my-capture/ -o to-share/ --key secret.key
    """
    later_ns = -_shift(shift_times) * SECOND_NS
    secret = token_bytes(KEY_BYTES) if key is None else _key(key, output)
    done = anonymise_capture(
        capture,
        output,
        Renaming.by(secret, later_ns),
        snapshots=tuple(snapshot or ()),
        keep_dns=keep_dns,
        reading=reading_options(vxlan_port, geneve_port, None, None),
    )
    for line in () if quiet else _summary(done, output):
        notice(line)


def _shift(text: str | None) -> int:
    """Seconds; whole slots of the connection table, so that its rows stay the same."""
    seconds = 0 if text is None else parse_duration(text, "--shift-times", LONGEST_SPAN_S)
    if seconds % SLOT_S:
        message = f"--shift-times {text}: not a multiple of {SLOT_S}s, which keeps the map the same"
        raise UsageError(message)
    return seconds


def _write_new(path: Path, descriptor: int, content: bytes) -> None:
    """Write a file that was just made, and leave none that has not all of it."""
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _key(path: Path, output: Path) -> bytes:
    """The secret in a file, made where there is none; only its owner may read it."""
    if path.resolve().is_relative_to(output.resolve()):
        message = f"--key {path_text(path)}: inside of what is to be shared; keep it elsewhere"
        raise UsageError(message)
    try:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            text = read_bytes(path)
        else:
            text = token_bytes(KEY_BYTES).hex().encode()
            _write_new(path, descriptor, text + b"\n")
        secret = bytes.fromhex(text.decode("ascii"))
    except OSError as error:
        message = f"--key {path_text(path)}: {system_reason(error)}; name another file"
        raise InputError(message) from error
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        message = (
            f"--key {path_text(path)}: not {2 * KEY_BYTES} hexadecimal digits; name a file that is "
            "not there yet, and it is made"
        )
        raise UsageError(message)
    return secret


def _summary(done: Anonymised, output: Path) -> Iterator[str]:
    yield f"{path_text(output)}: {counted(done.packets, 'packet')} anonymised"
    if done.unknown:
        unknown = counted(done.unknown, "packet was", "packets were")
        yield f"  {unknown} not understood: of them only time and length are left"
    if done.names:
        said = counted(done.names, "packet says", "packets say")
        yield f"  {said} a name, another one than before"
    for path in done.left_out:
        yield f"  left out: {path}"
    yield from (f"  {damage}" for damage in done.damage)

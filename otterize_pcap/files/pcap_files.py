"""Pcap files → the recording of each node; one that cannot be read costs itself alone."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from otterize_pcap.capture_dir import Manifest, decode_manifest, manifest_path
from otterize_pcap.errors import CaptureError
from otterize_pcap.files.copies import without_copies
from otterize_pcap.files.found_files import FoundFiles, left_out
from otterize_pcap.files.joined_tables import joined_table
from otterize_pcap.files.manifest_files import ListedFile
from otterize_pcap.files.opening import STDIN, open_stream, path_text, read_bytes
from otterize_pcap.files.read_recording import (
    Opened,
    ReadRecording,
    as_it_is,
    read_planned,
    read_recording,
    unwatched,
)
from otterize_pcap.files.recordings import (
    Planned,
    Watch,
    are_parts,
    named_nodes,
    plan_recordings,
    separated,
)
from otterize_pcap.files.table_files import is_table_file, table_time
from otterize_pcap.files.tar_members import holds_several, members_of
from otterize_pcap.node_status import NodeStatus
from otterize_pcap.table.read import CaptureTable, ReadOptions, first_time


class UnreadFile(Struct, frozen=True):
    """A file that could not be read, the node that it is of, and why."""

    path: Path
    node: str
    error: CaptureError

    @property
    def reason(self) -> str:
        """Why, without the file's name."""
        return str(self.error).removeprefix(f"{path_text(self.path)}: ")


class ReadFiles(Struct, frozen=True):
    """Recordings by node, in the order of their files; what was not read; what else to say.

    `aside` counts what is of no account in their directories. `compared` are files that workers
    compared with a manifest: in what each is another one, None where it is not.
    """

    recordings: tuple[tuple[str, CaptureTable], ...]
    unread: tuple[UnreadFile, ...] = ()
    notes: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    compared: Mapping[Path, str | None] = field(default_factory=dict)


class Wanted(Struct, frozen=True):
    """What to read: files, of which nodes some of them are, and which were named themselves.

    `known` are names of nodes; one that was named itself must exist. `apart` is for those who put
    the files of a node together later: each keeps its own table. `listed` is what manifests say of
    some, for workers to compare.
    """

    files: Sequence[Path]
    nodes: Mapping[Path, str]
    named: Collection[Path] = ()
    known: Collection[str] = ()
    apart: bool = False
    listed: Mapping[Path, ListedFile] = field(default_factory=dict)


def read_manifest(directory: Path) -> Manifest | None:
    """The manifest of a capture directory, if it has one."""
    path = manifest_path(directory)
    return decode_manifest(read_bytes(path), str(path)) if path.exists() else None


def refuse_empty(directory: Path, found: FoundFiles, manifest: Manifest | None) -> None:
    """Stop where a directory holds no captures, unless its manifest says that none was made.

    Raises:
        CaptureError: There are none.
    """
    made = manifest is None or any(node.status is NodeStatus.CAPTURED for node in manifest.nodes)
    if not found.captures and made:
        where = path_text(directory)
        message = f"{where}: no capture files in this directory; is it a capture directory?"
        raise CaptureError("; ".join((message, *found.notes)))


def read_files(
    wanted: Wanted, options: ReadOptions, watch: Watch = unwatched, opened: Opened = as_it_is
) -> ReadFiles:
    """Read files, those of one node as one recording; where nothing else says, by their names.

    A tar archive of several captures is as many files.

    Raises:
        CaptureError: None of them can be read, or one that was named itself is missing.
        UsageError: `--node` is for a file that is not read.
    """
    wanted, unpacked = _with_members(wanted)
    said = {**wanted.nodes, **named_nodes(wanted.files, options.file_nodes)}
    files, copied = without_copies(wanted.files, wanted.nodes)
    times, errors = _first_times(files, wanted.named)
    unread: list[UnreadFile] = []
    plans: list[Planned] = []
    for planned in plan_recordings(files, said, wanted.known):
        unread += [
            UnreadFile(path, planned.node, errors[path]) for path in planned.paths if path in errors
        ]
        if (readable := planned.in_order(times)).paths:
            plans.append(readable)
    if options.scheduler or wanted.apart:
        results = _read_apart(plans, options, watch, opened, wanted.listed)
        results = results if wanted.apart else _joined(results, options)
    else:
        results = _read_together(plans, options, watch, opened)
    unread += [
        UnreadFile(path, result.node, error)
        for result in results
        for path, error in result.errors.items()
    ]
    return _read(results, unread, (*unpacked, *copied))


def _with_members(wanted: Wanted) -> tuple[Wanted, list[str]]:
    """The same with the captures of archives in their place, and a note on what else is there."""
    files: list[Path] = []
    notes: list[str] = []
    for path in wanted.files:
        members = members_of(path) if holds_several(path) else None
        if members is None or members.is_directory:
            # Read as one capture, which fails where it is a directory with a manifest.
            files.append(path)
        else:
            files += members.captures
            notes += left_out(path, members.others, "no capture")
    return replace(wanted, files=files), notes


def _read_together(
    plans: Sequence[Planned], options: ReadOptions, watch: Watch, opened: Opened
) -> list[ReadRecording]:
    """Recordings as planned, but those apart that turn out to be several."""
    results: list[ReadRecording] = []
    for planned, result in zip(plans, read_planned(plans, options, watch, opened), strict=True):
        if planned.is_guess and result.table and not are_parts(result.table.part_times):
            results += [read_recording(each, options, watch) for each in separated(planned)]
        else:
            results.append(result)
    return results


def _read_apart(
    plans: Sequence[Planned],
    options: ReadOptions,
    watch: Watch,
    opened: Opened,
    listed: Mapping[Path, ListedFile],
) -> list[ReadRecording]:
    """Each file of each recording, under the node that it is of."""
    files = [Planned(planned.node, (path,)) for planned in plans for path in planned.paths]
    if options.scheduler:
        # With what it brings along, this takes half a second.
        from otterize_pcap.files.worker_reading import read_by_workers  # noqa: PLC0415

        read = iter(read_by_workers(files, options, listed))
    else:
        read = iter(read_planned(files, options, watch, opened))
    results: list[ReadRecording] = []
    for planned in plans:
        found = [next(read) for _ in planned.paths]
        times = [each for result in found if result.table for each in result.table.part_times]
        if planned.is_guess and not are_parts(times):
            found = [
                replace(result, node=node)
                for result, node in zip(found, planned.apart, strict=True)
            ]
        results += found
    return results


def _joined(results: Sequence[ReadRecording], options: ReadOptions) -> list[ReadRecording]:
    """Files that were read apart, those of one node as one recording."""
    by_node: dict[str, list[ReadRecording]] = {}
    for result in results:
        by_node.setdefault(result.node, []).append(result)
    joined = []
    for node, found in by_node.items():
        tables = [result.table for result in found if result.table is not None]
        table = joined_table(tables, options) if tables else None
        errors = {path: error for result in found for path, error in result.errors.items()}
        notes = tuple(note for result in found for note in result.notes)
        compared = {path: why for each in found for path, why in each.differences.items()}
        joined.append(ReadRecording(node, table, errors, notes, compared))
    return joined


def _read(
    results: Sequence[ReadRecording], unread: Sequence[UnreadFile], notes: Sequence[str]
) -> ReadFiles:
    recordings = tuple(
        (path_text(result.node), result.table) for result in results if result.table is not None
    )
    if unread and not recordings:
        raise unread[0].error
    said = (note for result in results for note in result.notes)
    compared = {path: why for result in results for path, why in result.differences.items()}
    told = (*notes, *dict.fromkeys(said))
    return ReadFiles(recordings, tuple(unread), told, compared=compared)


def _first_times(
    files: Sequence[Path], named: Collection[Path]
) -> tuple[dict[Path, int | None], dict[Path, CaptureError]]:
    """When each file's first packet was, and what keeps some from being read."""
    times: dict[Path, int | None] = {}
    errors: dict[Path, CaptureError] = {}
    for path in files:
        times[path] = None
        # What is no file, such as a pipe, can be opened once.
        if path == STDIN or (path.exists() and not path.is_file() and not path.is_dir()):
            continue
        with ExitStack() as stack:
            try:
                stream = open_stream(stack, path)
            except CaptureError as error:
                if path in named:
                    raise
                errors[path] = error
                continue
            try:
                time_of = table_time if is_table_file(path) else first_time
                times[path] = time_of(stream, path_text(path))
            except CaptureError as error:
                errors[path] = error
    return (
        {path: time for path, time in times.items() if path not in errors},
        errors,
    )

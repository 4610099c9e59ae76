"""A capture → a directory with the same capture anonymised; all of it, or nothing at all."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from shutil import rmtree

from msgspec import Struct, field

from otterize_pcap.anonymise.frames import FrameAnonymiser
from otterize_pcap.anonymise.link_headers import link_type_of
from otterize_pcap.anonymise.manifest import anonymise_manifest
from otterize_pcap.anonymise.node_files import anonymise_node_file
from otterize_pcap.anonymise.pcapng_writer import Written, pcapng_file
from otterize_pcap.anonymise.renaming import Renaming
from otterize_pcap.anonymise.said_names import Where, said_names
from otterize_pcap.anonymise.snapshot_document import anonymise_snapshot
from otterize_pcap.capture_dir import (
    CapturedFile,
    Manifest,
    decode_manifest,
    encode_manifest,
    manifest_path,
    node_dir,
    nodes_dir,
    pcap_dir,
    snapshot_path,
)
from otterize_pcap.errors import CaptureError, InputError, UsageError
from otterize_pcap.files.flow_log_files import flow_logs_named
from otterize_pcap.files.found_files import find_captures
from otterize_pcap.files.manifest_files import listed_files
from otterize_pcap.files.node_folders import MAX_CONNTRACK_BYTES
from otterize_pcap.files.opening import STDIN, open_stream, path_text, read_bytes
from otterize_pcap.files.pcap_files import Wanted, read_files, refuse_empty
from otterize_pcap.files.plain_files import open_plain
from otterize_pcap.files.recordings import plan_recordings
from otterize_pcap.files.snapshot_files import snapshot_documents
from otterize_pcap.files.table_files import is_table_file
from otterize_pcap.packets.ports import TunnelPorts
from otterize_pcap.records.containers import OpenCapture, open_capture
from otterize_pcap.snapshot.odd_fields import OddFields
from otterize_pcap.system_errors import system_reason
from otterize_pcap.table.chunk import ReadOptions
from otterize_pcap.table.read import first_time
from otterize_pcap.timestamps import TimeError

DIRECTORY_MODE, FILE_MODE = 0o700, 0o600


class Anonymised(Struct):
    """What became of a capture.

    `packets` were read, `unknown` of them not understood and so emptied; `names` are packets that
    say a name. `left_out` are files that no rule reads, `damage` says where reading stopped early.
    """

    packets: int = 0
    unknown: int = 0
    names: int = 0
    left_out: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)


def anonymise_capture(
    source: Path,
    target: Path,
    renaming: Renaming,
    *,
    snapshots: Sequence[Path] = (),
    keep_dns: bool = False,
    reading: ReadOptions = ReadOptions(),
) -> Anonymised:
    """Write a capture directory, or a pcap file, into a new directory, anonymised.

    Args:
        source: The capture.
        target: The directory to make; an empty one will do.
        renaming: What stands for what.
        snapshots: Snapshot files in place of the directory's own.
        keep_dns: Keep DNS answers and the server names of TLS, renamed.
        reading: Where tunnels are looked for.

    Raises:
        InputError: A file cannot be read or written.
        UsageError: There is something at `target` already, or `source` is standard input.
    """
    _refuse_unusable(source, target)
    beside = target.with_name(f".{target.name}.{token_hex(8)}")
    try:
        beside.mkdir(mode=DIRECTORY_MODE, parents=True)
        try:
            done = _Work(source, beside, renaming, reading).run(snapshots, keep_dns=keep_dns)
            beside.replace(target)
        finally:
            rmtree(beside, ignore_errors=True)
    except OSError as error:
        message = f"{path_text(target)}: {system_reason(error)}; choose another directory with -o"
        raise InputError(message) from error
    return done


def _refuse_unusable(source: Path, target: Path) -> None:
    if source == STDIN:
        message = "CAPTURE is read more than once, which standard input cannot be; save it first"
        raise UsageError(message)
    if flow_logs_named([source]):
        message = (
            f"{path_text(source)}: a flow log, of which no anonymised form is made; give packets"
        )
        raise UsageError(message)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        message = f"{path_text(target)}: there is something already; name a new directory with -o"
        raise UsageError(message)


class _Work:
    """One capture being written."""

    def __init__(
        self, source: Path, target: Path, renaming: Renaming, reading: ReadOptions
    ) -> None:
        self._source = source
        self._target = target
        self._renaming = renaming
        self._reading = reading
        self._tunnels = TunnelPorts(reading.vxlan_ports, reading.geneve_ports)
        self._done = Anonymised()

    def run(self, snapshots: Sequence[Path], *, keep_dns: bool) -> Anonymised:
        """Write all of it."""
        is_directory = self._source.is_dir()
        manifest = self._manifest() if is_directory else None
        files: tuple[Path, ...] = (self._source,)
        if is_directory:
            found = find_captures(self._source)
            refuse_empty(self._source, found, manifest)
            files = found.captures
        for path in filter(is_table_file, files):
            message = (
                f"{path_text(path)}: a table that the node made, which has no packets to anonymise"
            )
            raise CaptureError(message)
        listed = listed_files(self._source, manifest)
        nodes = {file.path: file.node for file in listed if file.path is not None}
        said = self._said(files, nodes) if keep_dns else {}
        self._done.names = len(said)
        written = {
            planned.node: self._recording(planned.node, planned.paths, said)
            for planned in plan_recordings(files, nodes)
        }
        self._snapshots(snapshots)
        if is_directory:
            self._node_files()
        if manifest is not None:
            self._write_manifest(manifest, written)
        return self._done

    def _manifest(self) -> Manifest | None:
        path = manifest_path(self._source)
        return decode_manifest(read_bytes(path), path_text(path)) if path.exists() else None

    def _write_manifest(
        self, manifest: Manifest, written: dict[str, tuple[CapturedFile, ...]]
    ) -> None:
        try:
            renamed = anonymise_manifest(manifest, written, self._renaming)
        except TimeError as error:
            message = f"{path_text(manifest_path(self._source))}: {error}; mend it, or delete it"
            raise CaptureError(message) from error
        self._write(manifest_path(self._target), [encode_manifest(renamed)])

    def _said(self, files: Sequence[Path], nodes: Mapping[Path, str]) -> dict[Where, bytes]:
        options = ReadOptions(
            vxlan_ports=self._reading.vxlan_ports,
            geneve_ports=self._reading.geneve_ports,
            collect_names=True,
        )
        payloads = (
            (table.files[payload.part], payload)
            for _, table in read_files(Wanted(files, nodes), options).recordings
            for payload in table.payloads
        )
        return said_names(payloads, self._renaming.addresses, self._renaming.names)

    def _recording(
        self, node: str, paths: Sequence[Path], said: Mapping[Where, bytes]
    ) -> tuple[CapturedFile, ...]:
        """The files of one node, in the order of their times."""
        renamed = self._renaming.names.name(path_text(node))
        found: list[CapturedFile] = []
        with ExitStack() as stack:
            parts = [(path_text(path), open_stream(stack, path)) for path in paths]
            if len(parts) > 1:
                # Those without packets come last.
                times = {name: first_time(stream, name) for name, stream in parts}
                parts.sort(key=lambda part: (times[part[0]] is None, times[part[0]] or 0, part[0]))
            for number, (name, stream) in enumerate(parts):
                capture = open_capture(stream, name)
                path = pcap_dir(self._target) / (
                    f"{renamed}.{number}.pcapng" if number else f"{renamed}.pcapng"
                )
                frames = self._frames(capture, name, said)
                found.append(self._write(path, pcapng_file(frames, _dropped(capture))))
                ending = capture.reader.ending
                self._done.damage += filter(None, (ending.damage, capture.damage))
        return tuple(found)

    def _frames(
        self, capture: OpenCapture, name: str, said: Mapping[Where, bytes]
    ) -> Iterator[Written]:
        frames = FrameAnonymiser(self._renaming.addresses, self._tunnels)
        reader = capture.reader
        while (record := reader.next()) is not None:
            frame = frames.rewrite(record, said.get((name, record.number)))
            self._done.packets += 1
            self._done.unknown += not frame.is_understood
            yield (
                link_type_of(record.link_type),
                record.interface,
                self._renaming.time_ns(record.time_ns),
                frame.original_length,
                frame.data,
            )

    def _snapshots(self, given: Sequence[Path]) -> None:
        """One as the directory's own, several into a folder that `--snapshot` takes."""
        own = snapshot_path(self._source)
        paths = list(given) or ([own] if own.exists() else [])
        odd = OddFields()
        read, foreign = snapshot_documents(paths)
        documents: list[bytes] = []
        for name, document in read:
            try:
                if isinstance(document, InputError):
                    raise document
                documents.append(anonymise_snapshot(document, name, self._renaming, odd))
            except InputError:
                if name not in foreign:
                    raise
                self._done.left_out.append(name)
        self._done.left_out += sorted(odd.fields | odd.files)
        if len(documents) == 1:
            self._write(snapshot_path(self._target), documents)
            return
        for number, whole in enumerate(documents, 1):
            self._write(self._target / "snapshots" / f"{number}.json", [whole])

    def _node_files(self) -> None:
        saved = (path for path in nodes_dir(self._source).glob("*/*") if path.is_file())
        for path in sorted(saved):
            with open_plain(path) as file:
                text = file.read(MAX_CONNTRACK_BYTES).decode("utf-8", "replace")
            treated = anonymise_node_file(path.name, text, self._renaming)
            if treated is None:
                self._done.left_out.append(path_text(path))
                continue
            node = self._renaming.names.name(path_text(path.parent.name))
            self._write(node_dir(self._target, node) / path.name, [treated.encode()])

    def _write(self, path: Path, content: Iterable[bytes]) -> CapturedFile:
        """A file that only its owner can read; what it is in a manifest."""
        # `mkdir` gives its mode to the last directory only.
        for folder in reversed(path.parents[: -len(self._target.parents) - 1]):
            folder.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        hashed, size = hashlib.sha256(), 0
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            for piece in content:
                file.write(piece)
                hashed.update(piece)
                size += len(piece)
        return CapturedFile(path.relative_to(self._target).as_posix(), size, hashed.hexdigest())


def _dropped(capture: OpenCapture) -> Iterator[int]:
    """What a capture says it lost, once it was read."""
    dropped = capture.reader.ending.dropped
    if dropped is not None:
        yield dropped

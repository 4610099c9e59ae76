"""Pcap files → the recording of each node."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

from otterize_pcap.capture_dir import Manifest, decode_manifest, manifest_path, pcap_dir
from otterize_pcap.files.opening import STDIN, open_stream, path_text, read_bytes
from otterize_pcap.table.read import (
    CaptureTable,
    Progress,
    ReadOptions,
    ordered_parts,
    read_parts,
)

# node.pcap, node.1.pcap, node.pcap3 (tcpdump -C), each perhaps compressed.
PCAP_NAME = re.compile(r"(?P<node>.+?)(\.\d+)?\.(pcapng|pcap|cap)\d*(\.(gz|zst|lz4))?")
MOST_UNEVEN = 1.2
"""How many times as long as the ideal reading recordings side by side may take."""

Watch = Callable[[str, Sequence[Path]], AbstractContextManager[Progress | None]]
"""Told a recording's name and files before it is read; says who wants to know how far it is."""


def unwatched(_name: str, _paths: Sequence[Path]) -> AbstractContextManager[Progress | None]:
    """Nobody wants to know how far reading is."""
    return nullcontext()


def read_recordings(
    paths: Sequence[Path], options: ReadOptions, watch: Watch = unwatched
) -> list[tuple[str, CaptureTable]]:
    """Read the pcap files that the paths name or hold, without snapshots, by node.

    Raises:
        InputError: A file is missing, unreadable or no capture.
    """
    files: list[Path] = []
    nodes: dict[Path, str] = {}
    for path in paths:
        if path == STDIN or not path.is_dir():
            files.append(path)
            continue
        if manifest_path(path).exists():
            manifest = decode_manifest(read_bytes(manifest_path(path)), str(manifest_path(path)))
            nodes |= nodes_by_file(path, manifest)
        files += pcap_files(path)
    return read_nodes(files, nodes, options, watch)


def pcap_files(directory: Path) -> list[Path]:
    """The pcap files of a capture directory, or of one that was made by hand."""
    folder = pcap_dir(directory) if pcap_dir(directory).is_dir() else directory
    return sorted(
        entry for entry in folder.iterdir() if PCAP_NAME.fullmatch(entry.name) and entry.is_file()
    )


def nodes_by_file(path: Path, manifest: Manifest | None) -> dict[Path, str]:
    """Which node each file of a capture directory was recorded on, as its manifest says."""
    if manifest is None:
        return {}
    return {path / file.path: node.name for node in manifest.nodes for file in node.files}


def read_nodes(
    files: Sequence[Path],
    nodes: Mapping[Path, str],
    options: ReadOptions,
    watch: Watch = unwatched,
) -> list[tuple[str, CaptureTable]]:
    """Read files, those of one node as one recording; where `nodes` is silent, by their names.

    Raises:
        CaptureError: A file is missing, unreadable or no capture.
    """
    parts = files_by_node(files, nodes)
    if len(parts) > 1 and options.threads > 1 and _are_balanced(parts.values(), options.threads):
        # With concurrent.futures, and logging that it brings along, this takes 5 ms.
        from otterize_pcap.files.read_side_by_side import read_side_by_side  # noqa: PLC0415

        tables = read_side_by_side(parts, options, watch, read_node)
    else:
        tables = [
            read_node(path_text(node), paths, options, watch) for node, paths in parts.items()
        ]
    return [(path_text(Path(node).name), table) for node, table in zip(parts, tables, strict=True)]


def files_by_node(files: Sequence[Path], nodes: Mapping[Path, str]) -> dict[str, list[Path]]:
    """Files by the node that they were recorded on; a path whose last part is its name."""
    parts: dict[str, list[Path]] = {}
    for path in sorted(files):
        # Files named alike in two directories are two recordings.
        node = nodes.get(path) or (_node_of(path) if nodes else str(path.parent / _node_of(path)))
        parts.setdefault(node, []).append(path)
    return parts


def _are_balanced(recordings: Iterable[Sequence[Path]], threads: int) -> bool:
    """Whether a recording a thread takes hardly longer than all threads on one after the other.

    Where a recording is cut for several threads, what they made has to be joined again, which
    takes a twelfth of the time and half of the memory more.
    """
    sizes = [
        sum(path.stat().st_size if path.is_file() else 0 for path in paths) for paths in recordings
    ]
    loads = [0] * threads
    for size in sorted(sizes, reverse=True):
        loads[loads.index(min(loads))] += size
    return max(loads) * threads <= MOST_UNEVEN * sum(sizes)


def read_node(node: str, paths: Sequence[Path], options: ReadOptions, watch: Watch) -> CaptureTable:
    """Read the files of one node as one recording; see `read_nodes`."""
    with ExitStack() as stack:
        streams = [(path_text(path), open_stream(stack, path)) for path in paths]
        progress = stack.enter_context(watch(Path(node).name, paths))
        return read_parts(ordered_parts(streams), node, options, progress)


def _node_of(path: Path) -> str:
    match = PCAP_NAME.fullmatch(path.name)
    return match["node"] if match else path.name

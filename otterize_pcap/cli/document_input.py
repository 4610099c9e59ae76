"""From paths to service graphs where a path may be a document: graph JSON or ClientIntents."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from otterize_pcap.cli.graph_input import read_graph
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.terminal import notice
from otterize_pcap.errors import InputError, UsageError
from otterize_pcap.files.captures_inside import captures_inside
from otterize_pcap.files.flow_log_files import flow_logs_among, flow_logs_inside
from otterize_pcap.files.found_files import find_captures, is_capture_directory
from otterize_pcap.files.opening import STDIN, path_text, read_bytes
from otterize_pcap.files.pcap_files import refuse_empty
from otterize_pcap.files.plain_files import open_plain
from otterize_pcap.graph.filters import filter_graph
from otterize_pcap.graph.graph_format import decode_graph, is_graph_json
from otterize_pcap.graph.naming import printable
from otterize_pcap.graph.service_graph import ServiceGraph
from otterize_pcap.resolve.merge_graphs import merge_as_they_come
from otterize_pcap.system_errors import system_reason

if TYPE_CHECKING:
    from otterize_pcap.intents.places import Places
    from otterize_pcap.intents.sort_files import NamedFile

DOCUMENTS = (".yaml", ".yml", ".json")
TEXT_START = 1024
SILENT = Reporting(quiet=True)


def read_either(path: Path, selection: Selection, reporting: Reporting = SILENT) -> ServiceGraph:
    """The graph of an export (a file, or a directory of them), or of a capture.

    A directory is a capture where it holds a snapshot, pcap files or flow logs, a file where it is
    no text or a flow log. One that holds captures stands for these, and for graph JSON beside them.
    """
    if (apart := _apart([path])) != [path]:
        return read_observed(apart, selection, reporting)
    if path != STDIN and holds_traffic(path):
        return read_graph([path], selection)
    if path.is_dir() and not _documents(path):
        refuse_empty(path, find_captures(path), None)
    return _declared([path], selection, reporting)


def _is_document(path: Path) -> bool:
    """Whether a path is no capture: a directory of documents, or a text that declares calls."""
    if path == STDIN or not path.exists() or holds_traffic(path):
        return False
    if path.is_dir():
        return bool(_documents(path))
    content = read_bytes(path) if path.is_file() else b""
    return is_graph_json(content) or b"ClientIntents" in content


def _declared(paths: Sequence[Path], selection: Selection, reporting: Reporting) -> ServiceGraph:
    """The graph of documents, of the clients that are asked for.

    Raises:
        UsageError: A time is asked for; a document has sums alone.
    """
    if selection.rules.time:
        where = ", ".join(map(path_text, paths))
        message = f"{where}: no packets, which --from, --to and --last need; give the capture"
        raise UsageError(message)
    return filter_graph(read_declared(paths, reporting), selection.wanted)


def read_observed(
    paths: Sequence[Path] | None, selection: Selection, reporting: Reporting = SILENT
) -> ServiceGraph:
    """The graph of captures, and of graph JSON and exports among them."""
    paths = None if paths is None else _apart(paths)
    documents = [path for path in paths or () if _is_document(path)]
    if not documents:
        return read_graph(paths, selection)
    captures = [path for path in paths or () if path not in documents]
    seen = (read_graph(each, selection) for each in (captures,) if each)
    declared = (_declared([path], selection, reporting) for path in documents)
    return merge_as_they_come(chain(declared, seen))


def _apart(paths: Sequence[Path]) -> list[Path]:
    """Paths with captures, and graph JSON beside them, in the place of directories of these."""
    found: list[Path] = []
    for path in paths:
        inside = captures_inside(path)
        beside = sorted(path.glob("*.json")) if inside else ()
        found += inside or [path]
        found += [each for each in beside if each.is_file() and is_graph_json(read_bytes(each))]
    return found


def read_allowed(
    paths: Sequence[Path], selection: Selection, reporting: Reporting = SILENT
) -> ServiceGraph:
    """The graph of documents, or of whatever else a single path holds."""
    if len(paths) == 1 and (not paths[0].is_dir() or holds_traffic(paths[0])):
        return read_either(paths[0], selection, reporting)
    return _declared(paths, selection, reporting)


def read_declared(paths: Sequence[Path], reporting: Reporting = SILENT) -> ServiceGraph:
    """The graph that documents declare; each path is a file or a directory of them.

    What is no ClientIntents is left out, and said to be.
    """
    # A list of a capture needs none of it.
    from otterize_pcap.intents.read_intents import parse_intents  # noqa: PLC0415
    from otterize_pcap.intents.sort_files import NOT_PARSED, sort_files  # noqa: PLC0415

    files = [file for path in paths for file in document_files(path)]
    graphs = [file for file in files if is_graph_json(file.content)]
    seen = (decode_graph(file.content, file.name) for file in graphs)
    if graphs and len(graphs) == len(files):
        return merge_as_they_come(seen)
    sorted_files = sort_files([file for file in files if file not in graphs])
    if not sorted_files.intents:
        message = f"{', '.join(map(path_text, paths))}: no ClientIntents in this directory ("
        message += f"found {listed_kinds(sorted_files.left_out)}); name the one that declares calls"
        raise InputError(message)
    if sorted_files.left_out and not reporting.quiet:
        notice(
            f"note: left out, since they declare no calls: {listed_kinds(sorted_files.left_out)}"
        )
    if reporting.verbose:
        for name in sorted_files.unparsed:
            notice(f"  note: {printable(name)}: {NOT_PARSED}")
    return merge_as_they_come(chain(seen, (parse_intents(sorted_files.intents),)))


def listed_kinds(found: Counter[str]) -> str:
    """What was left out, the most frequent first."""
    order = sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{count} {printable(kind)}" for kind, count in order)


def read_places(paths: Sequence[Path]) -> "Places":
    """Where documents declare their calls; for captures and graphs, the first path alone.

    Standard input, which can be read once only, has no places.
    """
    from otterize_pcap.intents.places import Places, declared_places  # noqa: PLC0415 - as above
    from otterize_pcap.intents.sort_files import sort_files  # noqa: PLC0415

    if STDIN in paths:
        return Places()
    first = path_text(paths[0].as_posix())
    if any(map(holds_traffic, paths)):
        return Places(first)
    files = [file for path in paths for file in document_files(path)]
    if len(files) == 1 and is_graph_json(files[0].content):
        return Places(first)
    documents = sort_files(files).intents
    return Places(documents[0][0], tuple(declared_places(documents)))


def document_files(path: Path) -> Iterator["NamedFile"]:
    """The files that a path stands for: itself, or all documents below a directory."""
    from otterize_pcap.intents.sort_files import NamedFile  # noqa: PLC0415 - as above

    if not path.is_dir():
        yield NamedFile(path_text(path), read_bytes(path))
        return
    inside = _documents(path)
    if not inside:
        message = f"{path}: neither a capture directory nor a directory of documents"
        raise InputError(message)
    for entry in inside:
        yield NamedFile(path_text(entry), read_bytes(entry), in_folder=len(inside) > 1)


def holds_traffic(path: Path) -> bool:
    """Whether a path holds packets or flows, and no document that declares calls."""
    if path.is_dir():
        return (
            is_capture_directory(path)
            or bool(captures_inside(path))
            or bool(flow_logs_inside(path))
        )
    return path.is_file() and (not _is_text(path) or bool(flow_logs_among([path])))


def _documents(directory: Path) -> list[Path]:
    return sorted(
        entry for entry in directory.rglob("*") if entry.suffix in DOCUMENTS and entry.is_file()
    )


def _is_text(path: Path) -> bool:
    """Whether a file starts like a document; captures hold zero bytes from the start."""
    try:
        with open_plain(path) as file:
            return b"\0" not in file.read(TEXT_START)
    except OSError as error:
        message = f"{path}: {system_reason(error)}; check the path and its permissions"
        raise InputError(message) from error

"""What `otterize capture` prints at its end: the calls that the capture holds."""

from pathlib import Path

from otterize_pcap.capture_dir import decode_manifest, manifest_path
from otterize_pcap.cli.graph_input import read_graph, report
from otterize_pcap.cli.selection import Reporting, Selection
from otterize_pcap.cli.terminal import emit, notice
from otterize_pcap.files.opening import read_bytes
from otterize_pcap.graph.filters import GraphFilter
from otterize_pcap.render.list_text import render_list
from otterize_pcap.resolve.build_graph import Inclusion
from otterize_pcap.resolve.capture_lookup import Rules


def show_calls(directory: Path) -> None:
    """Print the calls in a capture directory, of the clients that the capture was asked for."""
    graph = read_graph([directory], _asked_for(directory))
    emit(render_list(graph), None)
    report(graph, Reporting())


def _asked_for(directory: Path) -> Selection:
    """What `capture -n` and `--pod-selector` select; both leave all packets in the files."""
    path = manifest_path(directory)
    if not path.exists():
        return Selection()
    manifest = decode_manifest(read_bytes(path), str(path))
    wanted = [part.partition("=") for part in (manifest.pod_selector or "").split(",") if part]
    if any(not equals or "!" in key or " " in key for key, equals, _ in wanted):
        notice("note: all clients are shown; only key=value in --pod-selector can narrow them")
        wanted = []
    labels = tuple((key, value.removeprefix("=")) for key, _, value in wanted)
    return Selection(
        rules=Rules(inclusion=Inclusion(client_labels=labels)),
        wanted=GraphFilter(namespaces=frozenset(manifest.namespaces)),
    )

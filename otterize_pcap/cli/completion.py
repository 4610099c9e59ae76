"""What a shell completes: names out of the capture that would be read, and words of options.

Asked while somebody types: it says nothing and never fails. Without a snapshot no name is known.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from otterize_pcap.capture_dir import snapshot_path
from otterize_pcap.cli.inputs import captures_here
from otterize_pcap.errors import OtterizeError
from otterize_pcap.files.snapshot_files import load_snapshot
from otterize_pcap.graph.naming import full_name
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.intents.versions import VERSIONS
from otterize_pcap.resolve.capture_lookup import Rules, identities_under
from otterize_pcap.snapshot.snapshot import Snapshot


def complete_namespace(ctx: Any, incomplete: str) -> list[str]:  # noqa: ANN401 - the parser's
    """Namespaces of the capture, the last entry of a list, which has no other twice."""
    before, comma, begun = incomplete.rpartition(",")
    names = {pod.namespace for pod in _pods(ctx)} - {*before.split(",")}
    return [f"{before}{comma}{name}" for name in _beginning(names, begun)]


def complete_workload(ctx: Any, incomplete: str) -> list[str]:  # noqa: ANN401
    """Workloads of the capture, by name and with their namespaces."""
    found = _workloads(ctx)
    names = {workload.name for workload in found} | set(map(full_name, found))
    return _beginning(names, incomplete)


def complete_server(ctx: Any, incomplete: str) -> list[str]:  # noqa: ANN401
    """The same, with their namespaces alone."""
    return _beginning(set(map(full_name, _workloads(ctx))), incomplete)


def complete_version(incomplete: str) -> list[str]:
    """Versions of ClientIntents."""
    return _beginning((version.name for version in VERSIONS.values()), incomplete)


def complete_profile(incomplete: str) -> list[str]:
    """Profiles of recording."""
    from otterize_pcap.capture_dir import PROFILES  # noqa: PLC0415 - the cluster's part

    return _beginning(PROFILES, incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted({name for name in names if name.isprintable() and name.startswith(incomplete)})


def _pods(ctx: Any) -> Iterator[Any]:  # noqa: ANN401
    snapshot = _snapshot(ctx)
    yield from snapshot.pods if snapshot else ()


def _workloads(ctx: Any) -> set[Workload]:  # noqa: ANN401
    snapshot = _snapshot(ctx)
    if snapshot is None:
        return set()
    identities = identities_under(Rules(), snapshot)
    return {identities.of(pod).workload for pod in snapshot.pods}


def _snapshot(ctx: Any) -> Snapshot | None:  # noqa: ANN401
    """The snapshot given, that of the captures given, or of the newest one."""
    given = [Path(path) for path in ctx.params.get("snapshot") or ()]
    # Behind an option whose value is being typed, arguments are not told apart yet.
    captures = ctx.params.get("captures") or ctx.args or captures_here()[-1:]
    inside = [snapshot_path(Path(path)) for path in captures]
    paths = given or [path for path in inside if path.is_file()]
    try:
        return load_snapshot(paths) if paths else None
    except (OtterizeError, OSError):
        return None

"""Other ways of looking at a recording: with less of what it holds.

A view is words joined by `+`: `uplink` (the nodes' uplinks instead of all interfaces),
`no-conntrack`, `no-watch` (the snapshot as one `kubectl get` at the end), `no-nodes` (without the
Node objects, as one may not be allowed to read them), `no-port-range`, `only-<node>` (nothing from
any other node). `recorded` is everything. A scenario's `truth.json` names its views, and says of
each edge in which of them it cannot be known.
"""

import json
import shutil
from pathlib import Path
from typing import Any

RECORDED = "recorded"
_ONLY = "only-"


def unknown(entry: dict[str, Any], view: str = RECORDED) -> bool:
    """Whether the truth says that in this view the edge cannot be known."""
    words = {RECORDED, *view.split("+")}
    return any(words.issuperset(where.split("+")) for where in entry.get("unknown", {}))


def believed(entry: dict[str, Any], view: str = RECORDED) -> bool:
    """Whether what is no edge may be taken for one in this view, where no packet contradicts it."""
    words = {RECORDED, *view.split("+")}
    return any(words.issuperset(where.split("+")) for where in entry.get("believed", {}))


def snapshot_files(truth: dict[str, Any], directory: Path) -> list[Path] | None:
    """The snapshot files of a capture directory that has several, where the truth names them."""
    return [directory / name for name in truth["snapshots"]] if "snapshots" in truth else None


def uplink_of(scenario: Path) -> Path:
    """Where a scenario's recordings of the nodes' uplinks lie."""
    return scenario.parent / "uplink" / scenario.name


def copy_view(scenario: Path, view: str, directory: Path) -> Path:
    """Write a capture directory that holds what this view shows; returns it."""
    words = view.split("+")
    copy = directory / scenario.name
    left_out = ("truth.json", "pcap") if "uplink" in words else ("truth.json",)
    shutil.copytree(scenario, copy, ignore=shutil.ignore_patterns(*left_out))
    if "uplink" in words:
        shutil.copytree(uplink_of(scenario), copy / "pcap")
    for word in words:
        if word == "no-conntrack":
            _remove(copy, "conntrack-*")
        elif word == "no-port-range":
            _remove(copy, "ip_local_port_range")
        elif word == "no-watch":
            _edit(copy / "snapshot.json", forget_watch)
        elif word == "no-nodes":
            _edit(copy / "snapshot.json", forget_nodes)
        elif word.startswith(_ONLY):
            _keep_node(copy, word.removeprefix(_ONLY))
    return copy


def _remove(copy: Path, pattern: str) -> None:
    for path in copy.glob(f"node/*/{pattern}"):
        path.unlink()


def _edit(path: Path, change: Any) -> None:  # noqa: ANN401 (a function on JSON)
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def forget_watch(snapshot: dict[str, Any]) -> None:
    """Leave what one `kubectl get` at the end shows: no intervals, and no pod deleted before."""
    watched = snapshot.pop("otterize")
    pods = [each for each in watched["observed"] if each["kind"] == "Pod"]
    ended = {each["uid"] for each in pods if each["end"] is not None}
    snapshot["items"] = [
        item
        for item in snapshot["items"]
        if item["metadata"]["uid"] not in ended
        or item["status"]["phase"] in ("Succeeded", "Failed")
    ]


def forget_nodes(snapshot: dict[str, Any]) -> None:
    """Leave the Node objects out."""
    snapshot["items"] = [item for item in snapshot["items"] if item["kind"] != "Node"]


def _keep_node(copy: Path, kept: str) -> None:
    """Say in the manifest that the other nodes failed, and remove their files."""

    def forget(manifest: dict[str, Any]) -> None:
        for node in manifest["nodes"]:
            if node["name"] != kept:
                node |= {"status": "failed", "files": [], "reason": "node not ready"}
                shutil.rmtree(copy / "node" / node["name"])
                (copy / "pcap" / f"{node['name']}.pcap").unlink()

    _edit(copy / "manifest.json", forget)

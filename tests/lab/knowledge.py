"""What a recording is known by, piece by piece, and captures that know only some of it.

A piece is an object that is no pod, the ports that a pod declares, what a watch saw, the manifest,
a conntrack dump or a line of one, a node's saved addresses or port range. Other pieces are true of
the scenario too, though it does not hold them: more Services before the same pods, a third node,
pods that had the same addresses long before, Endpoints objects instead of slices, conntrack's
entries of the handshakes that were recorded.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otterize_pcap.addresses import format_address
from otterize_pcap.connections.rule import Rule
from otterize_pcap.files.captures import open_captures
from otterize_pcap.packets.protocols import TCP
from otterize_pcap.resolve.capture import Capture
from otterize_pcap.resolve.map_capture import MappedCapture
from otterize_pcap.resolve.resolution import Resolved
from otterize_pcap.table.read import ReadOptions
from otterize_pcap.table.rows import Endpoint
from tests.lab.more_objects import (
    Item,
    app_of,
    endpoints_of,
    predecessor,
    proxies,
    service,
    third_node,
)
from tests.lab.views import RECORDED, forget_watch, snapshot_files, uplink_of

DUMPS = ("conntrack-start", "conntrack-end")
FILES = ("addresses", "ip_local_port_range", *DUMPS)
SERVICES = ("plain", "sliced", "headless", "node port", "unused")


@dataclass(frozen=True, slots=True, order=True)
class Piece:
    """One thing that may be known: of what kind it is, and which one."""

    kind: str
    name: str = ""


WATCH, MANIFEST = Piece("watch"), Piece("manifest")
PROXIES, THIRD_NODE, AS_ENDPOINTS = Piece("proxies"), Piece("third node"), Piece("endpoints")


class Knowledge:
    """All that is known of a recorded scenario, in pieces, and what could be known beside it.

    Args:
        scenario: The recording.
        truth: Its truth.
        mapped: What becomes of its connections where everything in it is known.
    """

    def __init__(self, scenario: Path, truth: dict[str, Any], mapped: MappedCapture) -> None:
        self.scenario, self._truth = scenario, truth
        files = snapshot_files(truth, scenario) or [scenario / "snapshot.json"]
        self._documents = {path.name: json.loads(path.read_text("utf-8")) for path in files}
        self._entries = list(_entries(mapped))
        self.held = sorted(set(self._held()))
        self.beside = sorted(set(self._beside()))

    def _items(self) -> Iterator[Item]:
        for document in self._documents.values():
            yield from document["items"]

    def _held(self) -> Iterator[Piece]:
        for item in self._items():
            if item["kind"] != "Pod":
                yield Piece(item["kind"], _name(item))
            elif any(each.get("ports") for each in item["spec"]["containers"]):
                yield Piece("declared", _name(item))
        yield WATCH
        yield MANIFEST
        for path in self.scenario.glob("node/*/*"):
            if path.name in FILES:
                yield Piece(path.name, path.parent.name)
            if path.name in DUMPS:
                for line in path.read_text("utf-8").splitlines():
                    yield Piece("line", f"{path.parent.name} {path.name} {line}")

    def _beside(self) -> Iterator[Piece]:
        for entry in self._truth["edges"]:
            server = entry["server"]
            called = f"{server['namespace']}/{server['name']}/{entry['protocol']}/{entry['port']}"
            yield from (Piece(kind, called) for kind in (*SERVICES, "declares"))
        for item in self._items():
            has_own = not item["spec"].get("hostNetwork") if item["kind"] == "Pod" else False
            if has_own and item["status"].get("podIP"):
                yield Piece("predecessor", _name(item))
        yield from (PROXIES, THIRD_NODE, AS_ENDPOINTS)
        yield from (Piece("entry", f"{node} {line}") for node, line in self._entries)

    def write(self, directory: Path, known: Collection[Piece], view: str = RECORDED) -> Capture:
        """A capture that knows these pieces; it is written into `directory`, which is made."""
        directory.mkdir()
        (directory / "pcap").symlink_to(
            uplink_of(self.scenario) if view == "uplink" else self.scenario / "pcap"
        )
        manifest = self.scenario / "manifest.json"
        if MANIFEST in known and manifest.exists():
            (directory / manifest.name).symlink_to(manifest)
        for path in self.scenario.glob("node/*/*"):
            self._write_node_file(directory, path, known)
        for name, document in self._documents.items():
            changed = document | {"items": list(_known_items(document["items"], known))}
            if WATCH not in known and "otterize" in changed:
                forget_watch(changed)
            (directory / name).write_text(json.dumps(changed), encoding="utf-8")
        snapshots = snapshot_files(self._truth, directory)
        return open_captures([directory], snapshots, ReadOptions())[0]

    def _write_node_file(self, directory: Path, path: Path, known: Collection[Piece]) -> None:
        node = path.parent.name
        if path.name in FILES and Piece(path.name, node) not in known:
            return
        copy = directory / "node" / node / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.name not in DUMPS:
            copy.symlink_to(path)
            return
        lines = [
            line
            for line in path.read_text("utf-8").splitlines()
            if Piece("line", f"{node} {path.name} {line}") in known
        ]
        if path.name == "conntrack-end":
            lines += [
                line
                for where, line in self._entries
                if where == node and Piece("entry", f"{node} {line}") in known
            ]
        copy.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _entries(mapped: MappedCapture) -> Iterator[tuple[str, str]]:
    """Conntrack's entry of each recorded handshake that was answered, and the node that has it."""
    for resolution in mapped.resolutions:
        one = resolution.connection
        node = one.legs[0].recording.node
        is_told = one.rule is Rule.HANDSHAKE and one.outcome == "established"
        if isinstance(resolution, Resolved) and is_told and one.protocol == TCP and node:
            way = _way(one.clients[0], one.servers[0])
            back = _way(one.servers[-1], one.clients[-1])
            family = "ipv6     10" if ":" in way else "ipv4     2"
            yield node, f"{family} tcp      6 110 TIME_WAIT {way} {back} [ASSURED] mark=0 use=2"


def _way(source: Endpoint, target: Endpoint) -> str:
    addresses = f"src={format_address(source[0])} dst={format_address(target[0])}"
    return f"{addresses} sport={source[1]} dport={target[1]}"


def _known_items(items: Sequence[Item], known: Collection[Piece]) -> Iterator[Item]:
    """The objects that are known of one snapshot file."""
    pods = [item for item in items if item["kind"] == "Pod"]
    for item in items:
        if item["kind"] == "Pod":
            yield _known_pod(item, known)
            if Piece("predecessor", _name(item)) in known:
                yield predecessor(item)
        elif Piece(item["kind"], _name(item)) in known:
            mirrored = AS_ENDPOINTS in known and item["kind"] == "EndpointSlice"
            yield endpoints_of(item) if mirrored else item
    if THIRD_NODE in known:
        yield third_node()
    if PROXIES in known:
        yield from proxies(pods)
    for number, piece in enumerate(sorted(known)):
        if piece.kind in SERVICES:
            *_, protocol, port = piece.name.split("/")
            led_to = [pod for pod in pods if _is_of(piece, pod)]
            yield from service(piece.kind, number, led_to, protocol, int(port))


def _known_pod(item: Item, known: Collection[Piece]) -> Item:
    """A pod with the ports that it is known to declare; what leads to it by name or host stays."""
    pod: Item = json.loads(json.dumps(item))
    containers = pod["spec"]["containers"]
    if Piece("declared", _name(item)) not in known:
        for container in containers:
            if not any({"hostPort", "name"} & port.keys() for port in container.get("ports", ())):
                container.pop("ports", None)
    for piece in known:
        if piece.kind == "declares" and _is_of(piece, item):
            *_, protocol, port = piece.name.split("/")
            declared = {"containerPort": int(port), "protocol": protocol}
            containers[0].setdefault("ports", []).append(declared)
    return pod


def _is_of(piece: Piece, pod: Item) -> bool:
    return piece.name.startswith(f"{pod['metadata']['namespace']}/{app_of(pod)}/")


def _name(item: Item) -> str:
    meta = item["metadata"]
    return f"{meta.get('namespace', '')}/{meta['name']} {item['apiVersion']}"

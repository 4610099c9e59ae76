"""tcpdump on every node, the dumps around it, and the capture directory they end up in.

Writes pcap/<node>.pcap (`-i any`, so link type LINUX_SLL2), pcap-uplink/<node>.pcap (`-i eth0`;
`record.py` takes it out of the capture in the end), node/<node>/… and manifest.json, as `otterize
capture` lays them out.
"""

import hashlib
import json
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from objects import microseconds
from shell import LabError, Namespace, run
from shift import shift

_COUNTERS = {
    "captured": re.compile(r"(\d+) packets? captured"),
    "received": re.compile(r"(\d+) packets? received by filter"),
    "dropped": re.compile(r"(\d+) packets? dropped by kernel"),
}
_SETTLE = 0.4  # seconds until the last packets of a run have passed every interface


@dataclass(slots=True)
class _Tcpdump:
    """One running tcpdump and the file it writes."""

    node: str
    path: Path
    process: subprocess.Popen[str]
    banner: str
    started: float

    def stop(self) -> str:
        """Interrupt it, and return all it said on stderr."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=10)
        return self.banner + said


class Recorder:
    """Records the given nodes from `start` to `stop` into a capture directory."""

    def __init__(
        self,
        directory: Path,
        nodes: dict[str, Namespace],
        snaplen: int,
        capture_filter: str = "",
        link_type: str = "",
    ) -> None:
        self._directory, self._nodes, self._snaplen = directory, nodes, snaplen
        self._filter = capture_filter
        self._link = f"-y {link_type} " if link_type else ""
        self._running: list[_Tcpdump] = []
        self.start_time = self.end_time = 0.0

    def start(self) -> None:
        """Start every tcpdump, wait until each listens, and save the first conntrack dumps."""
        self.start_time = time.time()
        for name, namespace in self._nodes.items():
            self._start_tcpdump(name, namespace, "any", "pcap")
            self._start_tcpdump(name, namespace, "eth0", "pcap-uplink")
        for name, namespace in self._nodes.items():
            self._save(name, "conntrack-start", _conntrack(namespace))

    def _start_tcpdump(self, node: str, namespace: Namespace, interface: str, folder: str) -> None:
        path = self._directory / folder / f"{node}.pcap"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Immediate mode: with buffered delivery the last packets would be lost on a signal.
        link = self._link if interface == "any" else ""
        sizes = f"-s {self._snaplen} -B 16384"
        options = f"-i {interface} {link}{sizes} -n -U -Z root --immediate-mode -w"
        tcpdump = ("tcpdump", *options.split(), str(path), *self._filter.split())
        process = namespace.popen(*tcpdump, stderr=subprocess.PIPE)
        assert process.stderr is not None  # noqa: S101 (opened with PIPE)
        banner = ""
        while "listening on" not in banner:
            line = process.stderr.readline()
            if not line:
                message = f"tcpdump on {node} did not start: {banner.strip()}"
                raise LabError(message)
            banner += line
        self._running.append(_Tcpdump(node, path, process, banner, time.time()))

    def stop(self) -> None:
        """Save the last conntrack dumps, stop every tcpdump and write the manifest."""
        time.sleep(_SETTLE)
        for name, namespace in self._nodes.items():
            self._save(name, "conntrack-end", _conntrack(namespace))
            self._save(name, "conntrack-timeouts", _timeouts(namespace))
            self._save(name, "ip_local_port_range", _port_range(namespace))
            self._save(name, "addresses", _addresses(namespace))
        stopped = []
        while self._running:
            tcpdump = self._running.pop(0)
            said = tcpdump.stop()
            if tcpdump.path.parent.name == "pcap":
                self._save(tcpdump.node, "tcpdump-stats", _without_path(said, tcpdump.path))
                stopped.append(self._node_entry(tcpdump, said))
        self.end_time = time.time()
        self._write_manifest(stopped)

    def abort(self) -> None:
        """Kill what still runs, after a failure."""
        for tcpdump in self._running:
            tcpdump.process.kill()
            tcpdump.process.communicate()

    def _node_entry(self, tcpdump: _Tcpdump, said: str) -> dict[str, Any]:
        counters = {
            name: int(found[1]) for name, at in _COUNTERS.items() if (found := at.search(said))
        }
        if counters.get("dropped"):
            message = (
                f"tcpdump on {tcpdump.node} dropped {counters['dropped']} packets; record again"
            )
            raise LabError(message)
        return {
            "name": tcpdump.node,
            "status": "captured",
            "start": microseconds(tcpdump.started),
            "end": microseconds(time.time()),
            "files": [_file_entry(self._directory, f"pcap/{tcpdump.path.name}")],
            "packets": counters,
        }

    def _write_manifest(self, nodes: list[dict[str, Any]]) -> None:
        manifest = {
            "version": 1,
            "tool": f"scripts/lab, {_version('tcpdump')}, Linux {run('uname', '-r').strip()}",
            "start": microseconds(self.start_time),
            "end": microseconds(self.end_time),
            "nodes": sorted(nodes, key=lambda node: str(node["name"])),
            "cluster": "lab",
            "snaplen": self._snaplen or None,
            "interface": "any",
        }
        if self._filter:
            manifest["filter"] = self._filter
        write_json(self._directory / "manifest.json", manifest)

    def _save(self, node: str, name: str, text: str) -> None:
        path = self._directory / "node" / node / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _file_entry(directory: Path, path: str) -> dict[str, Any]:
    content = (directory / path).read_bytes()
    return {
        "path": path,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def refresh_manifest(directory: Path, lost: Mapping[str, int] | None = None) -> None:
    """State the files' sizes and hashes anew, after a scenario changed them.

    `lost` is how many packets it took out of a node's file.
    """
    manifest = json.loads((directory / "manifest.json").read_text())
    for node in manifest["nodes"]:
        node["packets"]["captured"] -= (lost or {}).get(node["name"], 0)
        node["files"] = [_file_entry(directory, entry["path"]) for entry in node["files"]]
    write_json(directory / "manifest.json", manifest)


def move_in_time(directory: Path, node: str, nanoseconds: int) -> None:
    """Set a node's clock to another time: its packets, and when it says it recorded them."""
    for folder in ("pcap", "pcap-uplink"):
        path = directory / folder / f"{node}.pcap"
        path.write_bytes(shift(path.read_bytes(), nanoseconds))
    refresh_manifest(directory)
    manifest = json.loads((directory / "manifest.json").read_text())
    (entry,) = (each for each in manifest["nodes"] if each["name"] == node)
    for end in ("start", "end"):
        moved = datetime.fromisoformat(entry[end]) + timedelta(microseconds=nanoseconds // 1000)
        entry[end] = moved.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    write_json(directory / "manifest.json", manifest)


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document the way every JSON file of a fixture looks."""
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _without_path(said: str, path: Path) -> str:
    return said.replace(str(path), path.name)


def _version(tool: str) -> str:
    said = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
    return (said.stdout or said.stderr).splitlines()[0]


def _conntrack(namespace: Namespace) -> str:
    """The table as /proc has it; where the kernel lacks that file, the tool prints the same."""
    if Path("/proc/net/nf_conntrack").exists():
        return namespace.run("cat", "/proc/net/nf_conntrack")
    return namespace.run("conntrack", "-L", "-o", "extended")


def _timeouts(namespace: Namespace) -> str:
    everything = namespace.run("sysctl", "net.netfilter").splitlines()
    return "".join(f"{line}\n" for line in everything if "_timeout" in line)


def _port_range(namespace: Namespace) -> str:
    """The node's range of ephemeral ports: the first and the last, with a blank between."""
    first, last = namespace.run("cat", "/proc/sys/net/ipv4/ip_local_port_range").split()
    return f"{first} {last}\n"


def _addresses(namespace: Namespace) -> str:
    parts = [namespace.run("ip", "-o", "addr"), namespace.run("ip", "route")]
    return "".join([*parts, namespace.run("ip", "-6", "route")])

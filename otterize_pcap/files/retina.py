"""Retina's tarballs: what they say of a node beside the capture in them.

`kubectl retina capture` makes one a node, `CAPTURE-NODE-YYYYMMDDhhmmssUTC.tar.gz`, of a capture of
that name, what `ip` printed (`ip-resources.txt`), and copies of /proc/net and /proc/sys/net
(microsoft/retina, pkg/capture/provider). The addresses, conntrack's table and the ephemeral ports
are those that `otterize capture` saves of a node as well.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from otterize_pcap.connections.node_files import parse_node_addresses
from otterize_pcap.errors import CaptureError
from otterize_pcap.files.node_folders import (
    ADDRESSES,
    DUMPS,
    MAX_CONNTRACK_BYTES,
    PORT_RANGE,
    TIMEOUTS,
    NodeFolder,
)
from otterize_pcap.files.opening import STDIN
from otterize_pcap.files.plain_files import open_plain
from otterize_pcap.json_errors import BROKEN
from otterize_pcap.records.archives import BLOCK, EndingStream, is_tar
from otterize_pcap.records.compression import Unread, compression_of, plain_window

RESOURCES = "ip-resources.txt"
CONNTRACK = "proc-net/nf_conntrack"
PROC_PORT_RANGE = "proc-sys-net/ipv4/ip_local_port_range"
PROC_TIMEOUTS = "proc-sys-net/netfilter/"
PACKED = ("gzip", "xz", "bzip2")
"""What may be around one; Retina writes gzip."""
MOST_MEMBERS = 20_000
"""Files of an archive that are looked at: /proc/sys/net of a node with 250 pods has 10,000."""
MOST_BYTES = 1 << 20
"""Bytes that are read of a file of the archive, but for conntrack's table."""
MOST_VALUE = 64
"""Bytes of a number in /proc/sys."""

_NAME = re.compile(r"(?P<stem>.+)-\d{14}UTC\.pcap\Z")


class Tarballs(Struct, frozen=True):
    """Retina's tarballs among some files: which node each is of, and what it says of it."""

    nodes: Mapping[Path, str]
    folders: Mapping[str, NodeFolder]

    @property
    def local_addresses(self) -> frozenset[bytes]:
        """All addresses that their nodes said they have."""
        texts = (folder.text(ADDRESSES, "utf-8") for folder in self.folders.values())
        return frozenset(address for text in texts for address in parse_node_addresses(text))


def read_tarballs(paths: Iterable[Path], known: Collection[str]) -> Tarballs:
    """What Retina's tarballs among some files say of their nodes; `known` are names of nodes."""
    nodes: dict[Path, str] = {}
    folders: dict[str, NodeFolder] = {}
    for path in paths:
        found = _read(path) if path != STDIN and path.is_file() and _may_be(path) else None
        if found is not None:
            nodes[path] = _node_name(found[0], known)
            folders[nodes[path]] = NodeFolder(path, found[1])
    return Tarballs(nodes, folders)


def _may_be(path: Path) -> bool:
    try:
        with open_plain(path) as file:
            head = file.read(BLOCK)
    except OSError:
        # Whoever reads the capture says so.
        return False
    return is_tar(head) or compression_of(head[:4]) in PACKED


def _read(path: Path) -> tuple[str, dict[str, bytes]] | None:
    """A tarball's name for its node, and what it says of it; None where it is none of Retina's."""
    import tarfile  # noqa: PLC0415 - 10 ms of a start, and few captures are in a tar

    stem, contents = "", dict[str, bytes]()
    try:
        with open_plain(path) as file:
            # tarfile's own unpacking takes the name in a gzip header byte by byte.
            window = plain_window(file, path.name)
            if not is_tar(window.peek(BLOCK)):
                return None
            stream = EndingStream(BufferedReader(Unread(window)))
            with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]
                for number, member in enumerate(archive):
                    if number >= MOST_MEMBERS:
                        break
                    name = member.name.removeprefix("./")
                    if match := _NAME.match(name):
                        stem = match["stem"]
                    elif member.isreg():
                        _take(contents, name, archive.extractfile(member))
    except (tarfile.TarError, CaptureError, OSError, EOFError, ValueError, ArithmeticError):
        # It ends early, or is damaged: what came before counts, as of the capture in it.
        pass
    return (stem, contents) if stem and ADDRESSES in contents else None


def _take(contents: dict[str, bytes], name: str, file: IO[bytes] | None) -> None:
    """Take in one file of the archive, under the name that a node's folder has for it."""
    if file is None:
        return
    if name == RESOURCES:
        text = file.read(MOST_BYTES).decode("utf-8", "replace")
        contents[ADDRESSES] = "\n".join(_lines_of_ip(text)).encode()
    elif name == CONNTRACK:
        # It was copied when the capture had ended.
        contents[DUMPS[1]] = file.read(MAX_CONNTRACK_BYTES)
    elif name == PROC_PORT_RANGE:
        contents[PORT_RANGE] = file.read(MOST_BYTES)
    elif name.startswith(PROC_TIMEOUTS):
        value = file.read(MOST_VALUE).strip()
        line = name.removeprefix(PROC_TIMEOUTS).encode() + b" = " + value
        contents[TIMEOUTS] = contents.get(TIMEOUTS, b"") + line + b"\n"


def _lines_of_ip(text: str) -> list[str]:
    """Lines as `ip -o addr` has them, of what `ip -j addr` printed, and those of routes."""
    found: list[str] = []
    for line in text.splitlines():
        if line.startswith("[{"):
            try:
                links = msgspec.json.decode(line)
            except BROKEN:
                continue
            found += (text for link in links for text in _lines_of_link(link))
        else:
            found.append(line)
    return found


def _lines_of_link(link: Any) -> list[str]:  # noqa: ANN401 - JSON
    name, entries = (
        (link.get("ifname"), link.get("addr_info")) if isinstance(link, dict) else (0, 0)
    )
    return [
        f"{name} {entry.get('family')} {entry.get('local')}/{entry.get('prefixlen')}"
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    ]


def _node_name(stem: str, known: Collection[str]) -> str:
    """The node that a tarball is of: of those known, the longest whose name its own ends with."""
    fitting = [node for node in known if node and stem.endswith(f"-{node}")]
    return max(fitting, key=len, default=stem)

"""What a capture pod says about its recording: the state file and the progress lines.

Both are written by the script in capture-job.yaml. The pod is not trusted to be well-behaved:
names are checked before they become paths, numbers before they are counted with.
"""

import re

from msgspec import Struct

from otterize_pcap.capture_dir import PacketCounters
from otterize_pcap.errors import ClusterError

PCAP_NAME = re.compile(r"(?:calls|acks|first|dns|headers|full)\.pcap[0-9]{0,6}\Z")
REDUCER_FAILED = "reducer-failed"
"""Where the script writes why nothing more is reduced."""
NODE_FILES = frozenset(
    {
        "conntrack-start",
        "conntrack-end",
        "addresses",
        "conntrack-timeouts",
        "ip_local_port_range",
        "tcpdump-stats",
        REDUCER_FAILED,
    }
)
SHA256 = re.compile(r"[0-9a-f]{64}\Z")
#: Times and exit codes: up to the year 5138, so that each is a date.
NUMBER = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,9})?\Z")
SIZE = re.compile(r"[0-9]{1,15}\Z")
STATS_LIMIT = 1 << 20
PROGRESS = re.compile(
    r"capture: recording [0-9]+s bytes=([0-9]{1,15}) packets=([0-9]{1,15}) dropped=([0-9]{1,15})$",
    re.MULTILINE,
)
PART = re.compile(r"^part (\w+)$", re.MULTILINE)
COUNTER = re.compile(
    r"^([0-9]{1,15}) packets? (captured|received by filter|dropped by kernel)$", re.MULTILINE
)


class StateFile(Struct, frozen=True):
    """One file that the pod offers: name in its directory, bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str


class StatePart(Struct, frozen=True):
    """One tcpdump of the recording: its exit status and when it ended, by the node's clock."""

    name: str
    exit_code: int
    ended: float


class NodeState(Struct, frozen=True):
    """A finished recording; times in seconds since the epoch by the node's clock.

    `stopped` is `duration`, `asked`, `size-limit` or `tcpdump-ended`.
    """

    started: float
    ended: float
    stopped: str
    parts: tuple[StatePart, ...]
    pcaps: tuple[StateFile, ...]
    node_files: tuple[StateFile, ...]


class StateError(ValueError):
    """A line of a state file that is not as our script writes it."""


def parse_state(text: str, pod: str) -> NodeState:
    """Read a pod's state file.

    Raises:
        ClusterError: It is not one.
    """
    single: dict[str, str] = {}
    parts: list[StatePart] = []
    pcaps: list[StateFile] = []
    node_files: list[StateFile] = []
    try:
        for line in text.splitlines():
            match line.split():
                case ["part", name, "exit", code, "ended", ended]:
                    parts.append(StatePart(name, int(_number(code)), _number(ended)))
                case ["file", name, size, digest] if PCAP_NAME.match(name):
                    pcaps.append(_file(name, size, digest))
                case ["node-file", name, size, digest] if name in NODE_FILES:
                    node_files.append(_file(name, size, digest))
                case [key, value]:
                    single[key] = value
                case _:
                    message = f"unexpected line {line[:80]!r}"
                    raise StateError(message)
        names = [file.name for file in (*pcaps, *node_files)]
        if len(set(names)) < len(names):
            message = "a file is there twice"
            raise StateError(message)
        started, finished = _single(single, "started"), _number(_single(single, "ended"))
        # Without a fraction the start is cut down: it was up to a second later.
        cut = 0.0 if "." in started else 1.0
        return NodeState(
            min(_number(started) + cut, finished),
            finished,
            _single(single, "stopped"),
            tuple(parts),
            tuple(pcaps),
            tuple(node_files),
        )
    except StateError as error:
        message = f"pod {pod}: its state file is broken ({error}); does --image fit this version?"
        raise ClusterError(message) from error


def _single(single: dict[str, str], key: str) -> str:
    if key not in single:
        message = f"no line {key!r}"
        raise StateError(message)
    return single[key]


def _number(text: str) -> float:
    if not NUMBER.match(text):
        message = f"{text[:80]!r} is no number"
        raise StateError(message)
    return float(text)


def _file(name: str, size: str, digest: str) -> StateFile:
    if not SHA256.match(digest) or not SIZE.match(size):
        message = f"no size and SHA-256 of {name}"
        raise StateError(message)
    return StateFile(name, int(size), digest)


def parse_progress(log: str) -> tuple[int, int, int] | None:
    """Bytes, packets and drops of the last progress line, None before the first."""
    found = PROGRESS.findall(log)
    if not found:
        return None
    written, packets, dropped = map(int, found[-1])
    return written, packets, dropped


def parse_counters(stats: str) -> dict[str, PacketCounters]:
    """Each part's last counters from the pod's `tcpdump-stats`, as pcap_stats(3PCAP) has them."""
    counters: dict[str, PacketCounters] = {}
    pieces = PART.split(stats)
    for name, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        last = {word: int(number) for number, word in COUNTER.findall(piece)}
        counters[name] = PacketCounters(
            last.get("captured"), last.get("received by filter"), last.get("dropped by kernel")
        )
    return counters


def total_counters(counters: dict[str, PacketCounters]) -> PacketCounters:
    """The sum over a node's parts, None for what no part stated."""

    def total(numbers: list[int | None]) -> int | None:
        stated = [number for number in numbers if number is not None]
        return sum(stated) if stated else None

    parts = counters.values()
    return PacketCounters(
        total([part.captured for part in parts]),
        total([part.received for part in parts]),
        total([part.dropped for part in parts]),
    )

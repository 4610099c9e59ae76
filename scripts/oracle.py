"""Ask the tshark that is installed who talks to whom in captures, and compare it with ours.

Run as: python scripts/oracle.py [CAPTURE...]

Without arguments: the corpus of real captures beside the checkout, and the fixtures. Compared are
TCP connection attempts (client, server, server port, by SYN without ACK) and the pairs of
endpoints of UDP, innermost headers. Disagreements with a reason are in tests/lab/test_corpus.py.
Exit 1 if there is any other one.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.test_corpus import DISAGREEMENTS, attempts, conversations  # noqa: E402

from otterize_pcap.errors import UnsupportedLinkType  # noqa: E402
from otterize_pcap.table.read import read_capture  # noqa: E402
from otterize_pcap.table.rows import UDP  # noqa: E402 - found by the path set above

FIELDS = (
    "frame.protocols",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.flags",
    "udp.srcport",
    "udp.dstport",
)
OPTIONS = (
    *("-o", "ip.defragment:false"),
    *("-o", "ipv6.defragment:false"),
    *("-o", "tcp.desegment_tcp_streams:false"),
    *("-d", "udp.port==8472,vxlan"),
    *("-E", "occurrence=a"),
    *("-E", "aggregator=,"),
)
CARRIERS = frozenset({"vxlan", "geneve", "wg"})
# What is inside of these is not for us, or only quoted.
ENDS = frozenset({"icmp", "icmpv6", "gtp", "l2tp", "teredo", "udpencap", "nbdgm"})

Endpoint = tuple[str, int]
Attempt = tuple[str, str, int, int]


def tshark(path: Path) -> Iterator[list[str]]:
    """The fields of each frame."""
    fields = [word for name in FIELDS for word in ("-e", name)]
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", *OPTIONS, *fields]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        yield line.split("\t")


def innermost(frame: Sequence[str]) -> tuple[str, Endpoint, Endpoint, int] | None:
    """Protocol, sender, receiver and TCP flags of the innermost segment, None without one."""
    lists = dict(zip(FIELDS, (field.split(",") if field else [] for field in frame), strict=True))
    layers = frame[0].split(":")
    seen = {"ip": -1, "ipv6": -1, "tcp": -1, "udp": -1}
    network = transport = None
    for layer in layers:
        if layer in ENDS:
            break
        if layer in CARRIERS:
            transport = None
        if layer in seen:
            seen[layer] += 1
            if layer in ("ip", "ipv6"):
                network, transport = layer, None
            else:
                transport = layer
    if network is None or transport is None:
        return None
    try:
        source, target = (lists[f"{network}.{end}"][seen[network]] for end in ("src", "dst"))
        ports = [int(lists[f"{transport}.{end}port"][seen[transport]]) for end in ("src", "dst")]
        flags = int(lists["tcp.flags"][seen["tcp"]], 16) if transport == "tcp" else 0
    except IndexError:  # cut off in the header
        return None
    return transport, (source, ports[0]), (target, ports[1]), flags


def theirs(path: Path) -> tuple[set[Attempt], set[frozenset[Endpoint]]]:
    """Attempts and UDP conversations by tshark."""
    tried: set[Attempt] = set()
    talked: set[frozenset[Endpoint]] = set()
    for frame in tshark(path):
        found = innermost(frame)
        if found is None:
            continue
        transport, sender, receiver, flags = found
        if transport == "udp":
            talked.add(frozenset((sender, receiver)))
        elif flags & 0x12 == 0x02:
            tried.add((sender[0], receiver[0], 6, receiver[1]))
    return tried, talked


def compare(path: Path) -> list[str]:
    """What tshark and we do not agree on in one capture."""
    try:
        with path.open("rb") as stream:
            table = read_capture(stream, path.name)
    except UnsupportedLinkType:
        return []
    tried, talked = theirs(path)
    differences = []
    if attempts(table) ^ tried:
        differences.append(f"attempts: {sorted(attempts(table) ^ tried)[:3]}")
    ours = set(conversations(table, UDP))
    if ours ^ talked:
        differences.append(f"udp: {[sorted(pair) for pair in ours ^ talked][:3]}")
    return differences


def main() -> None:
    """Compare all captures and say where they differ."""
    if shutil.which("tshark") is None:
        sys.exit("tshark is not installed; apt install tshark, or your system's equivalent")
    paths = [Path(argument) for argument in sys.argv[1:]]
    if not paths:
        corpus = ROOT.parent / "shared" / "corpus" / "pcaps"
        paths = sorted([*corpus.glob("*"), *ROOT.glob("fixtures/*/pcap/*")])
    unexplained = 0
    for path in paths:
        differences = compare(path)
        known = DISAGREEMENTS.get(path.name)
        unexplained += bool(differences) and known is None
        for difference in differences:
            print(f"{path.name}: {difference}")
            print(f"    {known.why if known else 'no reason known'}")
    print(f"{len(paths)} captures compared, {unexplained} with a disagreement without a reason")
    sys.exit(unexplained > 0)


if __name__ == "__main__":
    main()

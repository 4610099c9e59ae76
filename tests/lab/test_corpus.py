"""Real captures from other projects, against what tshark says of them.

The corpus is not part of this project: `../shared/corpus` beside the checkout, where it is, holds
80 public captures and an oracle file for each. `make oracle` asks the tshark that is installed for
the same facts and compares them with ours.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from otterize_pcap.errors import UnsupportedLinkType
from otterize_pcap.packets.protocols import TCP, UDP
from otterize_pcap.table.read import CaptureTable, ReadOptions, read_capture
from otterize_pcap.table.rows import Row
from tests.capture_bytes import text

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
CAPTURES = sorted((CORPUS / "pcaps").glob("*")) if CORPUS.is_dir() else []

Endpoint = tuple[str, int]
Conversations = Counter[frozenset[Endpoint]]


@dataclass(frozen=True)
class Disagreement:
    """Where we say something else than the oracle, on purpose: what, and why."""

    what: str
    why: str


DISAGREEMENTS = {
    "aboutsip__ipv6_frag.pcap": Disagreement(
        "udp packets", "later fragments are counted with the first one, whose ports they share"
    ),
    "cisco__emix.pcap": Disagreement(
        "udp", "ESP in UDP (port 4500) and WireGuard (51820) are encrypted tunnels: S25, opaque"
    ),
    "arkime__arkime_synthetic.pcap": Disagreement(
        "udp packets", "a UDP length below the header's own 8 bytes (RFC 768) is malformed"
    ),
    "seladb__fuzz_crash-8534c61cdf5987482365d7877ade12eef5aaf8b7.pcap": Disagreement(
        "packets", "zeros in the place of a record are damage, and no packet of 1970"
    ),
    "seladb__fuzz_FuzzTarget-6604968558198784.pcap": Disagreement(
        "packets", "version 2.2 has the lengths in the other order, which the count did not know"
    ),
}
UNSUPPORTED = {"seladb__microsecs_big_endian.pcap": "253 (NETLINK)"}


def oracle_of(path: Path) -> Mapping[str, Any]:
    """What tshark said of a capture."""
    document = (CORPUS / "oracle" / f"{path.name}.json").read_text(encoding="utf-8")
    oracle: Mapping[str, Any] = json.loads(document)
    return oracle


def conversations(table: CaptureTable, protocol: int) -> Conversations:
    """Packets by pair of endpoints; tunnels and interfaces are not told apart."""
    found: Conversations = Counter()
    for row in table.rows():
        if row.protocol == protocol:
            found[_pair(row)] += row.sides[0].packets + row.sides[1].packets
    return Counter({pair: packets for pair, packets in found.items() if packets})


def _pair(row: Row) -> frozenset[Endpoint]:
    return frozenset(((text(row.low[0]), row.low[1]), (text(row.high[0]), row.high[1])))


def attempts(table: CaptureTable) -> set[tuple[str, str, int, int]]:
    """Client, server, 6 and server port of each TCP connection attempt."""
    found = set()
    for row in table.rows():
        ends = ((text(row.low[0]), row.low[1]), (text(row.high[0]), row.high[1]))
        for side in (0, 1):
            if row.protocol == TCP and row.sides[side].syns:
                found.add((ends[side][0], ends[1 - side][0], TCP, ends[1 - side][1]))
    return found


def expected(oracle: Mapping[str, Any], kind: str) -> Conversations:
    """The oracle's conversations as `conversations` has ours."""
    return Counter({frozenset(((c[0], c[1]), (c[2], c[3]))): c[4] for c in _merged(oracle[kind])})


def _merged(found: list[list[Any]]) -> list[list[Any]]:
    merged: dict[frozenset[Endpoint], list[Any]] = {}
    for source, source_port, target, target_port, packets, *_ in found:
        pair = frozenset(((source, source_port), (target, target_port)))
        entry = merged.setdefault(pair, [source, source_port, target, target_port, 0])
        entry[4] += packets
    return list(merged.values())


@pytest.mark.parametrize(
    "options",
    [pytest.param(ReadOptions(fast=False), id="reference"), pytest.param(ReadOptions(), id="fast")],
)
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name[:40])
def test_capture_agrees_with_the_oracle(path: Path, options: ReadOptions) -> None:
    """Packets, connection attempts and conversations are tshark's, innermost addresses."""
    oracle = oracle_of(path)
    with path.open("rb") as stream:
        if path.name in UNSUPPORTED:
            with pytest.raises(UnsupportedLinkType) as raised:
                read_capture(stream, path.name, options)
            assert UNSUPPORTED[path.name] in str(raised.value)
            assert not oracle["tcp_syn"]
            return
        table = read_capture(stream, path.name, options)
    differences = []
    if table.counts.packets != oracle["hdr"]["hdr_packets"]:
        differences.append("packets")
    if attempts(table) != set(map(tuple, oracle["tcp_syn"])):
        differences.append("attempts")
    for name, protocol in (("udp", UDP), ("sctp", 132)):
        ours, theirs = conversations(table, protocol), expected(oracle, f"{name}_conv")
        if set(ours) != set(theirs):
            differences.append(name)
        elif ours != theirs:
            differences.append(f"{name} packets")
    midstream = expected(oracle, "tcp_midstream")
    tcp = conversations(table, TCP)
    if any(tcp[pair] != packets for pair, packets in midstream.items()):
        differences.append("midstream")
    known = DISAGREEMENTS.get(path.name)
    assert differences == ([known.what] if known else [])


def test_corpus_is_there() -> None:
    """Without the corpus the test above is empty; then this one says so."""
    if not CAPTURES:
        pytest.skip("no corpus of real captures at ../shared/corpus")
    assert len(CAPTURES) == 80
    assert {path.name for path in CAPTURES} >= set(DISAGREEMENTS) | set(UNSUPPORTED)

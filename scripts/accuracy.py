"""Hold the mapper, and other ways to do the same, against what really happened.

For each recorded cluster under fixtures/ with a truth.json it counts how many of the true calls
each way finds, and how many false ones, from what tcpdump saw on all interfaces of all nodes and
from the nodes' uplinks alone; and it lists the calls that no recording of theirs can tell, with the
reasons that truth.json gives. `--update` writes both into docs/accuracy.md.

Run it from a checkout: `python3 scripts/accuracy.py`.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from upstream_rules import Upstream

from otterize_pcap.files.captures import open_captures
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.packets.protocols import PROTOCOL_NAMES
from otterize_pcap.resolve.capture import Capture, contents_of
from otterize_pcap.resolve.identity import Identities
from otterize_pcap.resolve.map_capture import graph_capture
from otterize_pcap.table.read import ReadOptions
from otterize_pcap.table.rows import Row

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "accuracy.md"
BEGIN, END = "<!-- made by scripts/accuracy.py -->\n", "<!-- end -->\n"

Edge = tuple[Workload, Workload, str, int]
ANY_PORT = ("", 0)
"""Protocol and port of an edge that says neither: it is all calls of its pair."""
Method = Callable[[Capture, Sequence[Path]], set[Edge]]


def ours(capture: Capture, snapshots: Sequence[Path]) -> set[Edge]:
    """What `otterize intents list` shows."""
    del snapshots
    return {
        (call.client, call.server, use.protocol, use.port)
        for call in graph_capture(capture).calls
        if isinstance(call.server, Workload)
        for use in call.uses
    }


def upstream(capture: Capture, snapshots: Sequence[Path]) -> set[Edge]:
    """What the Otterize network mapper would have shown, which keeps no ports."""
    return {(*pair, *ANY_PORT) for pair in Upstream(contents_of(capture), snapshots).pairs()}


def lower_port(row: Row) -> int:
    """The client's side: the one with the higher port."""
    return 0 if row.low[1] > row.high[1] else 1


def first_packet(row: Row) -> int:
    """The client's side: the one that sent the first packet."""
    return row.first_sender


def joined_by_address(capture: Capture, client_of: Callable[[Row], int]) -> set[Edge]:
    """Every 5-tuple whose two addresses are pods' in the snapshot, whenever that was."""
    contents = contents_of(capture)
    snapshot = contents.snapshot
    identities = Identities(snapshot)
    owners = {address: pod for pod in snapshot.pods for address in pod.addresses}
    found = set()
    for row in (row for recording in contents.recordings for row in recording.rows):
        ends = (row.low, row.high)
        client = client_of(row)
        source, (target, port) = ends[client][0], ends[1 - client]
        if source in owners and target in owners:
            pair = (identities.of(owners[end]).workload for end in (source, target))
            found.add((*pair, PROTOCOL_NAMES[row.protocol], port))
    return found  # type: ignore[return-value] # a generator's two values are not counted


METHODS: tuple[tuple[str, Method], ...] = (
    ("otterize", ours),
    ("network mapper", upstream),
    ("5-tuple", lambda capture, _: joined_by_address(capture, lower_port)),
    ("first packet", lambda capture, _: joined_by_address(capture, first_packet)),
)


def counted(found: set[Edge], shown: set[Edge], everything: set[Edge]) -> tuple[int, int]:
    """How many of the calls that can be shown were found, and how many edges are false."""
    pairs = {edge[:2] for edge in found if edge[2:] == ANY_PORT}
    true_pairs = {(*edge[:2], *ANY_PORT) for edge in everything}
    hits = sum(edge in found or edge[:2] in pairs for edge in shown)
    return hits, len(found - everything - true_pairs)


def edge_of(entry: dict[str, Any]) -> Edge:
    """An entry of truth.json."""
    client, server = (
        Workload(side["name"], side["namespace"], side["kind"], group=side.get("group", ""))
        for side in (entry["client"], entry["server"])
    )
    return client, server, entry["protocol"], entry["port"]


def true_edges(truth: dict[str, Any], *uplink: str) -> set[Edge]:
    """The calls that were made; with `uplink`, those that the uplinks alone can show."""
    return {edge_of(entry) for entry in truth["edges"] if not uplink or entry["uplink"] in uplink}


def known_edges(truth: dict[str, Any], *views: str) -> set[Edge]:
    """The calls that can be known in all of these views."""
    return {
        edge_of(entry)
        for entry in truth["edges"]
        if not any(view in entry.get("unknown", {}) for view in views)
    }


View = tuple[Capture, list[Path], set[Edge], set[Edge]]
"""A capture, its snapshot files, the calls that it can show, all that are not false."""


def captures(scenario: Path) -> Iterator[View]:
    """All interfaces, then uplinks alone.

    Calls to the cluster's DNS are hidden by default, but whoever shows them is not wrong; nor is
    who believes a snapshot that no packet on the uplinks contradicts.
    """
    truth = read_truth(scenario)
    lookups = {edge_of(entry) for entry in truth["notEdges"] if entry["why"] == "cluster-dns"}
    shown = known_edges(truth, "recorded")
    everything = true_edges(truth) | lookups
    snapshots = snapshot_files(scenario, truth)
    yield opened(scenario, truth), snapshots, shown, everything
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / scenario.name
        shutil.copytree(scenario, copy, ignore=shutil.ignore_patterns("pcap"))
        shutil.copytree(scenario.parent / "uplink" / scenario.name, copy / "pcap")
        shown = true_edges(truth, "yes", "conntrack") & known_edges(truth, "recorded", "uplink")
        everything |= {
            edge_of(entry) for entry in truth["notEdges"] if "uplink" in entry.get("believed", {})
        }
        yield opened(copy, truth), snapshots, shown, everything


def opened(directory: Path, truth: dict[str, Any]) -> Capture:
    """A capture directory, with the snapshot files that the truth names where it has several."""
    return open_captures(
        [directory], snapshot_files(directory, truth), ReadOptions(collect_names=True)
    )[0]


def snapshot_files(directory: Path, truth: dict[str, Any]) -> list[Path]:
    """A capture directory's snapshot files."""
    return [directory / name for name in truth.get("snapshots", ("snapshot.json",))]


def scenarios() -> list[Path]:
    """The recorded clusters, without what must be refused: that makes no table."""
    paths = (path.parent for path in (ROOT / "fixtures").glob("*/truth.json"))
    return sorted(path for path in paths if "refused" not in read_truth(path))


def read_truth(scenario: Path) -> dict[str, Any]:
    """What really happened."""
    truth: dict[str, Any] = json.loads((scenario / "truth.json").read_text(encoding="utf-8"))
    return truth


def table() -> str:
    """The table as markdown; `found + false` for each way."""
    names = [name for name, _ in METHODS]
    lines = [
        f"| scenario | calls | {' | '.join(names)} | on uplinks | {' | '.join(names)} |",
        f"|---|--:|{'--:|' * len(names)}--:|{'--:|' * len(names)}",
    ]
    sums = [0] * (2 * (1 + 2 * len(METHODS)))
    for scenario in scenarios():
        counts: list[int] = []
        for capture, snapshots, shown, everything in captures(scenario):
            counts.append(len(shown))
            for _, method in METHODS:
                counts += counted(method(capture, snapshots), shown, everything)
        sums = [total + count for total, count in zip(sums, counts, strict=True)]
        lines.append(_line(f"[{scenario.name}](../fixtures/{scenario.name}/)", counts))
    lines.append(_line("all", sums))
    return "\n".join(lines) + "\n"


def unknowable(view: str, but: str = "") -> str:
    """A line for each call that was made and that a recording of it cannot tell."""
    lines = []
    for scenario in scenarios():
        lines += [
            f"- [{scenario.name}](../fixtures/{scenario.name}/): "
            f"`{entry['client']['name']}` → `{entry['server']['name']}`: {why}.\n"
            for entry in read_truth(scenario)["edges"]
            if (why := entry.get("unknown", {}).get(view))
            and but not in entry["unknown"]
            and (view != "uplink" or entry["uplink"] != "no")
        ]
    return "".join(lines)


def document_part() -> str:
    """The table, and what is not counted in it."""
    return (
        f"{table()}\nRefused, as capture and snapshot do not belong together (S13):\n\n{refused()}"
        f"\nCalls that were made and cannot be known, and why:\n\n{unknowable('recorded')}"
        "\nCalls between nodes that are known, but not from the uplinks alone:\n\n"
        f"{unknowable('uplink', but='recorded')}"
    )


def refused() -> str:
    """A line for each recording that makes no table, because it is refused."""
    paths = sorted(path.parent for path in (ROOT / "fixtures").glob("*/truth.json"))
    reasons = {path.name: read_truth(path).get("refused") for path in paths}
    return "".join(
        f"- [{name}](../fixtures/{name}/): {why}.\n" for name, why in reasons.items() if why
    )


def _line(name: str, counts: list[int]) -> str:
    half = len(counts) // 2
    cells = []
    for part in (counts[:half], counts[half:]):
        cells.append(str(part[0]))
        cells += [f"{part[at]} + {part[at + 1]}" for at in range(1, half, 2)]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table and the list, or put them into the document."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--update", action="store_true", help=f"write it into {DOCUMENT.name}")
    if not parser.parse_args().update:
        print(document_part(), end="")
        return
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}{document_part()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()

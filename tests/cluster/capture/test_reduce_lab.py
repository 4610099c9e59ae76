"""`otterize capture --reduce` in network namespaces: real tcpdump, and the real program beside it.

The program is copied into the pods by exec: this interpreter with this package, or what is built.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from otterize_pcap.cluster.capture.merge_pcap_parts import merge_parts
from otterize_pcap.files.recorded_parts import PARTS
from otterize_pcap.packets.payload_cut import PayloadCut
from otterize_pcap.packets.ports import TunnelPorts
from tests.cluster.fake_cluster import Run, StartApi, assert_clean, read_manifest
from tests.cluster.lab_nodes import NODES, Lab, lab_api, two_nodes
from tests.cluster.lab_runtime import unavailable
from tests.cluster.reducers import PACKAGE, program, reducing_api
from tests.files.test_table_files import named_alike, without_manifest
from tests.reduced.test_reduce import ALL_NAMES, EVERYTHING, graph_of

WHY_NOT = unavailable()
pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(WHY_NOT is not None, reason=f"no lab on this machine: {WHY_NOT}"),
]
KEEP = """
# Keeps what is reduced, too: a second name of each file before it is deleted.
mkdir -p keep
(while sleep 0.1; do
    for f in *.pcap*; do [ -e "keep/$f" ] || /usr/bin/ln "$f" "keep/$f"; done
done) 2>/dev/null &
keeper=$!
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two nodes that talk through a VXLAN."""
    with two_nodes() as nodes:
        yield nodes


@pytest.mark.parametrize(("flavour", "profile"), [("debian", "calls"), ("busybox", "headers")])
def test_tables_are_pulled_in_place_of_packets(
    lab: Lab, start_api: StartApi, run: Run, tmp_path: Path, flavour: str, profile: str
) -> None:
    """They map as the packets do that were deleted on the node, whole."""
    api = reducing_api(lab, start_api, tmp_path, flavour)
    out = tmp_path / "out"

    result = run(
        api, "capture", "--duration", "5s", "--profile", profile, "-o", str(out),
        "--reduce-binary", str(program(tmp_path / "otterize", shell=KEEP)),
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert_clean(api)
    manifest = read_manifest(out)
    pulled = sum(file.bytes for node in manifest.nodes for file in node.files)
    assert re.search(
        rf"reduced on the nodes: [0-9,]+ bytes of packets; pulled {pulled:,}\n", result.output
    )
    for node in manifest.nodes:
        assert (node.status, node.reason, node.packets.dropped) == ("captured", None, 0)
        assert [file.path for file in node.files] == [f"pcap/{node.name}.conntable"]
    assert_maps_alike(out, tmp_path, cut=profile == "calls")


def assert_maps_alike(out: Path, place: Path, *, cut: bool) -> None:
    """What was pulled maps as the packets that each pod kept."""
    packets = without_manifest(out, place / "packets")
    tables = without_manifest(out, place / "tables")
    for recording in (packets / "pcap").iterdir():
        recording.unlink()
    for volume in sorted((place / "pods").glob("*/keep")):
        node = next(
            name
            for name, (_, address, _) in NODES.items()
            if address in (volume.parent / "addresses").read_text()
        )
        kept = sorted(volume.glob("*.pcap*"), key=lambda file: PARTS.index(file.name.split(".")[0]))
        assert kept
        merge_parts(
            kept, packets / "pcap" / f"{node}.pcap", PayloadCut(TunnelPorts()) if cut else None
        )
    of_packets = graph_of([packets], (), ALL_NAMES, EVERYTHING)
    assert sum(json.loads(of_packets)["coverage"]["connections"].values()) > 20, of_packets
    assert named_alike(graph_of([tables], (), ALL_NAMES, EVERYTHING), tables) == named_alike(
        of_packets, packets
    )


@pytest.mark.skipif(
    "OTTERIZE_TEST_BUILT" not in os.environ, reason="needs `make binary` and OTTERIZE_TEST_BUILT=1"
)
@pytest.mark.parametrize("flavour", ["debian", "busybox"])
def test_the_built_binary_reduces(
    lab: Lab, start_api: StartApi, run: Run, tmp_path: Path, flavour: str
) -> None:
    """As it is released: copied whole, in an image of another make."""
    api = lab_api(lab, start_api, tmp_path, flavour)
    out = tmp_path / "out"
    built = Path(os.environ.get("OTTERIZE_TEST_REDUCER", PACKAGE / "dist" / "otterize-portable"))

    result = run(api, "capture", "--duration", "20s", "-o", str(out), "--reduce-binary", str(built))

    assert result.exit_code == 0, result.output
    for node in read_manifest(out).nodes:
        assert (node.status, node.reason) == ("captured", None)
        assert [file.path for file in node.files] == [f"pcap/{node.name}.conntable"]

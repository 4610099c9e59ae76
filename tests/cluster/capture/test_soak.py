"""Large captures: many nodes, large files. Not in the default run; see `make soak`."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import StartApi, assert_clean, kubeconfig, node, nodes_of
from tests.cluster.fake_kubelet import ScriptedRuntime

ROOT = Path(__file__).parents[3]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("OTTERIZE_SOAK" not in os.environ, reason="run by make soak only"),
]
NODES = 200
MEBIBYTE = 1 << 20


def capture_in_process(api: FakeApi, place: Path, *words: str) -> tuple[int, float]:
    """Run `otterize capture` by itself; exit code and peak memory in MiB."""
    main = Path(__file__).parents[1] / "tiny_main.py"
    command = [sys.executable, str(main), "capture", "--duration", "1s", *words]
    command += ["--kubeconfig", str(kubeconfig(api, place))]
    with (place / "stderr").open("wb") as stderr:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, env=environment, stderr=stderr)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss / 1024


def test_two_hundred_nodes(start_api: StartApi, scripted: ScriptedRuntime, tmp_path: Path) -> None:
    """200 nodes are captured with a bounded number of requests at once and flat memory."""
    scripted.files = {"calls.pcap": b"x" * MEBIBYTE}
    api = start_api(scripted)
    for number in range(NODES - 2):
        api.add("nodes", node(f"worker-{number}"))
    api.most_serving = 0

    code, memory = capture_in_process(api, tmp_path, "-o", str(tmp_path / "out"))

    sys.stdout.write(f"\n{NODES} nodes: peak {memory:.0f} MiB, {api.most_serving} requests\n")
    assert code == 0, (tmp_path / "stderr").read_text()[-2000:]
    found = nodes_of(tmp_path / "out")
    assert [entry.status for entry in found.values()] == ["captured"] * NODES
    # Ten watches, eight creators or log readers, four pullers, and the main loop.
    assert api.most_serving <= 30
    assert memory < 150
    assert_clean(api)


def test_two_gibibytes(start_api: StartApi, scripted: ScriptedRuntime, tmp_path: Path) -> None:
    """A file of 2 GiB is pulled whole in flat memory, by streams that are cut again and again."""
    size = 2 << 30
    source = tmp_path / "large"
    digest = hashlib.sha256()
    with source.open("wb") as sink:
        for number in range(size // MEBIBYTE):
            block = number.to_bytes(8, "big") * (MEBIBYTE // 8)
            sink.write(block)
            digest.update(block)
    scripted.files = {"calls.pcap": b""}
    scripted.state = (
        f"started 1.0\nended 2.0\nstopped duration\nfile calls.pcap {size} {digest.hexdigest()}\n"
    )
    api = start_api(scripted)
    api.remove("nodes", "", "node2")
    scripted.substitute = {"calls.pcap": source}
    api.faults.exec_cuts = [37_000_003] * 20
    began = time.monotonic()

    code, memory = capture_in_process(api, tmp_path, "-o", str(tmp_path / "out"))

    seconds = time.monotonic() - began
    assert code == 0, (tmp_path / "stderr").read_text()[-2000:]
    assert (tmp_path / "out" / "pcap" / "node1.pcap").stat().st_size == size
    assert memory < 120
    sys.stdout.write(
        f"\n2 GiB in {seconds:.1f} s, {size / MEBIBYTE / seconds:.0f} MiB/s, "
        f"peak {memory:.0f} MiB\n"
    )

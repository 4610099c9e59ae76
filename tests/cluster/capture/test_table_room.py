"""Room for tables that nodes make while they record: taken once, however often they are pulled."""

import shutil
import threading
from collections import namedtuple
from hashlib import sha256
from pathlib import Path

import pytest

from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.capture import reducing
from otterize_pcap.cluster.capture.follow import NodeJob
from otterize_pcap.cluster.capture.pull import PodFile, PullEnd
from otterize_pcap.cluster.capture.reducing import Reducing
from otterize_pcap.cluster.capture.room import Room
from otterize_pcap.errors import ClusterError
from otterize_pcap.files.table_journal import table_name
from tests.cluster.script_runs import plan

BLOCK = b"b" * (1 << 20)


def journal(blocks: int) -> bytes:
    """What a node says that it has made so far."""
    digest = sha256(BLOCK).hexdigest()
    lines = [f"table {table_name(number)} {len(BLOCK)} {digest} 1 1\n" for number in range(blocks)]
    return "".join(lines).encode()


@pytest.mark.parametrize("room", ["of a recording", "on the disk"])
def test_node_behind_a_bad_line_is_not_refused(
    room: str, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks that come at the tenth try were claimed ten times, until there was no room for any."""
    order = plan(max_bytes=1 << 20)
    blocks = order.volume_bytes // len(BLOCK) - 1
    if room == "on the disk":
        usage = namedtuple("usage", "total used free")  # noqa: PYI024 - as shutil has it
        blocks = 5
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, (blocks + 1) * len(BLOCK)))
    (tmp_path / "pcap").mkdir()
    made, tries = 0, 0

    def pull(_: Cluster, source: PodFile, target: Path, *__: object) -> None:
        nonlocal tries
        tries += 1
        if tries % 10:
            message = f"{source.path}: nothing more arrives"
            raise ClusterError(message)
        target.write_bytes(BLOCK)

    monkeypatch.setattr(reducing, "output_of", lambda *_: journal(made))
    monkeypatch.setattr(reducing, "pull_file", pull)
    monkeypatch.setattr(reducing, "read_head", lambda *_: None)
    abandoned = threading.Event()
    asking = Reducing(cluster, order, tmp_path, Room(tmp_path, order), None, abandoned)
    job, end = NodeJob("node1", "job1"), PullEnd(abandoned, 60.0)
    while made < blocks:
        made += 1
        for _ in range(9):
            with pytest.raises(ClusterError, match="nothing more arrives"):
                asking.finish(job, end, lambda _: None)
        tables = asking.finish(job, end, lambda _: None)
    assert tables.size == blocks * len(BLOCK)
    made = blocks + 3
    with pytest.raises(ClusterError, match=r"offers|are left on the disk"):
        asking.finish(job, end, lambda _: None)

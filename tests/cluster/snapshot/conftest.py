"""A running watch of the fake cluster, and what it would write."""

import json
from collections.abc import Iterator

import pytest

from otterize_pcap.cluster.api.client import Cluster
from otterize_pcap.cluster.snapshot.watch import SnapshotWatch
from tests.cluster.fake_store import Json


def document(snapshot: SnapshotWatch) -> Json:
    """The snapshot file, parsed."""
    found: Json = json.loads(snapshot.document())
    return found


@pytest.fixture
def watch(cluster: Cluster) -> Iterator[SnapshotWatch]:
    """A running watch of the fake cluster."""
    snapshot = SnapshotWatch(cluster)
    snapshot.start()
    yield snapshot
    snapshot.stop()

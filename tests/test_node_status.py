"""The status of a node, as manifests have it."""

import json

import pytest

from otterize_pcap.capture_dir import decode_manifest, encode_manifest
from otterize_pcap.errors import CaptureError
from otterize_pcap.node_status import NodeStatus


def manifest(status: object) -> bytes:
    """A manifest with one node."""
    return json.dumps(
        {
            "version": 1,
            "tool": "x",
            "start": "2026-01-01T00:00:00Z",
            "end": "2026-01-01T00:01:00Z",
            "nodes": [{"name": "a", "status": status}],
        }
    ).encode()


@pytest.mark.parametrize("word", ["captured", "failed", "skipped", "retired", ""])
def test_status_is_written_as_it_was_read(word: str) -> None:
    """A word that a newer version wrote is kept, and is none of ours."""
    found = decode_manifest(manifest(word), "x")
    status = found.nodes[0].status
    assert (status in set(NodeStatus)) == (word in {"captured", "failed", "skipped"})
    assert json.loads(encode_manifest(found))["nodes"][0]["status"] == word


def test_status_that_is_no_word_is_an_error() -> None:
    """The manifest is refused, as any that is not what we write."""
    with pytest.raises(CaptureError, match="x: not a capture manifest"):
        decode_manifest(manifest(5), "x")


def test_only_words_are_a_status() -> None:
    """A number is no status, known or not."""
    with pytest.raises(ValueError, match="5"):
        NodeStatus(5)  # type: ignore[arg-type] # what types cannot hold

"""JSON that breaks where nobody looks first: behind an odd field, in a text, thousands deep."""

import re

import pytest

from otterize_pcap.cluster.api.refusals import status_of
from otterize_pcap.errors import SnapshotError
from otterize_pcap.snapshot.read_snapshot import parse_snapshot
from tests.conftest import ROOT

ALONE = re.compile(r"(except|suppress\()[ (]*msgspec\.(DecodeError|MsgspecError)\b(?!.*TypeError)")
DEEP = b"[" * 5000


@pytest.mark.parametrize("broken", [b'"\xc3("', DEEP], ids=["text", "depth"])
def test_refusal_that_is_no_json_is_told_as_it_is(broken: bytes) -> None:
    """What stands before an API server can answer anything."""
    reason, message = status_of(b'{"reason": ' + broken + b"}")
    assert reason == ""
    assert message.startswith('{"reason"')


@pytest.mark.parametrize("broken", [b'"\xc3("', DEEP], ids=["text", "depth"])
@pytest.mark.parametrize(
    "document",
    [
        b'{"type": %s, "object": {}}',
        b'{"kind": "Pod", "metadata": {"name": 5, "x": %s}}',
        b'{"kind": "List", "metadata": {"resourceVersion": %s}, "items": []}',
        b'{"kind": "List", "items": [{"kind": "Pod", "spec": 5, "x": %s}]}',
    ],
)
def test_snapshot_that_breaks_within_is_refused(document: bytes, broken: bytes) -> None:
    """In one of our errors, whatever else is odd in it."""
    with pytest.raises(SnapshotError):
        parse_snapshot([("snapshot.json", document % broken)])


def test_all_of_what_breaks_is_caught() -> None:
    """No reader catches a part of what msgspec raises: `json_errors.BROKEN` is all of it."""
    for path in (ROOT / "otterize_pcap").rglob("*.py"):
        assert not ALONE.search(path.read_text(encoding="utf-8")), path

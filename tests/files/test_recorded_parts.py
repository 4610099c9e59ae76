"""The parts of a recording that lie on a node, while they are written and deleted."""

from pathlib import Path
from typing import Any

import pytest

from otterize_pcap.files.recorded_parts import PARTS, RecordedParts, part_file


@pytest.mark.parametrize("when", ["before", "behind"])
def test_a_file_that_is_deleted_meanwhile_is_not_there(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that bounds the disk lists files while another deletes what was taken.

    It died of that now and then: nothing held tcpdump any more, or let it go on.
    """
    stat = Path.stat
    deleted, kept = (part_file(tmp_path, PARTS[0], number) for number in (0, 1))
    for path in (deleted, kept):
        path.write_bytes(b"12345")

    def deleting(path: Path, **how: Any) -> Any:  # noqa: ANN401 - as it is passed on
        if path != deleted:
            return stat(path, **how)
        if when == "before":
            path.unlink(missing_ok=True)
        found = stat(path, **how)
        path.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Path, "stat", deleting)
    sizes = RecordedParts(tmp_path, {}).files()[PARTS[0]]
    assert sizes in ({1: 5}, {0: 5, 1: 5})
    assert RecordedParts(tmp_path, {}).files() == {PARTS[0]: {1: 5}}

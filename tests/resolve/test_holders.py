"""S12: who held an address is asked once between two changes, and is the same at every moment."""

from pathlib import Path

import pytest

from otterize_pcap.files.captures import open_captures
from otterize_pcap.resolve.capture_lookup import CaptureLookup, Rules
from otterize_pcap.resolve.holders import Holders
from otterize_pcap.table.read import ReadOptions
from tests.conftest import FIXTURES

SCENARIOS = sorted(path.parent for path in FIXTURES.glob("*/snapshot.json"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_holder_at_a_moment_is_that_of_the_moment(scenario: Path) -> None:
    """S12: around every change of every address, in whatever order it is asked."""
    (capture,) = open_captures([scenario], None, ReadOptions())
    lookup = CaptureLookup(capture, Rules())
    holder, changes = lookup.resolver().holder, lookup.routes.client_changes
    for address in lookup.snapshot.tenures:
        moments = changes([address])
        asked = [moment + near for near in (1, 0, -1) for moment in moments] or [0]
        for order in (asked, asked[::-1]):
            holders = Holders(holder, changes)
            told = [holders.at(address, time_ns) for time_ns in order]
            assert told == [holder(address, time_ns, time_ns) for time_ns in order]

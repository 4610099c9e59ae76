"""Both ways in which captures are read, for tests that hold of each."""

import pytest

from otterize_pcap.table.chunk import FAST_PATH

readers = pytest.mark.parametrize(
    "fast",
    [
        pytest.param(True, marks=pytest.mark.skipif(not FAST_PATH, reason="not built")),
        False,
    ],
    ids=["compiled", "readable"],
)

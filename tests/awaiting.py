"""Waiting for what must come.

How long it takes is no promise of ours: a busy machine may take ten times as long as an idle one,
and only a test that fails waits to the end.
"""

import time
from collections.abc import Callable

PATIENCE_S = 120.0
PAUSE_S = 0.02


def until(condition: Callable[[], object], found: Callable[[], object] = str) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: It did not come; says what was `found` instead.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, found()
        time.sleep(PAUSE_S)

"""How much memory a step took at its worst: the kernel's high-water mark of this process.

`tracemalloc` sees no allocation of C and takes four times as long; the mark costs two reads.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
RESET_MARK = "5"
"""proc(5), /proc/[pid]/clear_refs: set the peak resident set size to the current one."""

LIBC = ctypes.CDLL(None)
"""glibc keeps what is freed within its heap, and gives that out again: it is not seen to grow."""


@contextmanager
def within_memory(bound: int) -> Iterator[None]:
    """See that a block's memory grows by no more bytes than that, even for a moment.

    Skips the test, and says so, where the kernel keeps no such mark.
    """
    if not CLEAR.exists():
        pytest.skip("this system keeps no high-water mark that can be reset")
    if hasattr(LIBC, "malloc_trim"):
        LIBC.malloc_trim(0)
    CLEAR.write_text(RESET_MARK)
    before = _mark()
    yield
    grown = _mark() - before
    assert grown <= bound, f"{grown} bytes more at once"


def _mark() -> int:
    """The most bytes that were resident since the mark was reset."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10

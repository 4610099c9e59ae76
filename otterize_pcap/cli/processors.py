"""How many processors there are for this process."""

import os


def processors() -> int:
    """How many this process may use; macOS and Windows do not tell, only how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""As `conntrack-loose`, but the tables are flushed while the capture runs.

The same pods and the same pushes. The first dump has every connection as it was opened, the last
one has it as it was taken up after the flush, by the server's push: of two entries of one flow the
older one knows, so that `solo` → `quiet` and `blind` → `high` can be told too.
"""

from cluster import Lab

from scenarios import conntrack_loose


def record(lab: Lab) -> None:
    """Record, flush, push."""
    conntrack_loose.push_and_answer(lab, flush_first=False)

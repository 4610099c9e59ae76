"""`clock-disagree` the other way round: the clock of node-a, the first by name, is the wrong one.

It is 15 seconds behind, there is no manifest, and the address changes hands on node-b. If node-a's
clock were right, everything was 15 seconds earlier, and `two`'s call to `probe` would have been
`one`'s: ambiguous by clocks. The MAC address of the address changed before that call, so it was
`two`'s. `one` → `sink` and `steady` → `sink` are the same by either clock.
"""

from pathlib import Path

from cluster import Lab
from recorder import move_in_time

from scenarios import clock_disagree

_BEHIND = -15_000_000_000


def record(lab: Lab) -> None:
    """Hand an address over on node-b."""
    uplink = clock_disagree.UPLINK
    clock_disagree.hand_over(lab, "node-b", "node-a", first=None, second=uplink)


def finish(directory: Path) -> None:
    """Set node-a's clock behind, and leave out what says when each node recorded."""
    move_in_time(directory, "node-a", _BEHIND)
    (directory / "manifest.json").unlink()

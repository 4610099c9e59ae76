"""Two clocks 15 seconds apart, and nothing that says which is right: there is no manifest.

node-b's clock is ahead. On node-a a pod of `one` calls `sink`; it is deleted, and a pod of `two`
gets its address and calls `probe`, three seconds between each step. `steady`, which keeps its
address, calls `sink` as well.

If node-a's clock is right, `one` called `sink`; if node-b's were right, everything was 15 seconds
later, and it would have been `two`. By clocks that call is ambiguous. The address's MAC address
changed between the two calls, though, and the watch saw one change of hands: before it the address
was `one`'s. `two` → `probe` and `steady` → `sink` are the same by either clock.
"""

import time
from pathlib import Path

from cluster import Lab
from objects import Port
from recorder import move_in_time

UPLINK = {
    "uplink": "ambiguous: by the other node's clock another pod had the address, and the pod's MAC "
    "address is not on the uplink"
}
_STEP, _AHEAD = 3.0, 15_000_000_000


def record(lab: Lab) -> None:
    """Hand an address over on node-a."""
    hand_over(lab, "node-a", "node-b", first=UPLINK, second=None)


def hand_over(
    lab: Lab,
    here: str,
    there: str,
    *,
    first: dict[str, str] | None,
    second: dict[str, str] | None,
) -> None:
    """`one` has the address, then `two`; what the uplink cannot tell of either's call."""
    lab.truth.views = ["no-conntrack", "uplink", "uplink+no-conntrack"]
    sink_port, probe_port = lab.plan.port(9000), lab.plan.port(7000)
    sink = lab.deployment("sink", "app", on=(there,), ports=(Port(sink_port),))
    probe = lab.deployment("probe", "app", on=(there,), ports=(Port(probe_port),))
    one = lab.deployment("one", "app", on=(here,))
    steady = lab.deployment("steady", "app", on=(here,))

    lab.age(3600)
    lab.start_recording()
    one.host.call(sink.pod, sink_port)
    time.sleep(_STEP)
    lab.delete_pod(one.pod)
    time.sleep(_STEP)
    two = lab.deployment("two", "app", on=(here,), address_of=one.pod)
    time.sleep(_STEP)
    two.host.call(probe.pod, probe_port)
    steady.host.call(sink.pod, sink_port)
    lab.stop_recording()

    lab.truth.edge(one, sink, sink_port, uplink="yes", unknown=first)
    lab.truth.edge(two, probe, probe_port, uplink="yes", unknown=second)
    lab.truth.edge(steady, sink, sink_port, uplink="yes")
    lab.truth.more = {"manifest": False}


def finish(directory: Path) -> None:
    """Set node-b's clock ahead, and leave out what says when each node recorded."""
    move_in_time(directory, "node-b", _AHEAD)
    (directory / "manifest.json").unlink()

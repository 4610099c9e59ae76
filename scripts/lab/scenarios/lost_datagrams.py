"""UDP whose first datagram the capture missed: what is seen first is the answer.

Everything begins more than 30 seconds after the capture, where the first datagram would tell. After
the recording the datagrams that say `lost here` were taken out of every file, as tcpdump misses
packets under load.

- `asker` on node-a → `answerer` on node-b, port 7001, declared nowhere: its first question is
  lost, the answer and a second exchange are not. The server's port is no ephemeral one.
- `poller` on node-a → `high` on node-b, port 45679, declared nowhere and as ephemeral as the
  client's: six times, two questions are lost. Most flows of the two say who asks.
- `near` on node-b → `high`, both on node-b, once; nothing is lost.
- `device` on node-a → `gateway` on node-b, declared: its question is lost.
"""

import time
from pathlib import Path

from cluster import Lab
from objects import Port
from shell import LabError
from thin import lose
from truth import not_past
from workloads import Group

_LOST, _SEEN = "lost here\n", "seen here\n"
_HIGH = 45679
_FIRST_SECONDS = 32.0
_TOO_LITTLE = 8


def record(lab: Lab) -> None:
    """Wait, then ask."""
    lab.look_from_all_sides()
    low, declared = lab.plan.port(7001), lab.plan.port(5684)
    answerer, high = (lab.deployment(name, "iot", on=("node-b",)) for name in ("answerer", "high"))
    answerer.host.serve(low, protocol="UDP", reply="name")
    high.host.serve(_HIGH, protocol="UDP", reply="name")
    gateway = lab.deployment(
        "gateway", "iot", on=("node-b",), ports=(Port(declared, "UDP"),), reply="name"
    )
    asker, poller, device = (lab.deployment(name, "iot") for name in ("asker", "poller", "device"))
    near = lab.deployment("near", "iot", on=("node-b",))

    lab.start_recording()
    time.sleep(_FIRST_SECONDS)
    ask_twice(asker, answerer, low, _LOST)
    for first in (_SEEN, _LOST, _SEEN, _SEEN, _LOST, _SEEN):
        ask_twice(poller, high, _HIGH, first)
    ask_twice(near, high, _HIGH, _SEEN)
    ask_twice(device, gateway, declared, _LOST)
    lab.stop_recording()

    edge = lab.truth.edge
    only_answer = {"no-conntrack": "its first datagram is the answer, and nothing else tells"}
    edge(asker, answerer, low, protocol="UDP", uplink="conntrack", unknown=only_answer)
    edge(poller, high, _HIGH, protocol="UDP", uplink="yes")
    edge(near, high, _HIGH, protocol="UDP", uplink="no", unknown=not_past("node-a"))
    edge(device, gateway, declared, protocol="UDP", uplink="yes")


def ask_twice(client: Group, server: Group, port: int, first: str) -> None:
    """From a port of its own."""
    asking = client.host.open(server.pod, port, protocol="UDP")
    asking.send(first)
    asking.send(_SEEN)
    asking.close()


def finish(directory: Path) -> None:
    """Lose what was to be lost."""
    if lose(directory, _LOST.encode()) < _TOO_LITTLE:
        message = "the datagrams that were to be lost are not in the recording"
        raise LabError(message)

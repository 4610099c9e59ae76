"""A connection whose client address changes owner half-way, as far as the snapshot knows.

`holder` opens a connection to `server` and talks. Its pod is then deleted from the API by force,
which does not wait for the node: the process lives on, and so does the connection. A pod of `heir`
is said to have the address from then on. Who called is ambiguous. `witness`, on another address,
calls all the same.
"""

import time

from cluster import Lab
from objects import Port

_QUIET = 2.5


def record(lab: Lab) -> None:
    """Talk across the change."""
    port = lab.plan.port(8080)
    server = lab.deployment("server", "app", on=("node-b",), ports=(Port(port),))
    holder, witness = lab.deployment("holder", "app"), lab.deployment("witness", "app")

    lab.start_recording()
    talk = holder.host.open(server.pod, port)
    talk.send()
    time.sleep(_QUIET)
    lab.end_pod(holder.pod)
    heir = lab.deployment("heir", "app", address_of=holder.pod, objects_only=True)
    talk.send()
    time.sleep(_QUIET)
    talk.send()
    talk.close()
    witness.host.call(server.pod, port)
    lab.stop_recording()

    lab.truth.edge(witness, server, port, uplink="yes")
    lab.truth.no_edge(holder, server, port, "ambiguous: holder or heir")
    lab.truth.no_edge(heir, server, port, "ambiguous: holder or heir")

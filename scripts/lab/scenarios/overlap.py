"""Two intervals cover one address, because the watch learned late that a pod was gone.

Pod `before` is deleted, `after` gets its address and calls `sink`; only then does the snapshot's
interval of `before` end. By the snapshot the call is ambiguous. Later, with only `after` left and
the change more than two seconds past, `after` calls `source`, from the same interface of its node:
so both calls were its own. On the uplink alone nothing tells. Beside it the same happens to two
pods of one workload, `twin`, which is not ambiguous: whichever pod it was, `twin` called `sink`.
"""

import time

from cluster import Lab
from objects import Port

_INSIDE, _QUIET = 1.2, 4.0


def record(lab: Lab) -> None:
    """Hand two addresses on while the snapshot still says that the old pod has them."""
    port = lab.plan.port(8080)
    sink = lab.deployment("sink", "app", on=("node-b",), ports=(Port(port),))
    source = lab.deployment("source", "app", on=("node-b",), ports=(Port(port),))
    before = lab.deployment("before", "app")
    twin = lab.deployment("twin", "app")

    lab.start_recording()
    lab.remove_host(before.host)
    lab.remove_host(twin.host)
    after = lab.deployment("after", "app", address_of=before.pod)
    second = lab.start_pod(
        twin.pod.document["metadata"]["name"][:-5] + lab.plan.suffix("second twin", 5),
        twin.workload.namespace,
        twin,
        "node-a",
        address_of=twin.pod,
    )
    time.sleep(_INSIDE)
    after.host.call(sink.pod, port)
    second.host.call(sink.pod, port)
    time.sleep(_INSIDE)
    lab.end_pod(before.pod)
    lab.end_pod(twin.pod)
    time.sleep(_QUIET)
    after.host.call(source.pod, port)
    lab.stop_recording()

    unknown = {"uplink": "ambiguous: two intervals cover it"}
    lab.truth.edge(after, sink, port, uplink="yes", unknown=unknown)
    lab.truth.edge(twin, sink, port, uplink="yes")
    lab.truth.edge(after, source, port, uplink="yes")

"""Pods with a second interface, as Multus gives them: `network-status` names its address.

The second network is a bridge on every node, with a cable of its own between the nodes; `eth0`
does not see it.

- `writer` on node-a calls `store` on node-b over the second network, `reader` on node-b calls it on
  the same node.
- `mirror` on node-a opened its connection to `store` before the capture.
- `store` calls `index` on node-a over the usual network.
- `pinger` on node-a sends datagrams to `store` over the second network, and is answered.
"""

from cluster import Lab
from objects import Port
from truth import not_past


def record(lab: Lab) -> None:
    """Call over both networks."""
    lab.look_from_all_sides()
    nfs, ping, http = (lab.plan.port(port) for port in (2049, 7400, 8080))
    lab.add_second_network()
    store = lab.statefulset(
        "store", "storage", on=("node-b",), ports=(Port(nfs), Port(ping, "UDP"))
    )
    index = lab.deployment("index", "storage", ports=(Port(http),))
    writer, mirror, pinger = (
        lab.deployment(name, "app") for name in ("writer", "mirror", "pinger")
    )
    reader = lab.deployment("reader", "app", on=("node-b",))
    address = lab.attach_second(store.pod)
    for group in (writer, mirror, pinger, reader):
        lab.attach_second(group.pod)
    mirroring = mirror.host.open(address, nfs)
    mirroring.send()

    lab.start_recording()
    writer.host.call(address, nfs)
    reader.host.call(address, nfs)
    mirroring.send()
    store.host.call(index.pod, http)
    pinger.host.call(address, ping, protocol="UDP")
    lab.stop_recording()

    edge = lab.truth.edge
    apart = {"uplink": "the second network has an uplink of its own"}
    edge(writer, store, nfs, uplink="no", unknown=apart)
    edge(reader, store, nfs, uplink="no", unknown=not_past("node-a"))
    edge(mirror, store, nfs, uplink="no", unknown=apart)
    edge(store, index, http, uplink="yes")
    edge(pinger, store, ping, protocol="UDP", uplink="no", unknown=apart)

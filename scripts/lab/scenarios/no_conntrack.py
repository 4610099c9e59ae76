"""Connections older than the capture, on nodes where conntrack could not be read.

No handshake was seen, nothing says who called first, and each connection has another rule for it.

- `ticker` → `feed`: the server's port is declared (S32), and reached through a Service.
- `poller` → `store`: a port that nothing declares, but `fresh` calls it during the capture (S33).
- `browser` → `site`: such a port that nobody else calls; an HTTP/1 request passes (S34).
- `first` and `second` → `collector`: such a port, not an ephemeral one, with two clients (S35).
- `plain` → `peer`: nothing tells client from server (S36): no edge, and counted.
"""

from pathlib import Path

from cluster import Lab
from hosts import HTTP_REQUEST
from objects import Port
from services import ServicePort

_STORE, _SITE, _COLLECTOR, _PEER = 45678, 40123, 9514, 50321


def record(lab: Lab) -> None:
    """Open everything first, start tcpdump then."""
    feed_port = lab.plan.port(7000)
    feed = lab.deployment("feed", "app", on=("node-b",), ports=(Port(feed_port),))
    feed_service = lab.service("feed", "app", ServicePort(feed_port, feed_port))
    store, site = (lab.deployment(name, "app", on=("node-b",)) for name in ("store", "site"))
    collector, peer = (
        lab.deployment(name, "app", on=("node-b",)) for name in ("collector", "peer")
    )
    store.host.serve(_STORE)
    site.host.serve(_SITE, reply="http")
    collector.host.serve(_COLLECTOR)
    peer.host.serve(_PEER)
    names = ("ticker", "poller", "fresh", "browser", "first", "second", "plain")
    client = {name: lab.deployment(name, "app") for name in names}
    old = {
        "ticker": client["ticker"].host.open(feed_service, feed_port),
        "poller": client["poller"].host.open(store.pod, _STORE),
        "browser": client["browser"].host.open(site.pod, _SITE),
        "first": client["first"].host.open(collector.pod, _COLLECTOR),
        "second": client["second"].host.open(collector.pod, _COLLECTOR),
        "plain": client["plain"].host.open(peer.pod, _PEER),
    }

    lab.start_recording()
    for name, connection in old.items():
        connection.send(HTTP_REQUEST if name == "browser" else "ping\n")
    client["fresh"].host.call(store.pod, _STORE)
    lab.stop_recording()

    edge = lab.truth.edge
    edge(client["ticker"], feed, feed_port, service=feed_service, uplink="yes", rule="S32")
    edge(client["poller"], store, _STORE, uplink="yes", rule="S33")
    edge(client["fresh"], store, _STORE, uplink="yes", rule="S30")
    edge(client["browser"], site, _SITE, uplink="yes", rule="S34")
    edge(client["first"], collector, _COLLECTOR, uplink="yes", rule="S35")
    edge(client["second"], collector, _COLLECTOR, uplink="yes", rule="S35")
    lab.truth.no_edge(client["plain"], peer, _PEER, "undirected")


def finish(directory: Path) -> None:
    """Leave out what conntrack said."""
    for dump in directory.glob("node/*/conntrack-*"):
        dump.unlink()

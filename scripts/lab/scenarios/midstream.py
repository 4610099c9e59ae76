"""Connections older than the capture: tcpdump never sees their handshakes.

- `ticker` → `feed`: open before and after, a request during the capture.
- `closer` → `queue`: opened before, closed during the capture.
- `plain` → `peer`: as ticker, but the server's port is declared nowhere and lies in the ephemeral
  range, so that only conntrack's original direction says who is the client.
- `idle` → `cache`: open all the time, not one packet during the capture; conntrack alone knows.
- `past` → `cache`: closed before the capture; conntrack still holds it in TIME_WAIT. No call.
"""

import time

from cluster import Lab
from objects import Port
from services import ServicePort

_UNDECLARED = 45678


def record(lab: Lab) -> None:
    """Open everything first, start tcpdump then."""
    feed_port, queue_port, cache_port = (lab.plan.port(port) for port in (7000, 5672, 6379))
    feed = lab.deployment("feed", "app", on=("node-b",), ports=(Port(feed_port),))
    queue = lab.deployment("queue", "app", on=("node-b",), ports=(Port(queue_port),))
    cache = lab.deployment("cache", "app", ports=(Port(cache_port),))
    peer = lab.deployment("peer", "app", on=("node-b",))
    peer.host.serve(_UNDECLARED)
    feed_service = lab.service("feed", "app", ServicePort(feed_port, feed_port))
    queue_service = lab.service("queue", "app", ServicePort(queue_port, queue_port))
    cache_service = lab.service("cache", "app", ServicePort(cache_port, cache_port))
    ticker, closer = lab.deployment("ticker", "app"), lab.deployment("closer", "app")
    plain, idle = lab.deployment("plain", "app"), lab.deployment("idle", "app")
    past = lab.deployment("past", "app")

    ticking = ticker.host.open(feed_service, feed_port)
    closing = closer.host.open(queue_service, queue_port)
    plainly = plain.host.open(peer.pod, _UNDECLARED)
    idling = idle.host.open(cache_service, cache_port)
    for connection in (ticking, closing, plainly, idling):
        connection.send()
    past.host.call(cache_service, cache_port)
    time.sleep(0.5)

    lab.start_recording()
    ticking.send()
    plainly.send()
    closing.close()
    lab.stop_recording()

    lab.truth.edge(ticker, feed, feed_port, service=feed_service, uplink="yes")
    lab.truth.edge(closer, queue, queue_port, service=queue_service, uplink="yes")
    lab.truth.edge(plain, peer, _UNDECLARED, uplink="conntrack")
    lab.truth.edge(idle, cache, cache_port, service=cache_service, uplink="conntrack")
    lab.truth.no_edge(past, cache, cache_port, "closed before the capture", service=cache_service)

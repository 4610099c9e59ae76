"""Who held an address from when to when, out of a stream of object states (rule S10).

Input: each state of each object, with the API server's time at which it was seen. Output: one
record per object and address. Nothing here talks to a cluster.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from otterize_pcap.cluster.api.client import Json
from otterize_pcap.errors import SnapshotError
from otterize_pcap.snapshot.object_fields import describe, time_of
from otterize_pcap.snapshot.objects import (
    EndpointSliceItem,
    Item,
    PodItem,
    PodStatus,
    ServiceItem,
)
from otterize_pcap.snapshot.pod_hold import held_from, held_until, pod_addresses
from otterize_pcap.snapshot.virtual_addresses import service_addresses, slice_addresses
from otterize_pcap.timestamps import kubernetes_time, parse_time

# Names the source of times in errors.
WHERE = "the API server"


class Held(Struct):
    """One object's hold of one address, in nanoseconds; `end_ns` None while it lasts."""

    kind: str
    namespace: str
    name: str
    uid: str
    ip: str
    start_ns: int
    end_ns: int | None = None

    def document(self) -> Json:
        """As snapshot.json keeps it, times as RFC 3339."""
        return {
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "ip": self.ip,
            "start": kubernetes_time(self.start_ns),
            "end": None if self.end_ns is None else kubernetes_time(self.end_ns),
        }


class AddressHistory:
    """All holds seen; feed it every state of every Pod, Service and EndpointSlice.

    A hostNetwork pod's say only from when to when it was there: the address is its node's (S11).
    """

    def __init__(self) -> None:
        self._closed: list[Held] = []
        self._open: dict[str, dict[str, Held]] = {}
        self._finished: set[str] = set()

    def saw(self, found: Json, seen: str, *, first_list: bool) -> None:
        """Take note of an object's state.

        Args:
            found: The object, with its kind.
            seen: The API server's time.
            first_list: It was there when we began, so that its own times say since when.
        """
        # What cannot be read tells nothing here; who reads the snapshot is told which object it is.
        seen_ns = parse_time(seen)
        with suppress(SnapshotError, msgspec.ValidationError):
            self._saw(found, seen_ns, first_list=first_list)

    def gone(self, found: Json, seen: str) -> None:
        """Take note that an object was deleted."""
        end_ns = parse_time(seen)
        for held in self._open.pop(found["metadata"]["uid"], {}).values():
            over = None
            if found["kind"] == "Pod":
                # A pod that finished before it was deleted gave its address up then.
                with suppress(SnapshotError, msgspec.ValidationError):
                    over = _pod_end(msgspec.convert(found, PodItem), held.start_ns)
            self._close(held, end_ns if over is None else min(over, end_ns))

    def documents(self) -> list[Json]:
        """All holds, sorted, as snapshot.json keeps them."""
        still = (held for by_ip in self._open.values() for held in by_ip.values())
        return [held.document() for held in sorted((*self._closed, *still), key=_order)]

    def _saw(self, found: Json, seen_ns: int, *, first_list: bool) -> None:
        if found["kind"] == "Pod":
            pod = msgspec.convert(found, PodItem)
            self._saw_pod(pod, seen_ns, first_list=first_list)
            return
        item: Item
        if found["kind"] == "Service":
            item = service = msgspec.convert(found, ServiceItem)
            addresses = service_addresses(service)
        elif found["kind"] == "EndpointSlice":
            item = endpoint_slice = msgspec.convert(found, EndpointSliceItem)
            addresses = slice_addresses(endpoint_slice)
        else:
            return
        created = item.metadata.creationTimestamp
        start_ns = seen_ns
        if first_list and created:
            start_ns = time_of(created, WHERE, describe(item))
        self._hold(item, addresses, start_ns, seen_ns)

    def _saw_pod(self, pod: PodItem, seen_ns: int, *, first_list: bool) -> None:
        uid = pod.metadata.uid
        _, start_ns = held_from([pod], WHERE, None if first_list else seen_ns)
        # Of what was there before us, this is the latest that it can have got its address.
        start_ns = min(start_ns, seen_ns)
        ended_ns = _pod_end(pod, start_ns)
        if ended_ns is not None and uid in self._finished:
            return
        if ended_ns is None or uid not in self._open:
            # Also where it was finished when first seen: it did hold its address before.
            self._hold(pod, pod_addresses(pod.status or PodStatus()), start_ns, seen_ns)
        self._finished.discard(uid)
        if ended_ns is not None:
            self._finished.add(uid)
            for held in self._open.pop(uid, {}).values():
                self._close(held, ended_ns)

    def _hold(self, item: Item, addresses: Iterable[str], start_ns: int, seen_ns: int) -> None:
        meta = item.metadata
        known = self._open.setdefault(meta.uid, {})
        wanted = set(addresses)
        for address in wanted - known.keys():
            known[address] = Held(
                item.kind, meta.namespace or "", meta.name, meta.uid, address, start_ns
            )
        for address in wanted & known.keys():
            # A later state can prove more of the past: when the network was ready, say.
            known[address].start_ns = min(known[address].start_ns, start_ns)
        for address in known.keys() - wanted:
            self._close(known.pop(address), seen_ns)

    def _close(self, held: Held, end_ns: int) -> None:
        held.end_ns = max(held.start_ns, end_ns)
        self._closed.append(held)


def _order(held: Held) -> tuple[str, str, str, str, str, int]:
    return held.kind, held.namespace, held.name, held.uid, held.ip, held.start_ns


def stamp_of(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _pod_end(pod: PodItem, since_ns: int) -> int | None:
    """When the pod gave its addresses up by its own status, None while it holds them."""
    if not pod_addresses(pod.status or PodStatus()):
        return None
    return held_until(pod, since_ns, WHERE)

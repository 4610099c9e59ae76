"""Who held an address from when to when, out of a stream of object states (rule S10).

Input: each state of each object, with the API server's time at which it was seen. Output: one
record per object and address. Nothing here talks to a cluster.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from otterize_pcap.cluster.api.client import Json

READY_TO_START = "PodReadyToStartContainers"
NO_ADDRESS = {"", "None"}


@dataclass(slots=True)
class Held:
    """One object's hold of one address; RFC 3339 times, `end` None while it lasts."""

    kind: str
    namespace: str
    name: str
    uid: str
    ip: str
    start: str
    end: str | None = None

    def document(self) -> Json:
        """As snapshot.json keeps it."""
        return {
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "ip": self.ip,
            "start": self.start,
            "end": self.end,
        }


class AddressHistory:
    """All holds seen; feed it every state of every Pod, Service and EndpointSlice."""

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
        if found["kind"] == "Pod":
            self._saw_pod(found, seen, first_list=first_list)
        elif found["kind"] in {"Service", "EndpointSlice"}:
            addresses = _service_addresses if found["kind"] == "Service" else _slice_addresses
            start = found["metadata"].get("creationTimestamp", seen) if first_list else seen
            self._hold(found, addresses(found), start, seen)

    def gone(self, found: Json, seen: str) -> None:
        """Take note that an object was deleted."""
        if found["kind"] == "Pod":
            # A pod that finished before it was deleted gave its address up then.
            seen = _pod_end(found) or seen
        for held in self._open.pop(found["metadata"]["uid"], {}).values():
            self._close(held, seen)

    def documents(self) -> list[Json]:
        """All holds, sorted, as snapshot.json keeps them."""
        still = (held for by_ip in self._open.values() for held in by_ip.values())
        everything = sorted(
            (*self._closed, *still),
            key=lambda held: (held.kind, held.namespace, held.name, held.uid, held.ip, held.start),
        )
        return [held.document() for held in everything]

    def _saw_pod(self, pod: Json, seen: str, *, first_list: bool) -> None:
        status = pod.get("status") or {}
        if (pod.get("spec") or {}).get("hostNetwork"):
            return  # S11
        uid = pod["metadata"]["uid"]
        ended = _pod_end(pod)
        if ended is not None and uid in self._finished:
            return
        if ended is None or uid not in self._open:
            # Also where it was finished when first seen: it did hold its address before.
            start = _pod_start(pod, seen, first_list=first_list)
            self._hold(pod, _pod_addresses(status), start, seen)
        self._finished.discard(uid)
        if ended is not None:
            self._finished.add(uid)
            for held in self._open.pop(uid, {}).values():
                self._close(held, ended)

    def _hold(self, found: Json, addresses: Iterable[str], start: str, seen: str) -> None:
        metadata = found["metadata"]
        known = self._open.setdefault(metadata["uid"], {})
        wanted = {address for address in addresses if address not in NO_ADDRESS}
        for address in wanted - known.keys():
            known[address] = Held(
                found["kind"],
                metadata.get("namespace", ""),
                metadata["name"],
                metadata["uid"],
                address,
                start,
            )
        for address in known.keys() - wanted:
            self._close(known.pop(address), seen)

    def _close(self, held: Held, end: str) -> None:
        held.end = max(held.start, end, key=parsed_time)
        self._closed.append(held)


def parsed_time(stamp: str) -> datetime:
    """An RFC 3339 time, as Kubernetes writes it."""
    return datetime.fromisoformat(stamp)


def stamp_of(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _condition(pod: Json, name: str) -> Json:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((found for found in conditions if found.get("type") == name), {})


def _pod_start(pod: Json, seen: str, *, first_list: bool) -> str:
    ready = _condition(pod, READY_TO_START)
    if ready.get("status") == "True" and ready.get("lastTransitionTime"):
        return str(ready["lastTransitionTime"])
    if not first_list:
        return seen
    status = pod.get("status") or {}
    return str(status.get("startTime") or pod["metadata"].get("creationTimestamp") or seen)


def _pod_end(pod: Json) -> str | None:
    """When the pod gave its addresses up by its own status, None while it holds them."""
    status = pod.get("status") or {}
    if not status.get("podIP") and not status.get("podIPs"):
        return None
    ready = _condition(pod, READY_TO_START)
    if ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return str(ready["lastTransitionTime"])
    if status.get("phase") not in {"Succeeded", "Failed"}:
        return None
    finished = list(_finish_times(status))
    return max(finished, key=parsed_time) if finished else None


def _finish_times(status: Json) -> Iterator[str]:
    for container in status.get("containerStatuses") or ():
        for field in ("state", "lastState"):
            terminated = (container.get(field) or {}).get("terminated") or {}
            if terminated.get("finishedAt"):
                yield str(terminated["finishedAt"])


def _pod_addresses(status: Json) -> set[str]:
    addresses = {str(entry.get("ip", "")) for entry in status.get("podIPs") or ()}
    return addresses | {str(status.get("podIP", ""))}


def _service_addresses(service: Json) -> set[str]:
    spec, status = service.get("spec") or {}, service.get("status") or {}
    balancer = (status.get("loadBalancer") or {}).get("ingress") or ()
    return {
        str(spec.get("clusterIP", "")),
        *map(str, spec.get("clusterIPs") or ()),
        *map(str, spec.get("externalIPs") or ()),
        *(str(entry.get("ip") or "") for entry in balancer),
    }


def _slice_addresses(endpoint_slice: Json) -> set[str]:
    if endpoint_slice.get("addressType") == "FQDN":
        return set()
    return {
        str(address)
        for endpoint in endpoint_slice.get("endpoints") or ()
        for address in endpoint.get("addresses") or ()
    }

"""The rules of the Otterize network mapper, applied to a recording and its snapshot.

As read in otterize/network-mapper of June 2025, release 2.0: the sniffer's collectors of SYNs and
DNS answers, and how the mapper resolves addresses (mapper/pkg/resolvers, mapper/pkg/kubefinder).

- Seen on `-i any`, IPv4 alone, no tunnel opened: TCP segments whose only flag is SYN, answered or
  not, and A records of DNS answers. A lookup alone is a call.
- A source is the one running pod that has the address, hostNetwork and terminating pods left out;
  none or several: nothing. The API server's addresses are `kubernetes` in `default`.
- A ClusterIP is the first pod of the Service's endpoints that is older than the packet and not
  terminating; without pods nothing. Another destination is a pod as a source is.
- A name of a Service is its first pod that is not on the host's network and older than the answer.
- Ports are not kept: a client and a server are one call.

Two things are not as they are in a cluster. It reads /proc of every node for connections that it
did not see begin, which no capture has. And it believes in a pod behind an address only five
minutes after the pod was made, where no recording here lasts so long: that wait is left out.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from otterize_pcap.addresses import MAPPED, parse_address
from otterize_pcap.connections.names import RecordedPayload, read_names
from otterize_pcap.graph.service_graph import Workload
from otterize_pcap.packets.protocols import TCP
from otterize_pcap.resolve.capture import CaptureContents
from otterize_pcap.resolve.identity import Identities

API_SERVER = Workload("kubernetes", "default", "Service")
CLUSTER_DOMAIN = ".svc.cluster.local"
NEVER = 1 << 62
Item = dict[str, Any]
Pair = tuple[Workload, Workload]


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod: whose it is, and from when to when (ns) it is there."""

    name: tuple[str, str]
    workload: Workload
    addresses: frozenset[bytes]
    on_host: bool
    first_ns: int
    last_ns: int

    def is_there(self, time_ns: int) -> bool:
        """Whether it runs, and was made before."""
        return self.first_ns <= time_ns <= self.last_ns


class Upstream:
    """What the network mapper would have said of a capture.

    Args:
        contents: The capture, its names collected.
        snapshots: The snapshot files.
    """

    def __init__(self, contents: CaptureContents, snapshots: Iterable[Path]) -> None:
        self._contents = contents
        documents = [json.loads(path.read_text("utf-8")) for path in snapshots]
        items = [item for document in documents for item in document["items"]]
        ends = _ends(documents)
        identities = Identities(contents.snapshot)
        whose = {pod.uid: identities.of(pod).workload for pod in contents.snapshot.pods}
        self._pods = [
            _pod(item, _owner(item) or whose[item["metadata"]["uid"]], ends)
            for item in items
            if item["kind"] == "Pod" and item["metadata"]["uid"] in whose
        ]
        self._by_name = {pod.name: pod for pod in self._pods}
        services = [item for item in items if item["kind"] == "Service"]
        self._cluster_ips = {
            parse_address(text): _name_of(item)
            for item in services
            for text in item["spec"].get("clusterIPs") or ()
            if text != "None"
        }
        self._services = {_name_of(item) for item in services}
        self._endpoints = dict(_endpoints(items))
        api_server = ("default", "kubernetes")
        self._api_server = {
            *(address for address, name in self._cluster_ips.items() if name == api_server),
            *(address for address, _ in self._endpoints.get(api_server, ())),
        }

    def pairs(self) -> set[Pair]:
        """Who calls whom."""
        return {*self._by_packets(), *self._by_names()}

    def _by_packets(self) -> Iterator[Pair]:
        for recording in self._contents.recordings:
            for row in recording.rows:
                if row.protocol != TCP or row.tunnels or row.client is None:
                    continue
                ends = (row.low[0], row.high[0])
                source, target = ends[row.client], ends[1 - row.client]
                if not row.sides[row.client].syns or not source.startswith(MAPPED):
                    continue
                yield from self._pair(source, self._target(target, row.first_ns), row.first_ns)

    def _by_names(self) -> Iterator[Pair]:
        payloads = self._contents.payloads
        names = read_names(RecordedPayload(payload, file, 0) for _, file, payload in payloads)
        for answer in names.answers:
            name = answer.name.rstrip(".")
            if answer.client.startswith(MAPPED) and name.endswith(CLUSTER_DOMAIN):
                *_, service, namespace = ("", "", *name.removesuffix(CLUSTER_DOMAIN).split("."))
                found = self._first_of((namespace, service), answer.time_ns, on_host=False)
                yield from self._pair(answer.client, found, answer.time_ns)

    def _pair(self, source: bytes, server: Workload | None, time_ns: int) -> Iterator[Pair]:
        client = self._source(source, time_ns)
        if client is not None and server is not None:
            yield client, server

    def _source(self, address: bytes, time_ns: int) -> Workload | None:
        if address in self._api_server:
            on_host = any(pod.on_host and address in pod.addresses for pod in self._pods)
            return None if on_host else API_SERVER
        return self._only_pod(address, time_ns)

    def _target(self, address: bytes, time_ns: int) -> Workload | None:
        name = self._cluster_ips.get(address)
        return self._first_of(name, time_ns) if name else self._only_pod(address, time_ns)

    def _only_pod(self, address: bytes, time_ns: int) -> Workload | None:
        found = [
            pod
            for pod in self._pods
            if address in pod.addresses and pod.is_there(time_ns) and not pod.on_host
        ]
        return found[0].workload if len(found) == 1 else None

    def _first_of(
        self, service: tuple[str, str], time_ns: int, *, on_host: bool = True
    ) -> Workload | None:
        if service == ("default", "kubernetes") and service in self._services:
            return API_SERVER
        for _, name in self._endpoints.get(service, ()) if service in self._services else ():
            pod = self._by_name.get(name)
            if pod is not None and pod.is_there(time_ns) and (on_host or not pod.on_host):
                return pod.workload
        return None


def _name_of(item: Item) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _owner(item: Item) -> Workload | None:
    """The node, for a static pod: the first owner is walked to whatever it is."""
    for owner in item["metadata"].get("ownerReferences", ())[:1]:
        if (owner["apiVersion"], owner["kind"]) == ("v1", "Node"):
            return Workload(owner["name"], item["metadata"]["namespace"], "Node")
    return None


def _pod(item: Item, workload: Workload, ends: Mapping[str, int]) -> Pod:
    meta, status = item["metadata"], item["status"]
    return Pod(
        name=_name_of(item),
        workload=workload,
        addresses=frozenset(parse_address(each["ip"]) for each in status.get("podIPs") or ()),
        on_host=bool(item["spec"].get("hostNetwork")),
        first_ns=_time(meta.get("creationTimestamp")) or 0,
        last_ns=min(ends.get(meta["uid"], NEVER), _end(item)),
    )


def _end(item: Item) -> int:
    """When it ran no longer or was being deleted."""
    deleted = _time(item["metadata"].get("deletionTimestamp"))
    if item["status"].get("phase") in ("Succeeded", "Failed"):
        states = item["status"].get("containerStatuses") or ()
        ended = [state.get("state", {}).get("terminated", {}).get("finishedAt") for state in states]
        ready = [
            one.get("lastTransitionTime")
            for one in item["status"].get("conditions") or ()
            if (one["type"], one["status"]) == ("Ready", "False")
        ]
        return max((_time(text) or 0 for text in [*filter(None, ended)] or ready), default=0)
    return NEVER if deleted is None else deleted


def _ends(documents: Iterable[Item]) -> dict[str, int]:
    """When a watch saw objects deleted, by uid."""
    observed = (
        one for document in documents for one in document.get("otterize", {}).get("observed", ())
    )
    return {one["uid"]: _time(one["end"]) or NEVER for one in observed if one["kind"] == "Pod"}


def _endpoints(
    items: Iterable[Item],
) -> Iterator[tuple[tuple[str, str], list[tuple[bytes, tuple[str, str]]]]]:
    """Each Service's endpoints in their order: the address, and the pod that it is."""
    found: dict[tuple[str, str], list[tuple[bytes, tuple[str, str]]]] = {}
    for item in items:
        namespace, name = _name_of(item)
        if item["kind"] == "EndpointSlice":
            service = item["metadata"].get("labels", {}).get("kubernetes.io/service-name", "")
            listed = [
                (address, each.get("targetRef"))
                for each in item.get("endpoints") or ()
                for address in each["addresses"]
            ]
        elif item["kind"] == "Endpoints":
            service = name
            listed = [
                (each["ip"], each.get("targetRef"))
                for subset in item.get("subsets") or ()
                for part in ("addresses", "notReadyAddresses")
                for each in subset.get(part) or ()
            ]
        else:
            continue
        for text, target in listed:
            pod = (target.get("namespace", ""), target["name"]) if target else ("", "")
            if text[:1].isdigit() or ":" in text:
                found.setdefault((namespace, service), []).append((parse_address(text), pod))
    yield from found.items()


def _time(text: str | None) -> int | None:
    return None if text is None else int(datetime.fromisoformat(text).timestamp() * 1e9)

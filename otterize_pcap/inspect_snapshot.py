"""What a snapshot holds, what it lacks for the rules, and the time it speaks for."""

from collections.abc import Iterator

from msgspec import Struct

from otterize_pcap.addresses import format_address
from otterize_pcap.counted import counted
from otterize_pcap.graph.generated_names import has_generated_name
from otterize_pcap.intervals import OPEN
from otterize_pcap.resolve.identity import Identities
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.timestamps import format_time


class Inspection(Struct, frozen=True):
    """A snapshot's contents: objects by kind, its times (RFC 3339), and what rules will miss.

    `shared_addresses` are those that pods of several workloads held in turn, or at once.
    `generated_names` are workloads, as `name.namespace (kind)`, that go by another name next time.
    `left_out` says which fields, objects and files could not be used, and why.
    """

    kinds: tuple[tuple[str, int], ...]
    addresses: int
    workloads: int
    taken: str | None
    watched: tuple[str, str] | None
    first: str | None
    last: str | None
    shared_addresses: tuple[str, ...]
    lacks: tuple[str, ...]
    generated_names: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def inspect_snapshot(snapshot: Snapshot) -> Inspection:
    """Look a snapshot over."""
    identities = Identities(snapshot)
    workloads = {identities.of(pod).workload for pod in snapshot.pods}
    tenures = [tenure for held in snapshot.tenures.values() for tenure in held]
    begun = [tenure.interval.start_ns for tenure in tenures]
    ended = [tenure.interval.end_ns for tenure in tenures if tenure.interval.end_ns < OPEN]
    watched = None
    if snapshot.watch_start_ns is not None and snapshot.watch_end_ns is not None:
        watched = (format_time(snapshot.watch_start_ns), format_time(snapshot.watch_end_ns))
    return Inspection(
        kinds=tuple(sorted(snapshot.kinds.items())),
        addresses=len(snapshot.tenures),
        workloads=len(workloads),
        taken=format_time(snapshot.taken_ns) if snapshot.taken_ns is not None else None,
        watched=watched,
        first=format_time(min(begun)) if begun else None,
        last=format_time(max(ended)) if ended else None,
        shared_addresses=tuple(
            format_address(address)
            for address, held in sorted(snapshot.tenures.items())
            if len({identities.of(tenure.pod).workload for tenure in held}) > 1
        ),
        lacks=tuple(_lacks(snapshot, identities)),
        generated_names=tuple(
            f"{workload.name}.{workload.namespace} ({workload.written_kind})"
            for workload in sorted(filter(has_generated_name, workloads))
        ),
        left_out=snapshot.left_out,
    )


def _lacks(snapshot: Snapshot, identities: Identities) -> Iterator[str]:
    kinds = snapshot.kinds
    if not snapshot.pods:
        yield "no Pods: nothing can be resolved"
    elif unknown := sum(1 for pod in snapshot.pods if not (pod.addresses or pod.host_network)):
        pods = counted(len(snapshot.pods), "Pod")
        yield f"addresses of {unknown:,} of {pods}, whose calls cannot be resolved"
    if not kinds.get("Service") and not snapshot.services:
        yield "no Services: calls through ClusterIPs are resolved only where NAT was recorded (S21)"
    elif kinds.get("Service") and not kinds.get("EndpointSlice") and not kinds.get("Endpoints"):
        yield "no EndpointSlices: backends come from Services' selectors (S21)"
    if not kinds.get("Node"):
        yield (
            "no Nodes: only what pods name is known of node addresses (S14, S22)"
            if snapshot.nodes
            else "no Nodes: node addresses and NodePorts are unknown (S14, S22)"
        )
    inferred = sorted(
        {reason for pod in snapshot.pods if (reason := identities.of(pod).inferred) is not None}
    )
    yield from (f"{reason} (S3)" for reason in inferred)
    if snapshot.watch_start_ns is None:
        yield "no watch: pods that came or went unseen are missing (S13)"

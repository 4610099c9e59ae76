"""The clusters that random captures are of, and the endpoints in them.

Ports lie on both sides of every class; the snapshots have Services with every kind of address.
"""

from typing import Any

from otterize_pcap.addresses import parse_address
from otterize_pcap.packets.protocols import SCTP, TCP, UDP
from otterize_pcap.snapshot.snapshot import Snapshot
from otterize_pcap.table.rows import Endpoint
from tests.cluster_builder import endpoint_slice, pod, service, snapshot, stamp

POD_A, POD_B, POD_C, POD_D, POD_E = "10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5"
API_VIP = "10.96.0.8"
VIP, OTHER_VIP, EXTERNAL_IP = "10.96.0.1", "10.96.0.2", "198.51.100.7"
NODE_A, NODE_B, OUTSIDE = "192.168.0.1", "192.168.0.2", "8.8.8.8"
ADDRESSES = (POD_A, POD_B, POD_C, VIP, OTHER_VIP, EXTERNAL_IP, NODE_A, NODE_B, OUTSIDE)
NODE_PORT = 32767
PORTS = (53, 80, 1023, 1024, 8080, NODE_PORT, 32768, 40000, 60999, 61000)
PROTOCOL_NAMES = {"tcp": TCP, "udp": UDP, "sctp": SCTP}
PROTOCOLS = tuple(PROTOCOL_NAMES.values())


def end(address: str, port: int) -> Endpoint:
    """An endpoint of an address as text."""
    return parse_address(address), port


ENDPOINTS = [end(address, port) for address in ADDRESSES for port in PORTS]
# What one client's way to a Service can look like: its own end, a Service's, a backend's, SNAT's.
CLIENTS = [end(POD_A, 40000), end(POD_C, 40000), end(POD_A, 60999), end(OUTSIDE, 61000)]
FRONTS = [
    end(VIP, 80),
    end(VIP, 1024),
    end(EXTERNAL_IP, 80),
    end(NODE_A, NODE_PORT),
    end(NODE_B, 1024),
]
BACKS = [
    end(POD_B, 80),
    end(POD_B, 8080),
    end(POD_D, 80),
    end(NODE_B, 1023),
    end(OUTSIDE, 8080),
    end(POD_C, 32768),
    end(POD_E, 8080),
]
MASQUERADED = [end(NODE_A, 40000), end(NODE_A, 60999), end(POD_A, 40000)]


def ended(seconds: float, *, moving: bool) -> dict[str, Any]:
    """When a pod ended, where pods come and go."""
    return {"finished": seconds, "phase": "Succeeded"} if moving else {}


def _snapshot(*, moving: bool, slices: bool) -> Snapshot:
    """Pods, a Service with every kind of address, one on the host's network; two nodes."""
    ports = [
        {"containerPort": port, "protocol": name}
        for port in (80, 1023)
        for name in ("TCP", "UDP", "SCTP")
    ]
    listed = [
        {"name": f"p{number}", "port": port, "targetPort": target, "protocol": name, **node_port}
        for number, (port, target, name) in enumerate(
            (port, target, name)
            for port, target in ((80, 80), (1024, 8080))
            for name in ("TCP", "UDP", "SCTP")
        )
        for node_port in ({"nodePort": NODE_PORT} if port == 80 else {},)
    ]
    items = [
        pod("a", POD_A),
        pod("b", POD_B, ports=ports, **ended(20, moving=moving)),
        pod("c", POD_C, start=10 if moving else -100),
        pod("b", POD_D, name="b-2", ports=ports, start=25 if moving else -100),
        pod("h", None, host_network=True, node="b", ports=ports),
        service("b", VIP, ports=listed, type="NodePort", externalIPs=[EXTERNAL_IP]),
        service("h", OTHER_VIP, ports=[{"port": 80, "targetPort": 1023}], selector={"app": "h"}),
    ]
    items += [
        pod(
            "p",
            POD_E,
            node="b",
            start=15 if moving else -100,
            **ended(35, moving=moving),
            ports=[
                {"containerPort": 8080, "hostPort": 1024, "protocol": name}
                for name in ("TCP", "UDP", "SCTP")
            ],
        ),
        pod("n", None, host_network=True, node="b", **ended(18, moving=moving)),
        service("kubernetes", API_VIP, 443, target=6443, namespace="default", selector={}),
        endpoint_slice("kubernetes", [NODE_A], 6443, "default"),
    ]
    if moving:
        items.append(pod("d", POD_B, name="d", ports=ports, start=22))
    if slices:
        items.append(endpoint_slice("h", [NODE_B], 1023))
        items.append(named_slice("n", NODE_B, 8080))
        items.append(service("n", "10.96.0.9", 8080))
        items.append(endpoint_slice("b", [POD_B, OUTSIDE], 80))
    watched = {"kind": "EndpointSlice", "uid": "n-slice", "ip": NODE_B, "start": stamp(5)}
    return snapshot(*items, observed=[watched | {"end": stamp(12)}] if moving and slices else [])


def named_slice(workload: str, address: str, port: int) -> dict[str, Any]:
    """An EndpointSlice that names the pod of a workload."""
    made = endpoint_slice(workload, [address], port)
    made["endpoints"][0]["targetRef"] = {
        "kind": "Pod",
        "name": f"{workload}-pod",
        "namespace": "app",
    }
    return made


SNAPSHOTS = [
    _snapshot(moving=moving, slices=slices) for moving in (False, True) for slices in (False, True)
]

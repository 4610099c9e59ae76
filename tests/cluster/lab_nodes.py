"""Two nodes in network namespaces: a wire between them, a VXLAN over it, traffic, and pods."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.fake_api import FakeApi
from tests.cluster.fake_cluster import StartApi
from tests.cluster.lab_runtime import NamespaceRuntime, make_image

TRAFFIC = Path(__file__).with_name("lab_traffic.py")
NODES = {
    "node1": ("192.0.2.1", "10.244.1.1/24", "fd00:1::1/64"),
    "node2": ("192.0.2.2", "10.244.2.1/24", "fd00:2::1/64"),
}


def ip(*words: str) -> None:
    """Set up a part of the network."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


@dataclass
class Lab:
    """The namespaces of both nodes, and what runs in them."""

    namespaces: dict[str, str]

    def spawn(self, node: str, *words: str) -> subprocess.Popen[str]:
        """Run a part of the traffic in a node's namespace until the lab ends."""
        namespace = self.namespaces[node]
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, str(TRAFFIC), *words],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        return process


@contextmanager
def two_nodes() -> Iterator[Lab]:
    """Two nodes that talk through a VXLAN."""
    namespaces = {node: f"oc{os.getpid() % 100000}-{node[-1]}" for node in NODES}
    processes: list[subprocess.Popen[str]] = []
    for namespace in namespaces.values():
        ip("netns", "add", namespace)
    try:
        first, second = namespaces.values()
        ip("-n", first, "link", "add", "eth0", "type", "veth",
           "peer", "name", "eth0", "netns", second)  # fmt: skip
        for (node, (wire, pods4, pods6)), peer in zip(
            NODES.items(), reversed(NODES.values()), strict=True
        ):
            namespace = namespaces[node]
            for words in (
                f"link add flannel.1 type vxlan id 1 dstport 8472 local {wire} remote {peer[0]}",
                f"addr add {wire}/24 dev eth0",
                f"addr add {pods4} dev flannel.1",
                f"addr add {pods6} dev flannel.1 nodad",
                "link set lo up",
                "link set eth0 up",
                "link set flannel.1 up",
                f"route add {peer[1].replace('.1/', '.0/')} dev flannel.1",
                f"-6 route add {peer[2].replace('::1/', '::/')} dev flannel.1",
            ):
                ip("-n", namespace, *words.split())
            track = "add table inet t; add chain inet t c {type filter hook input priority 0;}; "
            track += "add rule inet t c ct state invalid drop"
            subprocess.run(["ip", "netns", "exec", namespace, "nft", track], check=True)
        the_lab = Lab(namespaces)
        processes.append(the_lab.spawn("node2", "serve"))
        processes.append(the_lab.spawn("node1", "call"))
        yield the_lab
    finally:
        for process in processes:
            process.kill()
            process.communicate()
        for namespace in namespaces.values():
            ip("netns", "del", namespace)


def lab_api(
    lab: Lab, start_api: StartApi, place: Path, flavour: str, bound: tuple[Path, ...] = ()
) -> FakeApi:
    """A fake cluster whose pods run in the lab; images have the directories that are `bound`."""
    image = make_image(place / "image", flavour)
    overrides = {"CAPTURE_FIRST_SECONDS": "1"}
    return start_api(NamespaceRuntime(place / "pods", image, lab.namespaces, bound, overrides))

"""Pods on two nodes in network namespaces, and who reaches whom there."""

import ctypes
import itertools
import json
import os
import selectors
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self, TypeVar

from tests.awaiting import PATIENCE_S
from tests.lab.packet_filter import Pod

NODES = {"a": "192.168.0.1", "b": "192.168.0.2"}
OUTSIDE = "203.0.113.9"
IPV4, IPV6 = "ip", "ip6"
SOCKETS = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}
IP_HEADER = {IPV4: 20, IPV6: 0}
"""What raw sockets of each family hand over ahead of the packet's own header."""


def in_ipv6(address: str) -> str:
    """The IPv6 address, or range, that has an IPv4 one's octets as its last groups."""
    host, _, prefix = address.partition("/")
    if prefix == "0":
        return "::/0"
    groups = ":".join(f"{int(octet):x}" for octet in host.split("."))
    return f"fd00::{groups}" + (f"/{64 + 2 * int(prefix)}" if prefix else "")


KINDS = {
    "TCP": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "UDP": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    # Raw: filters look at ports, and a kernel need not have SCTP itself.
    "SCTP": (socket.SOCK_RAW, socket.IPPROTO_SCTP),
}
CLONE_NEWNET = 0x40000000
SENDERS = (10000, 31000)

Result = TypeVar("Result")
Call = tuple[str, str, str, int]
"""Client, server, protocol, port."""
Sender = tuple[str, int]
"""An address and port that nothing else is sent from."""


def run(*command: str, stdin: str = "") -> None:
    """Run a command that must not fail."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}\n{stdin}"


class PolicyNetwork:
    """Two nodes with pods, and somebody outside, each in a namespace; all listen on `ports`."""

    def __init__(
        self, pods: Sequence[Pod], ports: Iterable[tuple[str, int]], family: str = IPV4
    ) -> None:
        self.family = family
        written = in_ipv6 if family == IPV6 else str
        self.nodes = {name: written(address) for name, address in NODES.items()}
        self._prefix = f"otepol{os.getpid()}"
        self._pods = list(pods)
        self._ports = list(ports)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.addresses = {
            **{f"{pod.namespace}/{pod.name}": pod.address for pod in pods},
            **self.nodes,
            "outside": written(OUTSIDE),
        }
        self._made: list[str] = []
        self._lock = threading.Lock()
        self._senders = itertools.cycle(range(*SENDERS))
        self._arrived: set[Sender] = set()

    def __enter__(self) -> Self:
        """Build it; what was built is removed where that fails."""
        try:
            for node in self.nodes:
                self._add(node)
            self._connect("a", "b")
            self._add("outside")
            outside = self.addresses["outside"]
            self._link("a", "outside", outside)
            self._ip("b", f"route add {outside} via {self.nodes['a']}")
            for pod in self._pods:
                name = f"{pod.namespace}/{pod.name}"
                self._add(name)
                self._link(pod.node, name, pod.address)
                other = "b" if pod.node == "a" else "a"
                self._ip(other, f"route add {pod.address} via {self.nodes[pod.node]}")
            self._listen()
            self._await_links()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove all of it."""
        self.close()

    def close(self) -> None:
        """Stop listening and remove the namespaces."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for name in self._made:
            subprocess.run(["ip", "netns", "del", self._ns(name)], check=False)

    def apply(self, node: str, ruleset: str) -> None:
        """Give a node rules beside those that it has."""
        run("ip", "netns", "exec", self._ns(node), "nft", "-f", "-", stdin=ruleset)

    def filter(self, node: str, ruleset: str) -> None:
        """Put rules on a node in place of those that are there."""
        self.apply(node, ruleset)
        self._arrived.clear()

    def passes(self, calls: Iterable[Call]) -> dict[Call, bool]:
        """Which of some calls reach their server; each client's one after the other."""
        by_client: dict[str, list[Call]] = {}
        for call in calls:
            by_client.setdefault(call[0], []).append(call)
        found: dict[Call, bool] = {}
        sent: dict[Call, Sender] = {}

        def of_client(client: str) -> None:
            for call in by_client[client]:
                if call[2] == "TCP":
                    found[call] = self._connects(call)
                else:
                    sent[call] = self._send(call)

        with ThreadPoolExecutor(len(by_client)) as threads:
            list(threads.map(lambda each: self._inside(each, lambda: of_client(each)), by_client))
        return found | self._arrivals(sent)

    def _connects(self, call: Call) -> bool:
        _, server, protocol, port = call
        with socket.socket(SOCKETS[self.family], *KINDS[protocol]) as client:
            client.settimeout(PATIENCE_S)
            try:
                client.connect((self.addresses[server], port))
            except ConnectionRefusedError:
                return False
        return True

    def _send(self, call: Call) -> Sender:
        """Send one datagram from a port of its own."""
        client, server, protocol, port = call
        with self._lock:
            own = next(self._senders)
        with socket.socket(SOCKETS[self.family], *KINDS[protocol]) as sender:
            where = (self.addresses[server], port if protocol == "UDP" else 0)
            if protocol == "UDP":
                sender.bind((self.addresses[client], own))
                sender.sendto(b"?", where)
            else:
                sender.sendto(struct.pack("!HHII", own, port, 1, 0), where)
        return self.addresses[client], own

    def _arrivals(self, sent: dict[Call, Sender]) -> dict[Call, bool]:
        """Of each datagram whether it came there; each was either received or denied."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            denied = {each for node in self.nodes for each in self._denied(node)}
            missing = [call for call, who in sent.items() if who not in denied | self._arrived]
            if not missing:
                assert not denied & self._arrived
                return {call: who in self._arrived for call, who in sent.items()}
            assert time.monotonic() < deadline, missing
            time.sleep(0.01)

    def _denied(self, node: str) -> Iterator[Sender]:
        command = ["ip", "netns", "exec", self._ns(node), "nft", "-j", "list", "table"]
        shown = subprocess.run(
            [*command, self.family, "policies"], capture_output=True, check=False
        ).stdout
        for each in json.loads(shown or "{}").get("nftables", ()):
            for element in each.get("set", {}).get("elem", ()):
                address, port = element["concat"]
                yield address, port

    def _listen(self) -> None:
        ready: list[threading.Event] = []
        for name in self._made:
            began = threading.Event()
            ready.append(began)
            thread = threading.Thread(target=self._serve, args=(name, began), daemon=True)
            thread.start()
            self._threads.append(thread)
        for began in ready:
            assert began.wait(PATIENCE_S)

    def _await_links(self) -> None:
        """Wait until each end reaches each pod, and pods all ends: nothing filters yet.

        A link is up when the kernel gets to it, on a busy machine a second later: until then there
        is no route to who is behind it.
        """
        pods = {f"{pod.namespace}/{pod.name}" for pod in self._pods}
        (port, *_) = (port for protocol, port in self._ports if protocol == "TCP")
        deadline = time.monotonic() + PATIENCE_S

        def reach_all(client: str) -> None:
            for server in self._made:
                if client != server and pods & {client, server}:
                    while not self._reaches((client, server, "TCP", port)):
                        assert time.monotonic() < deadline, (client, server)
                        time.sleep(0.05)

        for name in self._made:
            self._inside(name, partial(reach_all, name))

    def _reaches(self, call: Call) -> bool:
        try:
            return self._connects(call)
        except OSError:
            return False

    def _serve(self, name: str, began: threading.Event) -> None:
        def open_all() -> list[socket.socket]:
            found = []
            for protocol, port in self._ports:
                server = socket.socket(SOCKETS[self.family], *KINDS[protocol])
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind((self.addresses[name], port))
                if protocol == "TCP":
                    server.listen(64)
                server.setblocking(False)
                found.append(server)
            return found

        _enter(self._ns(name))
        with selectors.DefaultSelector() as waiting:
            for server in open_all():
                waiting.register(server, selectors.EVENT_READ)
            began.set()
            while not self._stop.is_set():
                for key, _ in waiting.select(0.2):
                    self._answer(key.fileobj)  # type: ignore[arg-type] # a socket
            for key in list(waiting.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr] # a socket

    def _answer(self, server: socket.socket) -> None:
        try:
            if server.type == socket.SOCK_RAW:
                data, who = server.recvfrom(256)
                self._arrived.add((who[0], _source_port(data, IP_HEADER[self.family])))
            elif server.type == socket.SOCK_DGRAM:
                _, who = server.recvfrom(16)
                self._arrived.add((who[0], who[1]))
            else:
                server.accept()[0].close()
        except OSError:
            return  # its client is gone

    def _inside(self, name: str, work: Callable[[], Result]) -> Result:
        """What work gives in a namespace, in a thread of its own."""

        def entered() -> Result:
            _enter(self._ns(name))
            return work()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(entered).result()

    def _ns(self, name: str) -> str:
        return f"{self._prefix}-{name.replace('/', '-')}"

    def _add(self, name: str) -> None:
        run("ip", "netns", "add", self._ns(name))
        self._made.append(name)
        self._ip(name, "link set lo up")
        for setting in ("net.ipv4.ip_forward=1",
                        "net.ipv6.conf.all.forwarding=1",
                        "net.ipv6.conf.default.accept_dad=0",
                        "net.ipv4.conf.all.rp_filter=0"):  # fmt: skip
            run("ip", "netns", "exec", self._ns(name), "sysctl", "-q", "-w", setting)

    def _ip(self, name: str, *batch: str) -> None:
        option = "-6" if self.family == IPV6 else "-4"
        run("ip", option, "-n", self._ns(name), "-batch", "-", stdin="\n".join(batch) + "\n")

    def _connect(self, one: str, other: str) -> None:
        first, second = self.nodes[one], self.nodes[other]
        prefix = "126 nodad" if self.family == IPV6 else "30"
        self._ip(one, f"link add to-{other} type veth peer name to-{one} netns {self._ns(other)}")
        self._ip(one, f"addr add {first}/{prefix} dev to-{other}", f"link set to-{other} up")
        self._ip(other, f"addr add {second}/{prefix} dev to-{one}", f"link set to-{one} up")

    def _link(self, node: str, name: str, address: str) -> None:
        """A host with one address behind a node, by which all that it sends goes."""
        device = f"p{len(self._made)}"
        own = self.nodes[node]
        single = "128 nodad" if self.family == IPV6 else "32"
        self._ip(node, f"link add {device} type veth peer name eth0 netns {self._ns(name)}")
        if self.family == IPV6:
            # A neighbour answers for the addresses of that link alone.
            self._ip(node, f"addr add {own}/{single} dev {device}")
        self._ip(node, f"link set {device} up", f"route add {address} dev {device} src {own}")
        self._ip(
            name,
            f"addr add {address}/{single} dev eth0",
            "link set eth0 up",
            f"route add {own} dev eth0",
            f"route add default via {own}",
        )


def _source_port(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2])


def _enter(namespace: str) -> None:
    """Move this thread, and it alone, into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}", "rb") as file:  # noqa: PTH123 - kept open for a call
        assert libc.setns(file.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())

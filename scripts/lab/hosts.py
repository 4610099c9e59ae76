"""Processes in namespaces: what scenarios use to serve and to call.

A call states how it must end; anything else stops the recording, so that the truth a scenario
writes down is what really happened.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

from shell import LabError, Namespace

_AGENT = Path(__file__).with_name("agent.py")
HTTP_REQUEST = "GET / HTTP/1.1\r\nHost: lab\r\n\r\n"


class Addressed(Protocol):
    """Anything with an address to call: a pod, a Service, a node."""

    @property
    def address(self) -> str:
        """The address a client connects to."""
        ...


class Connection:
    """A client socket that stays open until closed."""

    def __init__(self, host: "Host", number: int, local: tuple[str, int]) -> None:
        self._host, self._number, self.local = host, number, local

    def send(self, request: str = "ping\n", *, answered: bool = True) -> str:
        """Send a request; wait for an answer, and return it, unless told that none comes."""
        command = {"do": "send", "id": self._number, "request": request, "answered": answered}
        return str(self._host.tell(command).get("answer", ""))

    def answer(self, text: str = "") -> None:
        """Take what the server pushed, and send `text` back where there is one."""
        self._host.tell({"do": "push.answer", "id": self._number, "text": text})

    def close(self, *, reset: bool = False, waits: bool = False, at_once: bool = False) -> None:
        """Close with FIN, or with RST; with `waits` only after the other side's FIN.

        `at_once` does not wait for the other side's FIN to come back.
        """
        how = {"reset": reset, "waits": waits, "at_once": at_once}
        self._host.tell({"do": "close", "id": self._number} | how)


class Host:
    """One namespace with an agent in it: a pod, a node, or the world outside."""

    def __init__(self, label: str, namespace: Namespace) -> None:
        self.label, self.namespace = label, namespace
        self._sockets = 0
        self._agent = namespace.popen(
            *(sys.executable, "-E", "-s", "-S", str(_AGENT), label),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def tell(self, command: dict[str, Any], expect: str = "ok") -> dict[str, Any]:
        """Give the agent a command and check how it ended: `ok`, or the error that must come."""
        assert self._agent.stdin is not None  # noqa: S101 (opened with PIPE)
        assert self._agent.stdout is not None  # noqa: S101
        self._agent.stdin.write(json.dumps(command) + "\n")
        self._agent.stdin.flush()
        line = self._agent.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the agent died"}
        ended = answer.get("error", "ok")
        if ended != expect:
            message = f"{self.label}: {command}: expected {expect}, got {ended}"
            raise LabError(message)
        return answer

    def serve(
        self,
        *ports: int,
        protocol: str = "TCP",
        reply: str = "echo",
        closes: str = "client",
        address: str = "0.0.0.0",  # noqa: S104 (a pod's server in a namespace of its own)
        lingers: float = 0.0,
    ) -> None:
        """Serve on these ports until the pod goes."""
        for port in ports:
            self.tell(
                {
                    "do": "serve",
                    "protocol": protocol,
                    "address": address,
                    "port": port,
                    "reply": reply,
                    "closes": closes,
                    "lingers": lingers,
                }
            )

    def serve_pushing(self, port: int, *, protocol: str = "TCP", echoes: bool = True) -> None:
        """Serve on a port, and remember who called, so that `push` can speak first."""
        command = {"protocol": protocol, "address": "0.0.0.0", "port": port}  # noqa: S104
        self.tell({"do": "push.serve", "echoes": echoes} | command)

    def push(self, port: int, text: str = "push\n", *, protocol: str = "TCP") -> None:
        """Send a text to everyone who ever called this port."""
        command = {"protocol": protocol, "port": port, "text": text, "answered": False}
        self.tell({"do": "push.push"} | command)

    def proxy(self, port: int, upstream: Addressed, upstream_port: int) -> None:
        """Serve on a port by relaying to another server over a connection of its own."""
        self.tell(
            {
                "do": "proxy",
                "address": "0.0.0.0",  # noqa: S104 (as in serve)
                "port": port,
                "upstream": upstream.address,
                "upstream_port": upstream_port,
            }
        )

    def open(
        self,
        target: Addressed | str,
        port: int,
        *,
        protocol: str = "TCP",
        source_port: int = 0,
        timeout: float = 3.0,
        expect: str = "ok",
    ) -> Connection:
        """Connect to an address, a pod or a Service."""
        self._sockets += 1
        command = {
            "do": "open",
            "id": self._sockets,
            "protocol": protocol,
            "address": target if isinstance(target, str) else target.address,
            "port": port,
            "source_port": source_port,
            "timeout": timeout,
        }
        answer = self.tell(command, expect)
        return Connection(self, self._sockets, tuple(answer.get("local", ("", 0))))

    def call(
        self,
        target: Addressed | str,
        port: int,
        *,
        protocol: str = "TCP",
        request: str = "ping\n",
        source_port: int = 0,
        server_closes: bool = False,
        reached: "Host | None" = None,
    ) -> None:
        """Connect, ask, take the answer, close: the usual call; it must succeed.

        `reached` is who must have answered, where the server answers with its name.
        """
        connection = self.open(target, port, protocol=protocol, source_port=source_port)
        answer = connection.send(request).strip()
        connection.close(waits=server_closes)
        if reached is not None and answer != reached.label:
            message = f"{self.label}: {answer} answered where {reached.label} should"
            raise LabError(message)

    def half_open(self, target: Addressed, port: int, *, source: str = "") -> None:
        """Send a SYN and answer the SYN-ACK with RST; or a SYN that says another source."""
        command = {"address": target.address, "port": port, "source": source}
        self.tell({"do": "raw.half_open"} | command)

    def serve_dns(self, records: dict[str, list[tuple[str, str]]], address: str = "::") -> None:
        """Answer DNS queries from these records, over UDP and TCP."""
        self.tell({"do": "dns.serve", "address": address, "port": 53, "records": records})

    def lookup(
        self,
        name: str,
        server: Addressed,
        *,
        kind: str = "A",
        protocol: str = "UDP",
        found: bool = True,
    ) -> None:
        """Look a name up; it must be there, or must not, as `found` says."""
        self._sockets += 1
        answer = self.tell(
            {
                "do": "dns.lookup",
                "id": self._sockets,
                "name": name,
                "type": kind,
                "protocol": protocol,
                "server": server.address,
                "port": 53,
            }
        )
        if (answer["answers"] > 0) is not found:
            message = f"{self.label}: looking up {name} gave {answer}"
            raise LabError(message)

    def serve_tls(self, port: int, certificate: Path, key: Path) -> None:
        """Serve TLS with this certificate."""
        self.tell(
            {
                "do": "tls.serve",
                "address": "::",
                "port": port,
                "certificate": str(certificate),
                "key": str(key),
            }
        )

    def call_tls(self, address: str, port: int, sni: str, *, piece: int = 0) -> None:
        """Call over TLS; the ClientHello leaves in segments of `piece` bytes, 0 for whole."""
        command = {"do": "tls.call", "address": address, "port": port, "sni": sni, "piece": piece}
        self.tell(command)

    def stop(self) -> None:
        """End the agent, and with it every server and socket."""
        self._agent.kill()
        self._agent.wait()
        for pipe in (self._agent.stdin, self._agent.stdout):
            if pipe is not None:
                pipe.close()

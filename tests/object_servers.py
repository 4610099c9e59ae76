"""A real S3-compatible server, and a proxy before it that misbehaves as networks and stores do."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

ACCESS_KEY, SECRET = "marked-access-key", "marked-secret-key"
REGION = "us-east-1"
HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "date", "server")
NOT_THERE = b"no such thing"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the proxy saw it."""

    method: str
    path: str
    begin: int | None


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of an answer: another status, fewer bytes, other headers, or nothing at all."""

    status: int | None = None
    cut_to: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0


Meddler = Callable[[Asked], Fault | None]


def no_fault(_: Asked) -> Fault | None:
    """All is well."""
    return None


class Server(ThreadingHTTPServer):
    """A server whose clients may go away."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Nobody reads it."""


class Proxy(Server):
    """Passes requests on to an S3 server, and does to answers what `meddler` says."""

    def __init__(self, port_behind: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = port_behind
        self.meddler: Meddler = no_fault
        self.asked: list[Asked] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        """Read."""
        self._pass_on()

    def do_HEAD(self) -> None:
        """Ask."""
        self._pass_on()

    def do_PUT(self) -> None:
        """Write."""
        self._pass_on()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def _pass_on(self) -> None:
        spec = self.headers.get("Range", "").removeprefix("bytes=").split("-")[0]
        asked = Asked(self.command, self.path, int(spec) if spec else None)
        self.server.asked.append(asked)
        fault = self.server.meddler(asked) or Fault()
        if fault.wait_s:
            time.sleep(fault.wait_s)
        status, headers, body = self._answer_behind()
        if fault.status is not None:
            status, body = fault.status, NOT_THERE
            headers = {}
        headers |= fault.headers
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "content-length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: fault.cut_to])
        self.close_connection = True

    def _answer_behind(self) -> tuple[int, dict[str, str], bytes]:
        behind = HTTPConnection("127.0.0.1", self.server.behind, timeout=30)
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length) if length else None
        behind.request(self.command, self.path, content, dict(self.headers))
        answer = behind.getresponse()
        headers = {
            name.lower(): value
            for name, value in answer.getheaders()
            if name.lower() not in HOP_BY_HOP
            or (self.command == "HEAD" and name.lower() == "content-length")
        }
        return answer.status, headers, answer.read()


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """A server in a thread, as long as the block lasts."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def s3_server() -> Iterator[Proxy]:
    """A server of moto's behind a proxy."""
    moto: Any = import_module("moto.server")
    behind = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    behind.start()
    try:
        _, port = behind.get_host_and_port()
        proxy = Proxy(port)
        with serving(proxy):
            yield proxy
    finally:
        behind.stop()


def environment(proxy: Proxy) -> dict[str, str]:
    """What the tools of S3 take from the environment."""
    return {
        "AWS_ENDPOINT": proxy.url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": REGION,
    }


def put(proxy: Proxy, key: str, content: bytes = b"") -> None:
    """Write an object, `bucket/key`, or make a bucket."""
    behind = HTTPConnection("127.0.0.1", proxy.behind, timeout=30)
    # Whoever owns a bucket may write an object again; moto believes any signature.
    said = f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/{REGION}/s3/aws4_request"
    headers = {"Authorization": f"{said}, SignedHeaders=host, Signature=0"}
    behind.request("PUT", f"/{key}", content, headers)
    answer = behind.getresponse()
    answer.read()
    assert answer.status == 200, answer.status


def upload(proxy: Proxy, directory: Path, prefix: str) -> None:
    """Write all files of a directory below `bucket/prefix`."""
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            put(proxy, f"{prefix}/{path.relative_to(directory).as_posix()}", path.read_bytes())


class HttpsServer(Server):
    """Sends a directory's files, or ranges of them, by TLS; `authority` vouches for it."""

    def __init__(self, directory: Path, authority: Path) -> None:
        super().__init__(("127.0.0.1", 0), _HttpsHandler)
        self.directory = directory
        self.authority = authority
        self.asked: list[Asked] = []


class _HttpsHandler(BaseHTTPRequestHandler):
    server: HttpsServer

    def do_GET(self) -> None:
        """Read."""
        begin, _, end = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        self.server.asked.append(Asked(self.command, self.path, int(begin or 0)))
        where = urlsplit(self.path).path.removeprefix("/")
        is_odd = where.startswith(("partless/", "longer/"))
        name = where.split("/", 1)[-1] if is_odd else where
        path = self.server.directory / name
        if where.startswith("moved/"):
            self._answer(302, b"", Location="http://127.0.0.1:9/marked")
        elif where.startswith("secret/"):
            self._answer(403, b"")
        elif not path.is_file():
            self._answer(404, b"")
        elif begin and not where.startswith("partless/"):
            content = path.read_bytes()
            some = content[int(begin) : int(end) + 1]
            of = f"bytes {begin}-{int(begin) + len(some) - 1}/{len(content)}"
            self._answer(206, some + bytes(100 * is_odd), Content_Range=of, ETag='"1"')
        else:
            self._answer(200, path.read_bytes())

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def https_server(directory: Path, keys: Path) -> Iterator[HttpsServer]:
    """A directory behind https://localhost; keys and certificates are made in another one."""
    authority_key, key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    server_names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    authority = _certificate(
        "authority", authority_key, authority_key, x509.BasicConstraints(ca=True, path_length=None)
    )
    certificate = _certificate("localhost", key, authority_key, server_names)
    (keys / "authority.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    (keys / "server.pem").write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    server = HttpsServer(directory, keys / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        yield server


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signing: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(extension, critical=False)
    )
    return builder.sign(signing, hashes.SHA256())

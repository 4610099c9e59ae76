"""Google's and Azure's stores, as far as reading needs them, that check who asks as those do.

Google's XML API (cloud.google.com/storage/docs/xml-api) takes a token that a service account signs
by itself (google.aip.dev/auth/4111). Azure's Blob service (learn.microsoft.com/rest/api/storage
services: list-blobs, get-blob) takes a signature of each request (authorize-with-shared-key), or
one that was handed out (create-service-sas).
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.object_servers import Proxy, Server, serving

CHANGED = "Thu, 26 Nov 2026 19:00:00 GMT"
ACCOUNT, KEY = "marked", base64.b64encode(b"marked-secret-key").decode()
EMAIL, KEY_ID = "marked@project.iam.gserviceaccount.com", "marked-key-id"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
VERSION = "2022-11-02"
LIST, READ = "l", "r"
OF_GOOGLE = """<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>\
{entries}</ListBucketResult>"""
ENTRY_OF_GOOGLE = """<Contents><Key>{key}</Key><LastModified>2026-11-26T19:00:00Z</LastModified>\
<ETag>"1"</ETag><Size>{size}</Size></Contents>"""
OF_AZURE = """<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="bkt"><Blobs>\
{entries}</Blobs><NextMarker/></EnumerationResults>"""
ENTRY_OF_AZURE = """<Blob><Name>{key}</Name><Properties><Last-Modified>{changed}</Last-Modified>\
<Etag>"1"</Etag><Content-Length>{size}</Content-Length><Content-Type>application/octet-stream\
</Content-Type></Properties></Blob>"""
SIGNED_HEADERS = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type"),
    *("date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)
"""What a signature of Azure's is of, in this order, before its own headers and the resource."""
SAS_FIELDS = ("si", "sip", "spr", "sv", "sr", "snapshot", "ses")
SAS_HEADERS = ("rscc", "rscd", "rsce", "rscl", "rsct")

Headers = Message
Checker = Callable[[str, str, Headers], bool]
"""Whether a method, a path with its query, and headers come from somebody with the right to."""


class Store(Server):
    """Files below `bkt/cap`, as either service sends them to whom `allows` lets."""

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.allows: Checker = lambda *_: True
        files = (path for path in sorted(directory.rglob("*")) if path.is_file())
        self.objects = {f"cap/{path.relative_to(directory)}": path.read_bytes() for path in files}


class _Handler(BaseHTTPRequestHandler):
    server: Store

    def do_GET(self) -> None:
        """A list, or an object."""
        if not self.server.allows(self.command, self.path, self.headers):
            self._answer(403, b"")
            return
        url = urlsplit(self.path)
        asked = parse_qs(url.query)
        if "prefix" in asked:
            forms = (OF_AZURE, ENTRY_OF_AZURE) if "comp" in asked else (OF_GOOGLE, ENTRY_OF_GOOGLE)
            self._answer(200, self._listed(*forms, asked["prefix"][0]).encode())
            return
        content = self.server.objects.get(unquote(url.path).partition("/bkt/")[2])
        if content is None:
            self._answer(404, b"")
            return
        begin, _, end = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if not begin:
            self._answer(200, content)
            return
        last = min(int(end), len(content) - 1)
        of = f"bytes {begin}-{last}/{len(content)}"
        self._answer(206, content[int(begin) : last + 1], **{"Content-Range": of})

    def do_HEAD(self) -> None:
        """What an object is."""
        self.do_GET()

    def do_POST(self) -> None:
        """Nobody asks for a token: accounts sign their own."""
        self._answer(500, b"")

    def _listed(self, form: str, entry: str, prefix: str) -> str:
        entries = (
            entry.format(key=key, size=len(content), changed=CHANGED)
            for key, content in self.server.objects.items()
            if key.startswith(prefix)
        )
        return form.format(entries="".join(entries))

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        sent = {"Last-Modified": CHANGED, "ETag": '"1"', "Content-Length": str(len(content))}
        for name, value in (sent | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def cloud_store(directory: Path) -> Iterator[tuple[Store, Proxy]]:
    """A directory's files in a store, and a proxy before it that can misbehave."""
    store = Store(directory)
    proxy = Proxy(store.server_address[1])
    with serving(store), serving(proxy):
        yield store, proxy


class ServiceAccount:
    """An account of Google's with a key of its own."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def document(self, token_uri: str) -> str:
        """What `gcloud iam service-accounts keys create` writes."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "project",
                "private_key_id": KEY_ID,
                "private_key": pem.decode(),
                "client_email": EMAIL,
                "client_id": "1",
                "token_uri": token_uri,
                "universe_domain": "googleapis.com",
            }
        )

    def allows(self, _method: str, _path: str, headers: Headers) -> bool:
        """Whether the token is signed by the account's key, for this, and still valid."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        signed, _, signature = token.rpartition(".")
        if scheme != "Bearer" or signed.count(".") != 1:
            return False
        try:
            self._key.public_key().verify(
                _decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return False
        head, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        now = datetime.now(UTC).timestamp()
        return (
            (head["alg"], head["kid"]) == ("RS256", KEY_ID)
            and (claims["iss"], claims["sub"], claims["scope"]) == (EMAIL, EMAIL, SCOPE)
            and claims["iat"] <= now + 60
            and now < claims["exp"] <= now + 3660
        )


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def allows_key(method: str, path: str, headers: Headers) -> bool:
    """Whether a request has the signature that the account's key makes of it."""
    url = urlsplit(path)
    values = [headers.get(name, "") for name in SIGNED_HEADERS]
    # Of nothing the length is left out.
    values = ["" if value == "0" else value for value in values]
    own = sorted((name.lower(), value) for name, value in headers.items())
    lines = [f"{name}:{value.strip()}" for name, value in own if name.startswith("x-ms-")]
    asked = sorted(parse_qs(url.query, keep_blank_values=True).items())
    resource = [f"/{ACCOUNT}{url.path}"]
    resource += [f"{name.lower()}:{','.join(sorted(found))}" for name, found in asked]
    expected = _signature("\n".join((method, *values, *lines, *resource)))
    return hmac.compare_digest(
        headers.get("Authorization", ""), f"SharedKey {ACCOUNT}:{expected}"
    ) and bool(headers.get("x-ms-date") or headers.get("date"))


def sas_token(rights: str, *, hours: int = 1) -> str:
    """A signature that allows reading, listing, or both, of the container."""
    end = (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = {"sp": rights, "se": end, "spr": "https,http", "sv": VERSION, "sr": "c"}
    fields["sig"] = _signature(_signed_by_sas(fields))
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())


def allows_sas(method: str, path: str, headers: Headers) -> bool:
    """Whether a request has a signature that was handed out, valid, and for what is asked."""
    asked = {name: found[0] for name, found in parse_qs(urlsplit(path).query).items()}
    right = LIST if asked.get("comp") == "list" else READ
    end = datetime.strptime(asked.get("se", "1970-01-01T00:00:00Z"), "%Y-%m-%dT%H:%M:%S%z")
    return (
        hmac.compare_digest(asked.get("sig", ""), _signature(_signed_by_sas(asked)))
        and right in asked["sp"]
        and datetime.now(UTC) < end
        and "Authorization" not in headers
        and method in {"GET", "HEAD"}
    )


def _signed_by_sas(fields: Mapping[str, str]) -> str:
    named: list[Any] = [fields.get(name, "") for name in ("sp", "st", "se")]
    rest = [fields.get(name, "") for name in (*SAS_FIELDS, *SAS_HEADERS)]
    return "\n".join((*named, f"/blob/{ACCOUNT}/bkt", *rest))


def _signature(text: str) -> str:
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()

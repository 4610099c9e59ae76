"""gs:// and az:// in the forms that their services publish, from a server of our own.

Google's XML API (cloud.google.com/storage/docs/xml-api) and Azure's Blob service
(learn.microsoft.com/rest/api/storageservices/list-blobs, get-blob).
"""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from otterize_pcap.files import object_path
from otterize_pcap.files.object_path import named_path
from tests.object_servers import Server, serving
from tests.reduced.test_reduce import TUTORIAL, graph_of

CHANGED = "Thu, 26 Nov 2026 19:00:00 GMT"
ACCOUNT, KEY = "marked", "bWFya2Vk"
OF_GOOGLE = """<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>\
{entries}</ListBucketResult>"""
ENTRY_OF_GOOGLE = """<Contents><Key>{key}</Key><LastModified>2026-11-26T19:00:00Z</LastModified>\
<ETag>"1"</ETag><Size>{size}</Size></Contents>"""
OF_AZURE = """<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="bkt"><Blobs>\
{entries}</Blobs><NextMarker/></EnumerationResults>"""
ENTRY_OF_AZURE = """<Blob><Name>{key}</Name><Properties><Last-Modified>{changed}</Last-Modified>\
<Etag>"1"</Etag><Content-Length>{size}</Content-Length><Content-Type>application/octet-stream\
</Content-Type></Properties></Blob>"""


class Store(Server):
    """A scenario's files below `bkt/cap`, as either service sends them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.authorized: list[str] = []
        files = (path for path in sorted(TUTORIAL.rglob("*")) if path.is_file())
        self.objects = {f"cap/{path.relative_to(TUTORIAL)}": path.read_bytes() for path in files}

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Store

    def do_GET(self) -> None:
        """A list, or an object."""
        self.server.authorized.append(self.headers.get("Authorization", ""))
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


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """It, listening."""
    server = Store()
    with serving(server):
        yield server


@pytest.mark.parametrize("kind", ["gs", "az"])
def test_a_capture_of_another_store(
    kind: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Account, key and endpoint are the environment's, as the stores' own tools have them."""
    account = {"gcs_base_url": store.url, "disable_oauth": True}
    account |= dict.fromkeys(("client_email", "private_key", "private_key_id"), "")
    (tmp_path / "account.json").write_text(json.dumps(account))
    for name, value in {
        "GOOGLE_SERVICE_ACCOUNT": str(tmp_path / "account.json"),
        "GOOGLE_ALLOW_HTTP": "true",
        "AZURE_STORAGE_ENDPOINT": f"{store.url}/{ACCOUNT}",
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "AZURE_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    object_path.forget()
    store.authorized.clear()
    url = f"{kind}://bkt/cap"
    assert graph_of([named_path(url)]).replace(url, str(TUTORIAL)) == graph_of([TUTORIAL])
    signed = f"SharedKey {ACCOUNT}:" if kind == "az" else ""
    assert {each[: len(signed) or None] for each in store.authorized} == {signed}

"""Captures by URL, from a real S3 server and one behind https://: the same bytes as from files."""

import gzip
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from msgspec.structs import replace

from otterize_pcap.errors import InputError, UsageError
from otterize_pcap.files import object_path, object_store, object_stream
from otterize_pcap.files.object_path import ObjectFile, ObjectPath, named_path
from otterize_pcap.files.object_store import ObjectPlace, ObjectState
from otterize_pcap.files.object_stream import AHEAD, LARGEST, ObjectStream
from otterize_pcap.table.chunk import FAST_PATH, ReadOptions
from tests.command_tree import run_here
from tests.files.test_tar_members import archive
from tests.object_servers import (
    Proxy,
    environment,
    https_server,
    no_fault,
    put,
    s3_server,
    upload,
)
from tests.reduced.test_reduce import ALL_NAMES, EVERYTHING, TUTORIAL, WHOLE, graph_of, reduced

AFTER = next(path for path in WHOLE if path.name == "tutorial-after")
# All of them are read by workers, in the tests of those; to upload them all takes a while.
SOME = [*WHOLE[::8], TUTORIAL, AFTER]
SNAPSHOT = TUTORIAL / "snapshot.json"
PCAP = TUTORIAL / "pcap" / "node-a.pcap"


@pytest.fixture(scope="module")
def store() -> Iterator[Proxy]:
    """Scenarios in a bucket."""
    with s3_server() as proxy:
        put(proxy, "bkt")
        for scenario in SOME:
            upload(proxy, scenario, f"bkt/{scenario.name}")
        yield proxy


@pytest.fixture
def s3(store: Proxy, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """The store, as the environment says."""
    for name, value in environment(store).items():
        monkeypatch.setenv(name, value)
    object_path.forget()
    store.meddler = no_fault
    store.asked.clear()
    return store


def s3_of(path: Path) -> Path:
    """Where a scenario's file lies in the bucket."""
    return named_path(f"s3://bkt/{path.relative_to(TUTORIAL.parent).as_posix()}")


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("capture", SOME, ids=lambda path: path.name)
def test_a_scenario_maps_as_its_files_do(capture: Path) -> None:
    """Byte for byte, but for the names of files, which are URLs."""
    found = graph_of([s3_of(capture)], (), ALL_NAMES, EVERYTHING)
    assert found.replace(str(s3_of(capture)), str(capture)) == graph_of(
        [capture], (), ALL_NAMES, EVERYTHING
    )


COMMANDS = {
    "list": ("intents", "list", "-v", "CAPTURE"),
    "export": ("intents", "export", "CAPTURE"),
    "graph": ("graph", "--format", "json", "CAPTURE"),
    "explain": ("explain", "checkout", "kafka", "CAPTURE"),
    "connections": ("connections", "CAPTURE"),
    "connections, names": ("connections", "-n", "default", "CAPTURE"),
    "inspect": ("snapshot", "inspect", "CAPTURE"),
    "diff": ("diff", "CAPTURE", "AFTER"),
    "check": ("check", "CAPTURE", "--allow", "AFTER"),
    "netpol export": ("netpol", "export", "CAPTURE"),
    "netpol check": ("netpol", "check", "--recorded", "CAPTURE"),
    "one file": ("intents", "list", "-v", "CAPTURE/pcap/node-a.pcap", "--snapshot", "SNAPSHOT"),
    "--node": (
        *("intents", "list", "-v", "CAPTURE/pcap/node-a.pcap", "--snapshot", "SNAPSHOT"),
        *("--node", "CAPTURE/pcap/node-a.pcap=node-b"),
    ),
}


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_every_command_reads_urls(
    words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    """The same exit code, output and summary as of files."""
    local = run_here(*(_filled(word, str) for word in words)), *capfd.readouterr()
    by_url = run_here(*(_filled(word, lambda path: str(s3_of(path))) for word in words))
    out, err = (text.replace("s3://bkt", str(TUTORIAL.parent)) for text in capfd.readouterr())
    assert (by_url, out, err) == local


def _filled(word: str, named: "type[str] | object") -> str:
    assert callable(named)
    for key, path in (("CAPTURE", TUTORIAL), ("AFTER", AFTER), ("SNAPSHOT", SNAPSHOT)):
        word = word.replace(key, named(path))
    return word


def test_reduce_and_anonymise_read_urls(s3: Proxy, tmp_path: Path) -> None:
    """What they write is of the same packets; a table is read by URL as well."""
    local = reduced(tmp_path / "local.parquet", [TUTORIAL])
    assert run_here("reduce", str(s3_of(TUTORIAL)), "-o", str(tmp_path / "t.parquet")) == 0
    put(s3, "bkt/tables/t.parquet", (tmp_path / "t.parquet").read_bytes())
    found = graph_of([named_path("s3://bkt/tables/t.parquet")])
    assert found.replace(str(s3_of(TUTORIAL)), str(TUTORIAL)) == graph_of([local])
    assert run_here("anonymise", str(s3_of(TUTORIAL)), "-o", str(tmp_path / "shared")) == 0
    assert (tmp_path / "shared" / "pcap").is_dir()


def test_other_forms(s3: Proxy, tmp_path: Path) -> None:
    """Compressed files, archives, graph JSON and what was written by hand, all below prefixes."""
    import lzma  # noqa: PLC0415 - beside the two that are extras

    import lz4.frame  # noqa: PLC0415
    import zstandard  # noqa: PLC0415

    content = PCAP.read_bytes()
    packed = {
        "gz": gzip.compress(content),
        "xz": lzma.compress(content),
        "zst": zstandard.ZstdCompressor().compress(content),
        "lz4": lz4.frame.compress(content),
        "tar": archive({"a.pcap": content, "b.pcap": content}),
    }
    for kind, each in packed.items():
        (tmp_path / f"node-a.pcap.{kind}").write_bytes(each)
        put(s3, f"bkt/forms/node-a.pcap.{kind}", each)
    for kind in packed:
        name = f"node-a.pcap.{kind}"
        found = graph_of([named_path(f"s3://bkt/forms/{name}")], [SNAPSHOT])
        assert found.replace("s3://bkt/forms", str(tmp_path)) == graph_of(
            [tmp_path / name], [SNAPSHOT]
        )
    put(s3, "bkt/graph.json", graph_of([TUTORIAL]).encode())
    assert run_here("diff", "s3://bkt/graph.json", str(TUTORIAL)) == 0
    # A directory made by hand, with the empty object that consoles make of a folder.
    put(s3, "bkt/by-hand/", b"")
    put(s3, "bkt/by-hand/node-a.pcap", content)
    put(s3, "bkt/by-hand/snapshot.json", SNAPSHOT.read_bytes())
    shutil.copytree(TUTORIAL / "pcap", tmp_path / "by-hand")
    (tmp_path / "by-hand" / "node-b.pcap").unlink()
    shutil.copy(SNAPSHOT, tmp_path / "by-hand")
    found = graph_of([named_path("s3://bkt/by-hand/")])
    assert found.replace("s3://bkt", str(tmp_path)) == graph_of([tmp_path / "by-hand"])


def test_names_of_objects_are_taken_as_they_are(s3: Proxy) -> None:
    """Keys of S3 are no URLs: a percent sign is one."""
    put(s3, "bkt/odd/a%2520b%20c%3D%5B1%5D.pcap", PCAP.read_bytes())
    found = graph_of([named_path("s3://bkt/odd/a%20b c=[1].pcap")], [SNAPSHOT])
    assert '"s3://bkt/odd/a%20b c=[1].pcap"' in found


def test_a_capture_asks_for_no_more_than_it_needs(s3: Proxy) -> None:
    """Each small object is fetched once, whoever looks at it; nothing but the prefix is listed."""
    graph_of([s3_of(TUTORIAL)])
    keys = [asked.path for asked in s3.asked]
    assert len(keys) == len(set(keys))
    assert keys[:2] == [
        "/bkt/tutorial-before",
        "/bkt?list-type=2&prefix=tutorial-before%2F",
    ]
    assert all(asked.path.startswith("/bkt/tutorial-before/") for asked in s3.asked[2:])


def test_nothing_in_a_capture_names_what_is_fetched(s3: Proxy, tmp_path: Path) -> None:
    """A manifest that lists a URL, or leads out of its folder, is refused before any request."""
    upload(s3, TUTORIAL, "bkt/hostile")
    manifest = (TUTORIAL / "manifest.json").read_text()
    for name in ("s3://bkt/two-nodes/pcap/node-a.pcap", "https://localhost/x", "../two-nodes/x"):
        put(s3, "bkt/hostile/manifest.json", manifest.replace("pcap/node-a.pcap", name).encode())
        object_path.forget()
        s3.asked.clear()
        with pytest.raises(InputError, match="outside of it"):
            graph_of([named_path("s3://bkt/hostile")])
        assert all("/hostile" in asked.path or "prefix=" in asked.path for asked in s3.asked)
    assert not list(tmp_path.iterdir())


def test_a_large_object_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few ranges at a time, in order, none twice; who seeks begins small again."""
    content = bytes(range(256)) * (300 << 10)
    place, state = ObjectPlace("s3", "bkt", "large"), ObjectState(len(content), 0, '"1"')
    asked: list[tuple[int, int]] = []

    def from_memory(_place: object, _state: object, begin: int, end: int) -> memoryview:
        asked.append((begin, end))
        return memoryview(content)[begin:end]

    monkeypatch.setattr(object_stream, "read_range", from_memory)
    stream, read = ObjectFile(ObjectStream(place, state)), BytesIO()
    buffer = memoryview(bytearray(1 << 18))
    while count := stream.readinto(buffer):
        read.write(buffer[:count])
        assert max(end for _, end in asked) <= read.tell() + (AHEAD + 2) * LARGEST
    assert read.getvalue() == content
    asked.sort()
    assert [begin for begin, _ in asked] == [0, *(end for _, end in asked[:-1])]
    assert max(end - begin for begin, end in asked) == LARGEST
    asked.clear()
    stream.seek(1 << 20)
    assert stream.read(5) == content[:5]
    assert asked == [(1 << 20, (1 << 20) + object_stream.SECOND)]


def test_threads_read_parts_of_an_object(
    s3: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ranges, each part by a stream of its own; where nothing is compiled, one reads all."""
    monkeypatch.setattr("otterize_pcap.table.read_threads.SMALLEST_PIECE", 1 << 16)
    content = PCAP.read_bytes()
    content += content[24:] * 500
    (tmp_path / "node-a.pcap").write_bytes(content)
    put(s3, "bkt/big/node-a.pcap", content)
    options = ReadOptions(threads=4)
    found = graph_of([named_path("s3://bkt/big/node-a.pcap")], [SNAPSHOT], options)
    begins = {asked.begin for asked in s3.asked if asked.begin}
    assert not FAST_PATH or any(begin > len(content) // 2 for begin in begins)
    assert found.replace("s3://bkt/big", str(tmp_path)) == graph_of(
        [tmp_path / "node-a.pcap"], [SNAPSHOT], replace(options, threads=1)
    )


def test_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signed URL is asked for with its query, and never shown with it."""
    signed = "X-Signature=marked%2Fquery//x"
    with https_server(TUTORIAL, tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
        object_path.forget()
        at = f"https://localhost:{server.server_address[1]}"
        found = graph_of(
            [named_path(f"{at}/pcap/node%2Da.pcap?{signed}")],
            [named_path(f"{at}/snapshot.json?{signed}")],
        )
        asked = {each.path for each in server.asked}
        assert asked == {f"/pcap/node-a.pcap?{signed}", f"/snapshot.json?{signed}"}
        for path, error in (
            ("pcap", "there is no such file"),
            ("moved/node-a.pcap", "the server sends us elsewhere"),
            ("partless/pcap/node-a.pcap", "the server sends no parts of a file"),
            ("longer/pcap/node-a.pcap", "it sent more than it said"),
            ("secret/node-a.pcap", "may not be read; give a URL that is signed"),
        ):
            with pytest.raises(InputError, match=error) as raised:
                graph_of([named_path(f"{at}/{path}?{signed}")], [SNAPSHOT])
            assert "marked" not in str(raised.value)
    assert "marked" not in found
    named = found.replace(f"{at}/pcap/node-a.pcap", str(PCAP))
    assert named.replace(f"{at}/snapshot.json", str(SNAPSHOT)) == graph_of([PCAP], [SNAPSHOT])


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://host/x.pcap", "no kind of URL that is read; expected one of s3://, gs://, az://"),
        ("file:///etc/passwd", "no kind of URL"),
        ("s3://key:secret@bkt/x", "a user's name or password in a URL"),
        ("https://me:secret@host/x.pcap", "a user's name or password in a URL"),
        ("https://host/", "names no file"),
        ("s3:///x", "names no file"),
    ],
)
def test_urls_that_are_not_read(url: str, error: str, capfd: pytest.CaptureFixture[str]) -> None:
    """One line, before anything is asked for, without what is secret in them."""
    assert run_here("intents", "list", url) == UsageError.exit_code
    said = capfd.readouterr().err
    assert error in said
    assert said.count("\n") == 1
    assert "secret" not in said


def test_without_obstore(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line that says what to install."""

    def not_installed(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(object_store, "import_module", not_installed)
    object_path.forget()
    assert run_here("intents", "list", "s3://bkt/x?y") == UsageError.exit_code
    assert capfd.readouterr().err == (
        "otterize: s3://bkt/x?y: URLs need obstore; install it with `pip install obstore`, "
        "beside an otterize-pcap that pip installed: the one-file binary cannot use it\n"
    )


def test_paths_of_objects_are_paths() -> None:
    """Names, parents and what is below are as of files; all of them are read-only."""
    path = named_path("S3://bkt/a//b/./c.pcap")
    assert isinstance(path, ObjectPath)
    assert str(path) == "s3://bkt/a/b/c.pcap"
    assert (path.name, str(path.parent), str(path.parent / "d")) == (
        "c.pcap",
        "s3://bkt/a/b",
        "s3://bkt/a/b/d",
    )
    assert str(path.with_name("x.gz")) == "s3://bkt/a/b/x.gz"
    assert path.place == ObjectPlace("s3", "bkt", "a/b/c.pcap")

"""No message of ours holds a library's own text: the next version of it may say something else."""

import ast
import errno
import io
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
import urllib3
import websocket
import yaml
from kubernetes import config

from otterize_pcap.capture_dir import decode_manifest
from otterize_pcap.cli.snapshot_take import write_snapshot
from otterize_pcap.cli.terminal import emit, emit_files
from otterize_pcap.cluster.api.connection_errors import connection_reason
from otterize_pcap.cluster.api.kubeconfig import connect
from otterize_pcap.cluster.capture.directory import prepare_directory
from otterize_pcap.errors import ClusterError, OtterizeError
from otterize_pcap.files.opening import open_stream, read_bytes
from otterize_pcap.graph.graph_format import decode_graph
from otterize_pcap.intents.read_intents import parse_intents
from otterize_pcap.json_errors import json_reason
from otterize_pcap.records.compression import Decompressed
from otterize_pcap.records.stream import Window
from otterize_pcap.snapshot.odd_fields import OddFields
from otterize_pcap.snapshot.read_objects import read_objects
from otterize_pcap.system_errors import system_reason
from tests.conftest import ROOT

PACKAGE = ROOT / "otterize_pcap"
MARKER = "the library's own words"


def raising(error: BaseException) -> Callable[..., NoReturn]:
    """A function that fails so, whatever it is called with."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Every error of PyYAML and msgspec says the marker and nothing else."""
    kinds = (yaml.YAMLError, yaml.MarkedYAMLError, yaml.reader.ReaderError)
    for kind in (*kinds, msgspec.DecodeError, msgspec.ValidationError):
        monkeypatch.setattr(kind, "__str__", lambda _: MARKER, raising=False)
    assert str(msgspec.ValidationError("x")) == MARKER
    return monkeypatch


READERS: dict[str, Callable[[bytes], object]] = {
    "snapshot": lambda content: read_objects(content, "f", OddFields()),
    "graph": lambda content: decode_graph(content, "f"),
    "intents": lambda content: parse_intents([("f", content)]),
    "manifest": lambda content: decode_manifest(content, "f"),
}
BROKEN = [
    pytest.param("snapshot", b'{"kind": ', "it ends too early, at line 1, column 10", id="cut"),
    pytest.param("snapshot", b'{"kind": }', "a syntax error at line 1, column 10", id="no value"),
    pytest.param("snapshot", b'{"kind": "\xff"}', "byte 10 is not UTF-8", id="not UTF-8"),
    pytest.param("snapshot", b'{"kind": 1}', "$.kind is 1; expected text", id="no kind"),
    pytest.param("snapshot", b"kind: ]\n", "a syntax error at line 1, column 7", id="YAML"),
    pytest.param("snapshot", b"a: 2020-99-99", "at line 1, column 4; quote it", id="YAML date"),
    pytest.param("snapshot", b"a: !!set/x y", "a tag or key", id="YAML tag"),
    pytest.param("snapshot", b"a: \0", "a character that YAML does not allow", id="YAML NUL"),
    pytest.param("snapshot", b"a: {b: [{null: x}]}", "(see $.a.b[0])", id="no JSON form"),
    pytest.param("graph", b'{"format": "otterize-graph"}', "$.version is missing", id="graph"),
    pytest.param("intents", b'{"a": tru}', "a syntax error at line 1, column 7", id="intents JSON"),
    pytest.param("intents", b"a: ]", "a syntax error at line 1, column 4", id="intents YAML"),
    pytest.param("manifest", b"[]", "$ is a list; expected an object", id="manifest"),
]


@pytest.mark.parametrize(("reader", "content", "said"), BROKEN)
@pytest.mark.usefixtures("marked")
def test_broken_documents_are_described_by_us(reader: str, content: bytes, said: str) -> None:
    """Where PyYAML's and msgspec's texts change, our messages stay as they are, with the place."""
    with pytest.raises(OtterizeError) as caught:
        READERS[reader](content)
    assert said in str(caught.value)
    assert MARKER not in str(caught.value)
    assert str(caught.value).startswith("f: ")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("marked")
def test_odd_fields_are_described_by_us() -> None:
    """What a snapshot's field should be is said without msgspec's words."""
    odd = OddFields()
    read_objects(
        b'{"kind": "PodList", "items": [{"metadata": {"name": "a"}, "spec": 1}]}', "f", odd
    )
    assert odd.fields == {"Pod a: $.spec is 1; expected an object"}


class Inner(msgspec.Struct):
    """What lies within the document of the next test."""

    count: int
    kind: str = ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": [{"count": 1}, {"count": "x"}]}', '$.a[1].count is "x"; expected a whole number'),
        ('{"a": [{}]}', "$.a[0].count is missing"),
        ('{"a": 3}', "$.a is 3; expected a list"),
        ('{"a": [{"count": 1, "kind": null}]}', "$.a[0].kind is null; expected text"),
        ('{"a": [{"count": 1, "kind": [1]}]}', "$.a[0].kind is a list; expected text"),
        ("[]", "$ is a list; expected an object"),
        ('{"a": ["' + "x" * 99 + '"]}', '$.a[0] is "' + "x" * 39 + "…; expected an object"),
        ("[" * 100_000, "it is nested too deep"),
    ],
)
def test_the_innermost_misfit_is_named(text: str, said: str) -> None:
    """The path goes down to the value that does not fit, as the type says."""
    assert json_reason(text.encode(), dict[str, list[Inner]]) == said


FILES: list[tuple[str, Callable[[Path], object]]] = [
    ("stat", read_bytes),
    ("stat", lambda path: open_stream(ExitStack(), path)),
    ("replace", lambda path: emit("text", path)),
    ("mkdir", lambda path: emit_files({"a": "b"}, path)),
    ("replace", lambda path: emit_files({"a": "b"}, path)),
    ("replace", lambda path: write_snapshot(b"{}", path)),
    ("mkdir", prepare_directory),
]


@pytest.mark.parametrize(("method", "use"), FILES)
def test_system_errors_are_described_by_us(
    method: str, use: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the system says about a file is named by its number, in our words."""
    error = OSError(errno.ENOSPC, MARKER)
    monkeypatch.setattr(Path, method, raising(error))
    with pytest.raises(OtterizeError, match="the disk is full") as caught:
        use(tmp_path / "x")
    assert MARKER not in str(caught.value)


def test_an_unknown_number_is_named() -> None:
    """Where we have no words, the number's symbol is there to be looked up."""
    assert system_reason(OSError(errno.EXDEV, MARKER)) == "system error EXDEV"
    assert system_reason(OSError(MARKER)) == "system error 0"


@pytest.mark.parametrize(("magic", "kind"), [(b"\x1f\x8b", "gzip"), (b"", "zstd"), (b"", "lz4")])
def test_damage_is_described_by_us(
    magic: bytes, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage within compressed data is placed by how much was decompressed before it."""
    stream = Decompressed(Window(io.BytesIO(magic)), "f", kind)
    error = stream._errors[0](MARKER)
    monkeypatch.setattr(stream, "_plain", type("Broken", (), {"read1": raising(error)})())
    assert stream.readinto(memoryview(bytearray(9))) == 0
    assert stream.damage == f"f: the {kind} data are damaged after 0 decompressed bytes"


def caused(outer: BaseException, inner: BaseException) -> BaseException:
    """An error with its cause, as `raise ... from` leaves it."""
    outer.__cause__ = inner
    return outer


POOL: Any = None
FAILURES = [
    pytest.param(ConnectionRefusedError(errno.ECONNREFUSED, MARKER), "the connection was refused"),
    pytest.param(socket.gaierror(-2, MARKER), "its name does not resolve"),
    pytest.param(ssl.SSLCertVerificationError(1, MARKER), "its certificate is not trusted"),
    pytest.param(ssl.SSLError(1, MARKER), "it does not speak TLS as asked"),
    pytest.param(TimeoutError(MARKER), "no answer in time"),
    pytest.param(websocket.WebSocketTimeoutException(MARKER), "no answer in time"),
    pytest.param(websocket.WebSocketConnectionClosedException(MARKER), "the connection was cut"),
    pytest.param(websocket.WebSocketProtocolException(MARKER), "the answer is no WebSocket"),
    pytest.param(urllib3.exceptions.ProtocolError(MARKER), "the connection was cut"),
    pytest.param(
        urllib3.exceptions.MaxRetryError(
            POOL,
            "/",
            urllib3.exceptions.ProxyError(MARKER, OSError(errno.EHOSTUNREACH, MARKER)),
        ),
        "through the proxy: there is no route to it",
    ),
    pytest.param(
        urllib3.exceptions.MaxRetryError(
            POOL,
            "/",
            caused(
                urllib3.exceptions.NewConnectionError(POOL, MARKER),  # type: ignore[arg-type]
                OSError(errno.EHOSTUNREACH, MARKER),
            ),
        ),
        "there is no route to it",
    ),
    pytest.param(ValueError(MARKER), "the connection failed (ValueError)"),
]


@pytest.mark.parametrize(("error", "said"), FAILURES)
def test_connections_that_fail_are_described_by_us(error: BaseException, said: str) -> None:
    """The innermost cause says it, by its type or number."""
    assert connection_reason(error) == said


@pytest.mark.parametrize(
    ("error", "there", "said"),
    [
        (config.ConfigException(MARKER), False, "there is no such file"),
        (config.ConfigException(MARKER), True, "has no context c"),
        (PermissionError(errno.EACCES, MARKER), True, "access is not permitted"),
        (yaml.YAMLError(MARKER), True, "has no form of a kubeconfig"),
        (TypeError(MARKER), True, "has no form of a kubeconfig"),
    ],
)
def test_kubeconfig_is_described_by_us(
    error: Exception, there: bool, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A kubeconfig that the client refuses is named with what to look for."""
    file = tmp_path / "kubeconfig"
    if there:
        file.touch()
    monkeypatch.setattr(config, "load_kube_config", raising(error))
    with pytest.raises(ClusterError) as caught:
        connect(file, "c")
    message = f"kubeconfig: {file}: {said}" if "has" not in said else f"kubeconfig: {file} {said}"
    assert str(caught.value) == f"{message}; check --kubeconfig and --context"


# What a handler may take from another's error: numbers, and what was given to the library.
NUMBERS = {"errno", "status", "status_code", "lineno", "colno", "pos", "position", "start"}
GIVEN = {"body", "resp_body", "doc", "object", "code", "name", "__context__"}
TRANSLATORS = {"system_reason", "connection_reason", "_os_message", "_not_written", "in_our_words"}
TRANSLATORS |= {"kubeconfig_reason", "status_said", "_reason", "_code_of"}
# These say yes or no.
TRANSLATORS |= {"isinstance", "is_lack_of_threads"}


def our_errors() -> set[str]:
    """The names of all classes of errors that the package defines."""
    return {
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name.endswith(("Error", "Format", "Type"))
    }


OUR_ERRORS = our_errors()


def is_ours(kinds: ast.expr | None, ours: set[str]) -> bool:
    """Whether a handler takes errors of ours only, so that their text is ours."""
    names = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
    return all(isinstance(name, ast.Name) and name.id in ours for name in names)


def texts_taken(source: str, ours: set[str]) -> Iterator[str]:
    """Every use of another's error in which its text could reach a message."""
    for handler in ast.walk(ast.parse(source)):
        if not isinstance(handler, ast.ExceptHandler) or is_ours(handler.type, ours):
            continue
        allowed: set[ast.AST] = set()
        for node in ast.walk(handler):
            match node:
                case ast.Raise(cause=ast.Name() as cause):
                    allowed.add(cause)
                case ast.Call(func=ast.Name(id=function), args=arguments) if (
                    function in TRANSLATORS
                ):
                    allowed.update(arguments)
                case ast.Call(func=ast.Attribute(attr="set_exception"), args=arguments):
                    # Handed on whole, to be raised again in another thread.
                    allowed.update(arguments)
                case ast.Attribute(value=value, ctx=ast.Store()):
                    # What we give it is ours.
                    allowed.add(value)
                case ast.Attribute(attr=attribute, value=value) if attribute in NUMBERS | GIVEN:
                    allowed.add(value)
        for node in ast.walk(handler):
            if isinstance(node, ast.Name) and node.id == handler.name and node not in allowed:
                yield f"line {node.lineno}: {handler.name}"


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_no_handler_takes_another_text(path: Path) -> None:
    """An error that is not ours gives its number and place, and is the cause; never its text."""
    assert list(texts_taken(path.read_text(encoding="utf-8"), OUR_ERRORS)) == []


@pytest.mark.parametrize(
    "use", ['f"{error}"', "str(error)", "error.strerror", "error.args[0]", "error.problem"]
)
def test_the_search_finds_each_use(use: str) -> None:
    """What the test above forbids is found."""
    source = f"try:\n    f()\nexcept (OSError, ClusterError) as error:\n    print({use})\n"
    assert len(list(texts_taken(source, OUR_ERRORS))) == 1
    assert not list(texts_taken(source.replace("OSError, ", ""), OUR_ERRORS))

"""Under a limit of threads the work is done all the same, by those that can be had."""

import ast
import subprocess
import sys
import threading
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import pytest

from otterize_pcap.cli.last_catch import exit_code_of
from otterize_pcap.connections import origins
from otterize_pcap.files import hashed_ahead, manifest_files, object_store
from otterize_pcap.files.hashed_ahead import hash_ahead
from otterize_pcap.files.worker_reading import THREADS_A_WORKER
from otterize_pcap.table import read as read_module
from otterize_pcap.table import read_threads
from otterize_pcap.table.chunk import FAST_PATH
from otterize_pcap.threads import ADVICE
from tests.command_tree import CAPTURE, READERS, Words, call, readers, run_here
from tests.conftest import FIXTURES, ROOT
from tests.hostile.few_threads import bound_threads, run_within

ONE_FILE = FIXTURES / "outside" / "pcap" / "node-a.pcap"
SNAPSHOT = FIXTURES / "outside" / "snapshot.json"
BEGINS = "_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread"
"""What of `threading` fails where the system refuses a thread."""
BEGIN = {
    *("Thread", "Timer", "ThreadPool", "ThreadPoolExecutor", "ProcessPoolExecutor", "Process"),
    *("multiprocessing", "subprocess", "asyncio", "_thread", "fork", "posix_spawn"),
}
"""What begins threads or processes."""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small captures are worth threads."""
    monkeypatch.setattr(read_module, "SMALLEST_FOR_THREADS", 0)
    monkeypatch.setattr(read_threads, "SMALLEST_PIECE", 1)
    monkeypatch.setattr(origins, "ENOUGH_FOR_THREADS", 0)
    monkeypatch.setattr(hashed_ahead, "SMALL", 0)
    monkeypatch.setattr(manifest_files, "SMALL", 0)
    if FAST_PATH:
        monkeypatch.setattr("otterize_pcap.connections._index.ENOUGH_FOR_THREADS", 0)


def shown(
    words: Words, path: Path, folder: Path, capfd: pytest.CaptureFixture[str]
) -> tuple[object, ...]:
    """All that a command comes to: its exit code, what it says, and what it writes."""
    folder.mkdir()
    with chdir(folder):
        if path.is_dir():
            hash_ahead(path)
        code = run_here(*in_threads(words, path))
    written = {
        str(each.relative_to(folder)): each.read_bytes()
        for each in folder.rglob("*")
        if each.is_file()
    }
    return code, *capfd.readouterr(), written


def in_threads(words: Words, path: Path) -> list[str]:
    """A command line by which two threads read, where the command has such an option."""
    options = {param.name for param in READERS[words].params}
    line = call(words, path, Path("out"))
    line += ["--threads", "2"] if "threads" in options else []
    if path == ONE_FILE and "snapshot" in options:
        line += ["--snapshot", str(SNAPSHOT)]
    return line


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("limit", [0, 1, 2])
@pytest.mark.parametrize("path", [CAPTURE, ONE_FILE], ids=["two nodes", "one file"])
@pytest.mark.parametrize("words", readers())
def test_every_command_does_without(
    words: Words,
    path: Path,
    limit: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The same bytes come out, however few threads there may be at a time."""
    monkeypatch.setattr("otterize_pcap.cli.anonymise.token_bytes", bytes)
    expected = shown(words, path, tmp_path / "many", capfd)
    bound = bound_threads(monkeypatch, lambda bound, _: bound.alive < limit)
    assert shown(words, path, tmp_path / "few", capfd) == expected
    assert "a fault of our own" not in str(expected)
    # What is looked for ahead is; by which other threads, commands differ.
    assert bound.refused or limit or path == ONE_FILE


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("form", ["capture", "reduced"])
def test_system_that_refuses_threads(form: str, limit: int, tmp_path: Path) -> None:
    """Where the system bounds them, libraries begin none either: a reduced capture is read."""
    path = CAPTURE
    if form == "reduced":
        path = tmp_path / "reduced.parquet"
        assert run_here("reduce", str(CAPTURE), "-o", str(path)) == 0
        path.chmod(0o644)
    expected = subprocess.run(
        [sys.executable, "-m", "otterize_pcap", "intents", "list", str(CAPTURE)],
        capture_output=True,
        text=True,
        check=True,
    )
    ended = run_within(limit, tmp_path, "intents", "list", str(path), "--threads", "2")
    assert (ended.returncode, ended.stdout) == (0, expected.stdout), ended.stderr


def test_workers_that_cannot_be_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Workers of one's own take threads; they are not begun where there are too few for them."""
    pytest.importorskip("distributed")
    bound_threads(monkeypatch, lambda bound, _: bound.alive < 2 * THREADS_A_WORKER)
    assert run_here("intents", "list", "--scheduler", "local:2", str(CAPTURE)) == 4
    told = f"takes more threads than there may be here; {ADVICE}, or read without --scheduler"
    assert capsys.readouterr().err == f"otterize: --scheduler local:2: {told}\n"


def test_urls_without_a_thread(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store's client keeps a thread, and would panic without."""
    pytest.importorskip("obstore")
    object_store.has_its_thread.cache_clear()
    bound_threads(monkeypatch, lambda _, __: False)
    assert run_here("intents", "list", "s3://nowhere/capture") == 3
    object_store.has_its_thread.cache_clear()
    told = f"reading of URLs takes a thread, and none can be begun; {ADVICE}"
    assert capsys.readouterr().err == f"otterize: s3://nowhere/capture: {told}\n"


@pytest.mark.parametrize("cause", [None, ValueError("it failed to start")])
def test_thread_of_a_library(cause: Exception | None, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever begins one that cannot be had: it is one line that says what to do."""

    def begin() -> None:
        try:
            threading.Thread(target=print).start()
        except RuntimeError as error:
            raise (cause or error) from error

    with patch.object(threading, BEGINS, side_effect=RuntimeError):
        assert exit_code_of(begin) == 3
    assert capsys.readouterr().err == f"otterize: a thread could not be begun; {ADVICE}\n"


def test_other_failures_are_none_of_threads(capsys: pytest.CaptureFixture[str]) -> None:
    """Another error of the same kind is a fault of our own still."""

    def fail() -> None:
        raise RuntimeError

    assert exit_code_of(fail) == 3
    assert "a fault of our own, RuntimeError" in capsys.readouterr().err


def begun_in(source: str) -> set[str]:
    """What begins threads or processes, of all that a module calls and imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            names.add(getattr(node.func, "id", "") or getattr(node.func, "attr", ""))
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names.update(name.name for name in node.names)
            names.add(getattr(node, "module", "") or "")
    return names & BEGIN


def test_guard_sees_who_begins_threads() -> None:
    """However it was imported."""
    assert begun_in("import threading\nthreading.Thread()") == {"Thread"}
    assert begun_in("from concurrent.futures import ThreadPoolExecutor as Pool") == {
        "ThreadPoolExecutor"
    }
    assert begun_in("import subprocess") == {"subprocess"}


def test_threads_are_begun_in_one_place() -> None:
    """Whoever else begins one needs something to fall back on; preflight may leave its out."""
    package = ROOT / "otterize_pcap"
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if begun_in(path.read_text(encoding="utf-8"))
    }
    compiled = {
        path.name
        for path in package.rglob("*.pyx")
        if any(word in path.read_text(encoding="utf-8") for word in BEGIN)
    }
    assert (found, compiled) == ({"threads.py", "cluster/capture/preflight.py"}, set())

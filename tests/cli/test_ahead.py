"""What is begun before a command line is parsed."""

import pytest

from otterize_pcap import cli
from otterize_pcap.cli import ahead
from otterize_pcap.cli.ahead import directory_to_hash
from otterize_pcap.files import hashed_ahead
from tests.conftest import FIXTURES, Otterize

CAPTURE = str(FIXTURES / "services")


@pytest.mark.parametrize(
    "words",
    [
        ["intents", "list", CAPTURE],
        ["intents", "list", "--threads", "2", CAPTURE],
        ["diff", "nowhere", CAPTURE, "--threads=3"],
    ],
)
def test_first_directory_is_hashed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is before and after it."""
    monkeypatch.setattr(ahead, "processors", lambda: 2)
    assert directory_to_hash(words) == FIXTURES / "services"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["intents"],
        ["intents", "list", f"{CAPTURE}/pcap/node-a.pcap"],
        ["intents", "list", CAPTURE, "--threads", "1"],
        ["intents", "list", CAPTURE, "--threads=1"],
        ["intents", "list", CAPTURE, "--scheduler=local:2"],
        ["intents", "list", CAPTURE, "-h"],
        ["anonymise", CAPTURE],
    ],
)
def test_nothing_is_hashed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one thread is to do all, somebody else compares, or nobody."""
    monkeypatch.setattr(ahead, "processors", lambda: 2)
    assert directory_to_hash(words) is None


def test_one_processor_hashes_while_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no other one."""
    monkeypatch.setattr(ahead, "processors", lambda: 1)
    assert directory_to_hash(["intents", "list", CAPTURE]) is None


@pytest.mark.parametrize("name", ["a" * 300, "/".join(["a" * 200] * 30), "\udcff" * 200])
def test_name_that_no_file_has_is_one_line(name: str, otterize: Otterize) -> None:
    """The command says what the guess met before it."""
    done = otterize("intents", "list", name)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert done.stderr.startswith("otterize: ")


@pytest.mark.parametrize("error", [PermissionError, ValueError, RecursionError, MemoryError])
@pytest.mark.parametrize("place", [(ahead, "directory_to_hash"), (hashed_ahead, "hash_ahead")])
def test_guess_that_fails_is_none(
    error: type[Exception], place: tuple[object, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing leaves it, whatever it fails of."""

    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(ahead, "processors", lambda: 2)
    monkeypatch.setattr(place[0], place[1], fail)
    cli._begin_ahead(["intents", "list", CAPTURE])

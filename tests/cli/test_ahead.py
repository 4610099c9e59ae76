"""What is begun before a command line is parsed."""

import pytest

from otterize_pcap.cli import ahead
from otterize_pcap.cli.ahead import directory_to_hash
from tests.conftest import FIXTURES

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

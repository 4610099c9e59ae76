"""Files that are compared in a thread of their own."""

from pathlib import Path
from threading import Event

from otterize_pcap.files.compared_beside import ComparedBeside, fits_the_cache


def test_each_file_is_compared_once_and_in_order() -> None:
    """However often a file is asked for, and whenever its answer is wanted."""
    compared: list[str] = []
    may_go_on = Event()

    def compare(path: Path) -> str | None:
        may_go_on.wait()
        compared.append(path.name)
        return None if path.name == "whole" else "another"

    beside = ComparedBeside(compare, "unknown")
    for name in ("whole", "changed", "whole", "changed"):
        beside.ask(Path(name))
    assert not beside.was_asked(Path("other"))
    may_go_on.set()
    assert beside.answer(Path("changed")) == "another"
    assert beside.answer(Path("whole")) is None
    # The thread may have ended; another one begins.
    beside.ask(Path("late"))
    assert beside.answer(Path("late")) == "another"
    assert compared == ["whole", "changed", "late"]


def test_whoever_waits_for_a_comparison_that_failed_is_answered() -> None:
    """An error leaves nobody waiting, nor what is asked later."""

    def compare(path: Path) -> str | None:
        if path.name == "bad":
            raise MemoryError
        return None

    beside = ComparedBeside(compare, "unknown")
    beside.ask(Path("bad"))
    assert beside.answer(Path("bad")) == "unknown"
    beside.ask(Path("good"))
    assert beside.answer(Path("good")) is None


def test_what_fits_the_cache() -> None:
    """Nothing always does, and more than all memory never."""
    assert fits_the_cache(0)
    assert not fits_the_cache(1 << 62)

"""Calls by as many threads as can be had."""

import threading

import pytest

from otterize_pcap.crew import Crew
from otterize_pcap.threads import are_to_be_had, begin_thread
from tests.hostile.few_threads import bound_threads


def square(number: int) -> int:
    """Something to do."""
    return number * number


@pytest.mark.parametrize("at_once", [1, 2, 5])
@pytest.mark.parametrize("limit", [0, 1, 9])
def test_answers_are_in_order(limit: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of as many calls as there are, by fewer threads, or none."""
    bound = bound_threads(monkeypatch, lambda bound, _: bound.alive < limit)
    with Crew(at_once) as crew:
        assert crew.map(square, range(100)) == [square(number) for number in range(100)]
    assert bool(bound.begun) == bool(limit)
    assert bound.alive <= at_once


def test_so_many_at_once() -> None:
    """Two calls that wait for each other are both made at once, a third one later."""
    meeting = threading.Barrier(2)
    with Crew(2) as crew:
        waiting = [crew.submit(meeting.wait, 30) for _ in range(4)]
        assert sorted(each.result() for each in waiting) == [0, 0, 1, 1]


@pytest.mark.parametrize("limit", [0, 9])
def test_failures_are_raised_where_they_are_waited_for(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One failure keeps nobody from the other calls."""
    bound_threads(monkeypatch, lambda bound, _: bound.alive < limit)
    with Crew(2) as crew:
        failing = crew.submit(int, "no number")
        assert crew.submit(int, "7").result() == 7
        with pytest.raises(ValueError, match=r"."):
            failing.result()


def test_what_has_not_begun_is_left() -> None:
    """Where the context fails, it waits for what has begun, and for nothing else."""
    begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait(30)

    def fail() -> None:
        with Crew(1) as crew:
            waiting.append(crew.submit(work))
            waiting.append(crew.submit(work))
            begun.wait(30)
            begin_thread(may_end.set)
            raise KeyboardInterrupt

    waiting: list[object] = []
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [each.cancelled() for each in waiting] == [False, True]  # type: ignore[attr-defined]


def test_interrupt_ends_a_crew_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The main thread makes the calls then, and Ctrl-C is its."""
    bound_threads(monkeypatch, lambda _, __: False)

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Crew(2) as crew:
        crew.submit(interrupted)


@pytest.mark.parametrize(
    ("limit", "wanted", "enough"), [(3, 3, True), (3, 4, False), (0, 1, False)]
)
def test_threads_are_tried(
    limit: int, wanted: int, enough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once, and none of them stays."""
    bound = bound_threads(monkeypatch, lambda bound, _: bound.alive < limit)
    assert are_to_be_had(wanted) is enough
    assert bound.alive == 0

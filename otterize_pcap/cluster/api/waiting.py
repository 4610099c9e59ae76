"""Waiting for an API server: said aloud, not for ever, and ended by Ctrl-C at once.

A request can block where nothing of ours runs: while a name is looked up, while a connection is
opened to an address that drops packets, while a body trickles. So each runs in a thread of its
own, and who asked waits for it here; a request that is given up ends when its socket does. Where no
thread can be had, who asks sends the request, and its socket's patience is all there is.
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import TypeVar

from otterize_pcap.threads import begin_thread

Answer = TypeVar("Answer")

#: A silence this long is told, so that nobody waits for longer than 5 s without knowing for what.
SAY_AFTER_S = 3.0


class SilenceError(Exception):
    """No answer within the limit."""


def _came(outcome: Future[Answer], seconds: float) -> bool:
    return bool(wait((outcome,), seconds).done)


class Waiting:
    """How long an API server may be silent, and who is told of it; for all threads together."""

    def __init__(self, limit_s: float, say: Callable[[str], None]) -> None:
        self.limit_s = limit_s
        self.say = say
        self._lock = threading.Lock()
        self._told = False

    def answer(self, ask: Callable[[], Answer], what: str, deadline: float | None = None) -> Answer:
        """What `ask` returns or raises, if that comes in time.

        Args:
            ask: Sends a request and reads its answer.
            what: Names server and request to the user.
            deadline: When to give up before the limit is over (time.monotonic()).

        Raises:
            SilenceError: It did not come.
        """
        outcome: Future[Answer] = Future()
        limit = self.limit_s
        if deadline is not None:
            limit = min(limit, max(0.0, deadline - time.monotonic()))
        if begin_thread(_run, ask, outcome, name="request") is None:
            return ask()
        if not _came(outcome, min(SAY_AFTER_S, limit)):
            if limit > SAY_AFTER_S:
                self.tell(f"no answer for {SAY_AFTER_S:.0f} s", what, limit - SAY_AFTER_S)
            if not _came(outcome, max(0.0, limit - SAY_AFTER_S)):
                raise SilenceError
        return outcome.result()

    def tell(self, trouble: str, what: str, left_s: float) -> None:
        """Say what is waited for and how much longer, once for each time that it falls silent."""
        with self._lock:
            if self._told:
                return
            self._told = True
        self.say(f"waiting for {what}: {trouble}; giving up in {left_s:.0f} s")

    def answered(self) -> None:
        """The server is there: its next silence is told again."""
        self._told = False


def _run(call: Callable[[], Answer], outcome: Future[Answer]) -> None:
    try:
        outcome.set_result(call())
    except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
        outcome.set_exception(error)


def side_by_side(calls: Iterable[Callable[[], Answer]], workers: int) -> list[Answer]:
    """The answers of all calls, in their order, so many calls at a time.

    Unlike a pool of concurrent.futures, the first failure and Ctrl-C end it at once: what is
    still waiting is left to itself and is not waited for when the program ends.
    """
    todo: list[tuple[Callable[[], Answer], Future[Answer]]] = [(call, Future()) for call in calls]
    rest = iter(todo)
    lock = threading.Lock()
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            with lock:
                found = next(rest, None)
            if found is None:
                return
            _run(*found)

    threads = [
        begin_thread(work, name=f"ask-{number}") for number in range(min(workers, len(todo)))
    ]
    if all(thread is None for thread in threads):
        return [call() for call, _ in todo]
    try:
        return [outcome.result() for _, outcome in todo]
    finally:
        ended.set()

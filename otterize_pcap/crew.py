"""Calls that are made by several threads, as many as can be had: without any, by who asks.

A pool of concurrent.futures fails where a thread cannot be begun, and leaves what was asked for in
its queue.
"""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from threading import Condition
from types import TracebackType
from typing import Any, Self, TypeVar

from otterize_pcap.threads import begin_thread

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Crew:
    """Makes so many calls at once. As a context, it ends when all of them have.

    Where the context fails, what has not begun is left.
    """

    def __init__(self, at_once: int, name: str | None = None) -> None:
        self._at_once = at_once
        self._name = name
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._running = 0
        self._changed = Condition()

    def __enter__(self) -> Self:
        """Nothing begins before it is asked for."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for all that has begun."""
        self.end(leaving=error is not None)

    def submit(self, call: Callable[..., Answer], *arguments: object) -> "Future[Answer]":
        """Have a call made; it has been, where no thread can be had."""
        outcome: Future[Answer] = Future()
        with self._changed:
            self._waiting.append((outcome, partial(call, *arguments)))
            if self._running == self._at_once:
                return outcome
            self._running += 1
        if begin_thread(self._work, name=self._name) is None:
            with self._changed:
                self._running -= 1
                if self._running:
                    # Whoever is at work looks here before he ends.
                    return outcome
                self._running += 1
            self._work()
        return outcome

    def map(self, call: Callable[[Asked], Answer], each: Iterable[Asked]) -> list[Answer]:
        """What a call answers to each of several, in their order."""
        return [outcome.result() for outcome in [self.submit(call, asked) for asked in each]]

    def end(self, *, leaving: bool) -> None:
        """Wait for all that was asked for, or `leaving` what has not begun, for the rest."""
        with self._changed:
            while leaving and self._waiting:
                self._waiting.popleft()[0].cancel()
            self._changed.wait_for(lambda: not self._running)

    def _work(self) -> None:
        while (asked := self._next()) is not None:
            try:
                _answer(*asked)
            except KeyboardInterrupt:
                self._leave()
                raise

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        """What to do next; with the last of it this thread is counted no more, at once."""
        with self._changed:
            if self._waiting:
                return self._waiting.popleft()
            self._leave()
            return None

    def _leave(self) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()


def _answer(outcome: Future[Any], call: Callable[[], Any]) -> None:
    try:
        outcome.set_result(call())
    except KeyboardInterrupt as error:
        # It comes where no thread could be had: the main one makes the call.
        outcome.set_exception(error)
        raise
    except BaseException as error:  # noqa: BLE001 - raised where it is waited for
        outcome.set_exception(error)

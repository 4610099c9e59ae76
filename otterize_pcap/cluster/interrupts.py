"""Signals during a capture: first Ctrl-C stops recording, the second abandons; both clean up.

The handlers only set events, so nothing is ever interrupted half way: every wait in this package
waits on these events, and the clean-up that follows runs undisturbed.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

STOP_NOTICE = b"\nstopping: what was recorded is kept; Ctrl-C again abandons it\n"
# Windows has no SIGHUP.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
ABANDON_NOTICE = b"\nabandoning: the Jobs are being deleted\n"


@contextmanager
def ending_as_interrupted() -> Iterator[None]:
    """Within it SIGTERM and SIGHUP end the program as Ctrl-C does: with what `finally` says.

    For what comes before and after the part that `Interrupts` guards.
    """
    with _handled(signal.default_int_handler):
        yield


@contextmanager
def ending_at_once(code: int) -> Iterator[None]:
    """Within it each of the signals ends the program, at once: for while nothing is to be undone.

    An exception would not do. Modules are imported meanwhile, and some catch whatever they meet.
    """
    with _handled(lambda _number, _frame: os._exit(code)):
        yield


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # One that is ignored, as by nohup, stays so.
    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = [signal.signal(number, handler) for number in heard]
    try:
        yield
    finally:
        for number, former in zip(heard, before, strict=True):
            signal.signal(number, former)


class Interrupts:
    """What the user asked for by signals, as a context that installs the handlers.

    `stop` is set by the first SIGINT, `abandon` by the second, by SIGTERM and by SIGHUP. After
    these two `keeps` says to keep what has come: nobody there chose to lose it.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.abandon = threading.Event()
        self.keeps = False
        self._wake = threading.Event()
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Install the handlers, where this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the handlers back that were there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as signal() gave it to us

    def wait(self, seconds: float) -> None:
        """Sleep, but not past a new signal."""
        self._wake.wait(seconds)
        self._wake.clear()

    def wake(self) -> None:
        """End a `wait` of another thread."""
        self._wake.set()

    def interrupt(self) -> None:
        """What a SIGINT does."""
        if self.stop.is_set():
            self.keeps = False
            self.abandon.set()
        self.stop.set()
        self.wake()

    def terminate(self) -> None:
        """What a SIGTERM does."""
        self.keeps = not self.abandon.is_set()
        self.stop.set()
        self.abandon.set()
        self.wake()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        abandoned_before = self.abandon.is_set()
        if number == signal.SIGINT:
            self.interrupt()
        else:
            self.terminate()
        if not abandoned_before:
            # Not print: the signal may have come in the middle of another print.
            os.write(2, ABANDON_NOTICE if self.abandon.is_set() else STOP_NOTICE)

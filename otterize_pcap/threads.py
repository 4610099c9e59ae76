"""Threads, where they can be had: how many a user, a service or a container has is bounded.

`ulimit -u` and `pids.max` are such bounds. Whoever gets no thread does the work himself, later or
more slowly, and the result is the same. Some of what libraries do takes threads all the same.
"""

import threading
from collections.abc import Callable, Iterator
from threading import Event, Thread

ADVICE = "raise the limit of processes and threads under which this runs (`ulimit -u`, `pids.max`)"


def begin_thread(
    run: Callable[..., object], *arguments: object, name: str | None = None
) -> Thread | None:
    """Begin a thread that ends with the process; None where there can be no more of them."""
    thread = Thread(target=run, args=arguments, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def are_to_be_had(count: int) -> bool:
    """Whether so many threads, or processes, may be begun at this moment."""
    seen = Event()
    threads: list[Thread] = []
    try:
        while len(threads) < count:
            thread = begin_thread(seen.wait)
            if thread is None:
                return False
            threads.append(thread)
    finally:
        seen.set()
        for thread in threads:
            thread.join()
    return True


def is_lack_of_threads(error: BaseException) -> bool:
    """Whether a failure came of a thread that could not be begun; its words differ by version."""
    import traceback  # noqa: PLC0415 - 5 ms of a start

    return any(
        isinstance(each, RuntimeError)
        and any(
            (frame.filename, frame.name) == (threading.__file__, Thread.start.__name__)
            for frame in traceback.extract_tb(each.__traceback__)
        )
        for each in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

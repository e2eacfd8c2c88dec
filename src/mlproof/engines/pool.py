"""Threads that are kept from one call to the next.

To start some is a good part of the time in which a thousand rows are predicted.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Pool:
    """So many threads, started when they are first needed, also in a forked child."""

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._threads: ThreadPoolExecutor | None = None
        self._owner = 0

    def submit(self, work: Callable[[Any], Any], of: Any) -> Future[Any]:
        """Have one of the threads call work(of)."""
        # A forked child has the pool but not its threads.
        if self._threads is None or self._owner != os.getpid():
            self._threads = ThreadPoolExecutor(self._n_threads, "mlproof")
            self._owner = os.getpid()
        try:
            return self._threads.submit(work, of)
        except RuntimeError as error:
            # As the main thread has ended, and others go on.  Where no thread can be
            # started instead, the executor keeps the work, which is not done twice.
            if not str(error).startswith("cannot schedule"):
                raise
            return _by_a_new_thread(work, of)

    def close(self) -> None:
        """End the threads when they have done what they were asked for."""
        if self._threads is not None and self._owner == os.getpid():
            self._threads.shutdown()
        self._threads = None


def _by_a_new_thread(work: Callable[[Any], Any], of: Any) -> Future[Any]:
    """What an executor does no longer when the interpreter is about to end.

    Raises
    ------
    RuntimeError
        If no thread can be started.
    """
    future: Future[Any] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work(of))
        except BaseException as error:  # raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, name="mlproof", daemon=True).start()
    return future


class _Kept(threading.local):
    """The pools of the calling thread, by how many threads share its work."""

    def __init__(self) -> None:
        self.pools: dict[int, Pool] = {}


_kept = _Kept()


def share_out(
    n_threads: int, work: Callable[[Any], Any], items: Iterable[Any]
) -> list[Any]:
    """work(item) for each item, by the calling thread and others that it keeps.

    They take what nobody has begun, and end with their caller.  Nothing goes on after
    an error or Ctrl-C.
    """
    waiting = deque(enumerate(items))
    done: list[Any] = [None] * len(waiting)

    def take(_: Any = None) -> None:
        try:
            while (begun := _first(waiting)) is not None:
                number, item = begun
                done[number] = work(item)
        except BaseException:
            waiting.clear()
            raise

    pool = _kept.pools.setdefault(n_threads, Pool(n_threads - 1))
    n_others = min(n_threads, len(waiting)) - 1
    others: list[Future[Any]] = []
    try:
        with suppress(RuntimeError):  # none can be had, or none any more at the end
            others.extend(pool.submit(take, None) for _ in range(n_others))
        take()
        for other in others:
            if not other.cancel():  # it has come in time to take something
                other.result()
    finally:
        waiting.clear()
        wait([other for other in others if not other.cancel()])
    return done


def _first(waiting: deque[T]) -> T | None:
    """Taken from the left, by one thread only; None if nothing is left."""
    try:
        return waiting.popleft()
    except IndexError:
        return None

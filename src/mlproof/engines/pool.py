"""Threads that are kept from one call to the next.

To start some is a good part of the time in which a thousand rows are predicted.
"""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any


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
        return self._threads.submit(work, of)

    def close(self) -> None:
        """End the threads when they have done what they were asked for."""
        if self._threads is not None and self._owner == os.getpid():
            self._threads.shutdown()
        self._threads = None


class _Kept(threading.local):
    """The pools of the calling thread, by how many threads they have."""

    def __init__(self) -> None:
        self.pools: dict[int, Pool] = {}


_kept = _Kept()


def share_out(
    n_threads: int, work: Callable[[Any], Any], items: Iterable[Any]
) -> list[Any]:
    """work(item) for each item, by so many threads, which the calling thread keeps.

    They end with it.  Nothing goes on after an error or Ctrl-C.
    """
    pool = _kept.pools.setdefault(n_threads, Pool(n_threads))
    futures: list[Future[Any]] = []
    try:
        futures.extend(pool.submit(work, item) for item in items)
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
        wait(futures)
